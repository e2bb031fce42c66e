/** `check` and `query` in a folder where nothing runs: the embedded cluster comes and goes with each command. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCluster } from '../../src/embedded/cluster.ts'
import { runPostern } from './postern.ts'
import { freePort, startRunning } from './running.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-query-'))
const env: Record<string, string> = {}
const run = (args: string[]) => runPostern(args, { cwd, env })

beforeAll(async () => {
  env.POSTERN_GATEWAY_PORT = String(await freePort())
  const up = await startRunning(['up'], 'Stop: Ctrl-C', { cwd, env })
  await up.stop('SIGINT')
})
afterAll(() => {
  expect(existsSync(join(cwd, '.postern/postgres/pgdata/postmaster.pid'))).toBe(false)
  rmSync(cwd, { recursive: true })
})

describe('check and query', () => {
  it('says what would run, and as what', async () => {
    const { code, out } = await run(['check', 'select * from orders', '--tenant', 'acme'])
    expect(code).toBe(0)
    expect(out).toMatch(/runs as: select \* from orders\s+LIMIT 10001\nreads: crm\.orders\n/)
  })

  it('says what is refused, where, and exits with 1', async () => {
    const { code, out } = await run(['check', "select 1;\nselect pg_read_file('x')", '--tenant', 'acme'])
    expect(code).toBe(1)
    expect(out).toContain(
      "refused (function, 42501): permission denied for function pg_read_file\nLINE 1: select pg_read_file('x')\n               ^\n",
    )
  })

  it('runs a statement for the only user, as a table, as CSV and as JSON', async () => {
    const sql = "select 1 as one, true as yes, null as nothing, 'a,\"b' as text"
    expect((await run(['query', sql, '--tenant', 'acme'])).out).toBe(
      'one  yes  nothing  text\n-----------------------\n1    t             a,"b\n(1 row)\n',
    )
    expect((await run(['query', sql, '--tenant', 'acme', '--format', 'csv'])).out).toBe(
      'one,yes,nothing,text\r\n1,t,,"a,""b"\r\n',
    )
    expect(JSON.parse((await run(['query', sql, '--user', 'alice@acme', '--json'])).out)).toEqual([
      { one: 1, yes: true, nothing: null, text: 'a,"b' },
    ])
  })

  it('is under the same limits as every door, and in the same audit log', async () => {
    const { out, err } = await run(['query', 'select id from order_items_of_nobody', '--tenant', 'acme'])
    expect({ out, err }).toMatchObject({ out: '', err: expect.stringContaining('42P01') })
    const cut = await run(['query', 'select order_id from order_items', '--tenant', 'acme', '--format', 'csv'])
    expect(cut.out.split('\r\n').length).toBe(1 + 10_000 + 1)
    expect(cut.err).toContain('10000 rows')
    const log = await audited()
    expect(log).toMatchObject([
      { kind: 'statement', rows: '10000' },
      { kind: 'refusal', sqlstate: '42P01' },
    ])
  })
})

/** The last two statements of the command line, refused ones too. */
async function audited(): Promise<Record<string, unknown>[]> {
  const cluster = await startCluster({ dataDir: join(cwd, '.postern/postgres') })
  const url = new URL(cluster.url)
  url.pathname = '/postern_control'
  const client = new pg.Client({ connectionString: url.href })
  try {
    await client.connect()
    const sql = `select kind, rows, sqlstate from postern.audit_log
      where door = 'cli' and kind in ('statement', 'refusal') order by time desc, sequence desc limit 2`
    return (await client.query(sql)).rows
  } finally {
    await client.end()
    await cluster.stop()
  }
}
