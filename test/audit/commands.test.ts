/** `postern audit …` as an operator uses it, in processes of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { groupRefusals, type LogFilter, searchLog } from '../../src/audit/log-rows.ts'
import type { AuditRecord } from '../../src/audit/record.ts'
import { type PosternOptions, runPostern, startPostern } from '../cli/postern.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { meddle, ship, shippedChain } from './chains.ts'
import { spoolIn, statement } from './fixture.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-audit-'))
let control: ControlFixture
let options: PosternOptions & { env: Record<string, string> }
let instance = ''

const run = (...args: string[]) => runPostern(['audit', ...args], options)
const day = (date: number) => Date.UTC(2026, 0, date)

async function record(...records: Partial<AuditRecord>[]): Promise<string> {
  const spool = spoolIn(mkdtempSync(join(cwd, 'spool-')))
  for (const [i, more] of records.entries()) spool.append(statement(i, more))
  await ship(control, spool)
  await spool.close()
  return spool.instance
}

beforeAll(async () => {
  control = await freshControl()
  options = {
    cwd,
    env: {
      POSTERN_CONTROL_URL: control.database.url,
      POSTERN_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      POSTERN_DATA_DIR: join(cwd, 'data'),
    },
  }
  const refused = { kind: 'refusal', verdict: 'refuse', sqlstate: '42501', rows: undefined } as const
  instance = await record(
    { time: day(1), text: 'select 1 as one' },
    { time: day(2), principal: 'bob@beta', tenant: 'beta', relations: ['crm.payroll'], text: 'select * from payroll' },
    { time: day(3), ...refused, reason: 'not yours: payroll', text: 'select salary from payroll' },
    { time: day(4), ...refused, reason: 'not yours: payroll', text: 'select 2 from payroll', principal: 'carol@acme' },
    { time: day(5), ...refused, reason: 'only SELECT', sqlstate: '25006', text: 'drop table payroll' },
    {
      time: day(6),
      kind: 'tool-call',
      door: 'mcp',
      tool: 'list_tables',
      text: undefined,
      detail: { arguments: { schema: 'crm' } },
    },
    { time: day(7), applicationName: '=1+1', text: 'select "a,b",\n3' },
    {
      time: day(8),
      kind: 'login',
      verdict: 'refused',
      sqlstate: '28P01',
      reason: 'bad\x1b[2J password',
      text: undefined,
    },
  )
})

afterAll(() => rmSync(cwd, { recursive: true }))

const texts = (out: string) => JSON.parse(out).map((row: { statement_text: string }) => row.statement_text)

describe('audit search', () => {
  test.each<[LogFilter, (string | null)[]]>([
    [{ principal: 'bob@beta' }, ['select * from payroll']],
    [{ principal: 'bob' }, ['select * from payroll']],
    [{ tenant: 'beta' }, ['select * from payroll']],
    [{ relation: 'payroll' }, ['select * from payroll']],
    [{ relation: 'crm.payroll' }, ['select * from payroll']],
    [{ relation: 'roll' }, []],
    [{ sqlstate: '25006' }, ['drop table payroll']],
    [{ verdict: 'refuse', text: 'YOURS' }, ['select $1 from payroll', 'select salary from payroll']],
    [{ tool: 'list_tables' }, [null]],
    [{ kind: 'tool-call' }, [null]],
    [{ since: new Date(day(4)), until: new Date(day(5)) }, ['select $1 from payroll']],
    [{ text: '100%_' }, []],
  ])('finds by %j', async (filter, expected) => {
    const found = await searchLog(control.owner, filter, 100)
    expect(found.map(row => row.statement_text)).toEqual(expected)
  })

  test('takes all that at once, and a limit', async () => {
    const range = ['--since', '2026-01-02', '--until', '2026-01-05T00:00Z']
    const what = ['--principal', 'carol', '--relation', 'orders', '--verdict', 'refuse', '--text', 'from payroll']
    expect(texts((await run('search', '--json', ...range, ...what)).out)).toEqual(['select $1 from payroll'])
    expect(texts((await run('search', '--json', '--limit', '1', '--kind', 'refusal')).out)).toEqual([
      'drop table payroll',
    ])
    expect((await run('search', '--text', 'nothing of the kind')).err).toBe('nothing like that stands in the log\n')
  })

  test('for people, newest first, with nothing in it that moves their cursor', async () => {
    const found = await run('search', '--since', '2026-01-05', '--limit', '50')
    expect(found.out.split('\n')[0]).toBe(
      '2026-01-08T00:00:00.000Z  wire  alice@acme  shop  login  refused  28P01  1 row  (bad [2J password)',
    )
    expect(found.out).not.toContain('\x1b')
    expect(found.out).toContain('select "a,b", $1')
  })

  test('says what it does not understand', async () => {
    expect(await run('search', '--since', 'yesterday')).toMatchObject({
      code: 2,
      err: expect.stringContaining('2026-01-31'),
    })
  })
})

describe('audit export', () => {
  test('as lines of JSON, the oldest first', async () => {
    const out = (await run('export', '--tenant', 'acme')).out
    const rows = out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(rows).toHaveLength(7)
    expect(rows[0]).toMatchObject({
      time: '2026-01-01T00:00:00.000Z',
      instance,
      sequence: 1,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(rows[4]).toMatchObject({ tool: 'list_tables', detail: { arguments: { schema: 'crm' } } })
  })

  test('as a spreadsheet in which a caller writes no formulas', async () => {
    const { out } = await run('export', '--format', 'csv', '--since', '2026-01-07', '--until', '2026-01-08')
    const [header, ...rest] = out.split('\r\n')
    expect(header).toMatch(/^time,instance,sequence,kind,.*,hash$/)
    expect(rest.join()).toContain('"select ""a,b"",\n$1"')
    expect(rest.join()).toContain(`'=1+1`)
    expect(rest.join()).toContain('"[""public.orders""]"')
  })

  test('of more than a page is complete', async () => {
    const chain = await shippedChain(control, 2_345, Date.UTC(2025, 5, 1))
    const { out } = await run('export', '--until', '2025-12-01')
    const rows = out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(rows.map(row => row.sequence)).toEqual(Array.from({ length: 2_345 }, (_, i) => i + 1))
    expect(rows[0].instance).toBe(chain)
  })
})

describe('audit refusals', () => {
  test('by cause, with how many and the newest example', async () => {
    const { out } = await run('refusals', '--json')
    expect(JSON.parse(out)).toMatchObject([
      {
        sqlstate: '42501',
        reason: 'not yours: payroll',
        count: 2,
        principals: 2,
        example: { principal: 'carol@acme', text: 'select $1 from payroll' },
      },
      { sqlstate: '28P01', count: 1 },
      { sqlstate: '25006', reason: 'only SELECT', count: 1 },
    ])
    expect((await run('refusals')).out).toMatch(
      /^2 × 42501 not yours: payroll {2}\(2 principals, last 2026-01-04T00:00:00.000Z\)\n {4}carol@acme: select \$1/,
    )
    expect((await run('refusals', '--tenant', 'beta')).out).toBe('nothing was refused\n')
  })

  test('counts calls that came to no statement, and no refusal twice', async () => {
    const call = { kind: 'tool-call', door: 'mcp', text: undefined, verdict: 'failed', tenant: 'gamma' } as const
    const limited = { ...call, tool: 'query', reason: 'RATE_LIMITED', sqlstate: '53400' }
    const denied = { ...call, tool: 'query', reason: 'PERMISSION_DENIED', sqlstate: '42501', requestId: 'call 1' }
    await record(
      { ...limited, time: day(1) },
      { ...limited, time: day(2), principal: 'carol@acme' },
      {
        time: day(2),
        kind: 'refusal',
        tenant: 'gamma',
        verdict: 'refuse',
        sqlstate: '42501',
        reason: 'judged',
        requestId: 'call 1',
      },
      { ...denied, time: day(2) },
      { ...denied, time: day(2), tool: 'provision_schema', requestId: 'call 2' },
      { ...call, time: day(2), tool: 'query', reason: 'SYNTAX_ERROR', sqlstate: '42601' },
    )
    const groups = await groupRefusals(control.owner, { tenant: 'gamma' }, 10)
    expect(groups.map(({ reason, count, example }) => [reason, count, example.principal])).toEqual([
      ['query: RATE_LIMITED', 2, 'carol@acme'],
      [expect.stringMatching(/^(judged|provision_schema: PERMISSION_DENIED)$/), 1, 'alice@acme'],
      [expect.stringMatching(/^(judged|provision_schema: PERMISSION_DENIED)$/), 1, 'alice@acme'],
    ])
  })
})

describe('audit tail', () => {
  test('shows the newest, oldest of them first', async () => {
    const { out } = await run('tail', '--lines', '2', '--no-follow')
    expect(out.split('\n').map(line => line.slice(0, 10))).toEqual(['2026-01-07', '2026-01-08', ''])
  })

  test('follows what comes, of every instance, until it is stopped', async () => {
    const child = startPostern(['audit', 'tail', '--lines', '1', '--json', '--kind', 'statement'], options)
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    const ended = new Promise<number | null>(resolve => child.on('close', resolve))
    const said = () => texts(`[${out.trimEnd().split('\n').join(',')}]`)
    await vi.waitFor(() => expect(said()).toEqual(['select "a,b",\n$1']), { timeout: 10_000 })
    await record({ time: day(20), text: 'select one_more' }, { kind: 'login' })
    await record({ time: day(19), text: 'select from_another' })
    await vi.waitFor(() => expect(said().slice(1).sort()).toEqual(['select from_another', 'select one_more']), {
      timeout: 10_000,
    })
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  }, 30_000)
})

describe('audit verify', () => {
  test('ends with 0 where all chains are whole, and with 1 where one is not, which it names', async () => {
    expect(await run('verify')).toMatchObject({
      code: 0,
      out: expect.stringMatching(new RegExp(`${instance} +8 +1 +8 +0 +whole`)),
    })
    const chain = await shippedChain(control, 20)
    await meddle(control.owner, `update postern.audit_log set rows = 7 where instance = $1 and sequence = 7`, [chain])
    const told = await run('verify')
    expect(told).toMatchObject({
      code: 1,
      out: expect.stringContaining(`${chain}: changed at record 7 (2026-01-10T00:00:06.000Z):`),
    })
    const { code, out } = await run('verify', '--json', '--instance', chain)
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({
      broken: 1,
      chains: [
        { instance: chain, records: 6, break: { kind: 'changed', sequence: 7, time: '2026-01-10T00:00:06.000Z' } },
      ],
    })
    await meddle(control.owner, `update postern.audit_log set rows = 1 where instance = $1 and sequence = 7`, [chain])
    expect((await run('verify')).code).toBe(0)
  })

  test('is nothing for another master key', async () => {
    const env = { ...options.env, POSTERN_MASTER_KEY: Buffer.alloc(32, 8).toString('base64') }
    expect(await runPostern(['audit', 'verify'], { cwd, env })).toMatchObject({
      code: 1,
      err: expect.stringContaining('master key'),
    })
  })
})

describe('audit retention', () => {
  test('keeps everything unless it is told otherwise', async () => {
    expect(await run('retention')).toMatchObject({ code: 0, out: expect.stringContaining('every record is kept') })
  })

  test('shows what it would drop, drops it, and the chains verify', async () => {
    await shippedChain(control, 30, Date.UTC(2019, 3, 2))
    const env = { ...options.env, POSTERN_AUDIT_RETENTION_DAYS: '2000' }
    const retention = (...args: string[]) => runPostern(['audit', 'retention', ...args], { cwd, env })
    expect(await retention()).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^2019-04 {2}\d+ KB\n"postern audit retention --apply"/),
    })
    const { code, out } = await retention('--apply', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      applied: true,
      months: [{ month: '2019-04', records: 30, checkpoints: 1 }],
    })
    expect((await retention()).out).toBe('no month is wholly older than 2000 days\n')
    expect((await run('verify')).code).toBe(0)
  })
})

test('who does not own the control database is told so', async () => {
  const name = `${control.database.name}_gate`
  await control.owner.query(`create role ${name} login password 'gate' in role postern_service`)
  try {
    const url = new URL(control.database.url)
    url.username = name
    url.password = 'gate'
    const ran = await runPostern(['audit', 'tail'], { cwd, env: { ...options.env, POSTERN_CONTROL_URL: url.href } })
    expect(ran).toMatchObject({ code: 1, err: expect.stringMatching(/only the owner .*\(42501\)\nhint: /) })
  } finally {
    await control.owner.query(`drop role ${name}`)
  }
})
