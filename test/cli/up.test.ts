/** The whole of it, as on a bare machine: a folder, two commands, a client. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { processCommand } from '../../src/embedded/processes.ts'
import { runPostern } from './postern.ts'
import { freePort, type Running, readDemo, soon, startRunning } from './running.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-up-'))
const env: Record<string, string> = {}
let up: Running | undefined

const startUp = () => startRunning(['up'], 'Stop: Ctrl-C', { cwd, env })
const demoEnv = () => readDemo(cwd)

beforeAll(async () => {
  env.POSTERN_GATEWAY_PORT = String(await freePort())
  env.POSTERN_MCP_PORT = String(await freePort())
  up = await startUp()
})
afterAll(async () => {
  await up?.stop('SIGINT')
  rmSync(cwd, { recursive: true })
})

const run = (args: string[], input?: string) =>
  runPostern(args, { cwd, env, ...(input === undefined ? {} : { input }) })

describe('postern up', () => {
  it('serves alice her own data by what demo.env says, and tells the psql line', async () => {
    const demo = demoEnv()
    expect(up?.screen).toContain(
      `psql "host=127.0.0.1 port=${env.POSTERN_GATEWAY_PORT} user=alice@acme dbname=${demo.PGDATABASE} password=${demo.PGPASSWORD}"`,
    )
    expect(up?.screen).toMatch(/✓ acme\/crm: attacked through its own login, all \d+ locks hold/)
    await asAlice(async alice => {
      expect((await alice.query('select count(*)::int as n from customers')).rows).toEqual([{ n: 8000 }])
      expect((await alice.query('select current_database() as name')).rows).toEqual([{ name: demo.PGDATABASE }])
    })
  })

  it('goes by its own settings where the shell has those of psql', async () => {
    const shell = {
      ...env,
      PGHOST: 'nowhere.invalid',
      PGUSER: 'alice@acme',
      PGSSLMODE: 'verify-full',
      PGOPTIONS: '-c nothing=1',
    }
    expect(await runPostern(['tenant', 'list'], { cwd, env: shell })).toMatchObject({ code: 0, err: '' })
  })

  it('shows nothing of the other tenant', async () => {
    await asAlice(async alice => {
      const databases = await alice.query('select datname from pg_database')
      expect(databases.rows).toEqual([{ datname: demoEnv().PGDATABASE }])
    })
    await expect(connect({ database: 'globex_crm' })).rejects.toMatchObject({ code: '3D000' })
  })

  it('lets bob into globex with his own password', async () => {
    const bob = await connect({ user: 'bob@globex', password: demoEnv().POSTERN_BOB_PASSWORD, database: 'crm' })
    const names = await bob.query('select name from customers limit 1')
    await bob.end()
    expect(names.rows[0].name).toContain('globex-only')
  })

  it('writes demo.env for us alone, with the administrator of the same database', async () => {
    expect(statSync(join(cwd, '.postern/demo.env')).mode & 0o777).toBe(0o600)
    const direct = new pg.Client({ connectionString: demoEnv().POSTERN_DIRECT_URL })
    await direct.connect()
    const found = await direct.query('select current_user as me, count(*)::int as n from crm.customers')
    await direct.end()
    expect(found.rows).toEqual([{ me: 'postgres', n: 8000 }])
  })

  it('refuses to run twice in one folder', async () => {
    expect(await run(['up'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('Postern runs already with the data in .postern (55006)'),
    })
  })

  it('says what to do where its port is taken', async () => {
    const other = mkdtempSync(join(tmpdir(), 'postern-up-'))
    const { code, err } = await runPostern(['up', '--no-demo'], { cwd: other, env })
    rmSync(other, { recursive: true })
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringMatching(/port \d+ is in use by another program.*\nhint: .*POSTERN_GATEWAY_PORT=\d+ npm start/),
    })
  })
})

describe('administration while it runs', () => {
  it('adds a tenant with a user and a database, which is served at once', async () => {
    expect(await run(['tenant', 'add', 'initech'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('tenant initech added'),
    })
    const user = await run(['user', 'add', 'zoe@initech', '--password-stdin', '--json'], 'correct horse\n')
    expect(JSON.parse(user.out)).toMatchObject({
      login: 'zoe',
      tenantName: 'initech',
      role: 'viewer',
      hasPassword: true,
    })
    expect(user.out).not.toContain('correct horse')
    const database = JSON.parse((await run(['database', 'add', 'crm', '--tenant', 'initech', '--json'])).out)
    expect(database).toMatchObject({ alias: 'crm', kind: 'managed', superuserTasks: [] })
    expect(JSON.stringify(database)).not.toMatch(/sealed/i)
    const zoe = await soon(() => connect({ user: 'zoe@initech', password: 'correct horse', database: 'crm' }))
    expect((await zoe.query('select current_database() as name')).rows).toEqual([{ name: database.dbname }])
    await zoe.end()
  })

  it('checks a database, and finds what a careless grant opened', async () => {
    expect(await run(['database', 'check', 'crm', '--tenant', 'initech'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('locks hold: it is served'),
    })
    const [row] = JSON.parse((await run(['database', 'list', '--tenant', 'initech', '--json'])).out)
    const direct = new URL(demoEnv().POSTERN_DIRECT_URL ?? '')
    direct.pathname = `/${row.dbname}`
    const administrator = new pg.Client({ connectionString: direct.href })
    await administrator.connect()
    await administrator.query(`grant create on schema crm to "${row.readers[0].readerRole}"`)
    await administrator.end()
    const open = await run(['database', 'check', 'crm', '--tenant', 'initech'])
    expect(open).toMatchObject({ code: 1, out: expect.stringMatching(/not served: \d+ locks do not hold/) })
    expect(await run(['database', 'check', 'crm', '--tenant', 'initech', '--apply'])).toMatchObject({ code: 0 })
  })

  it('gives a generated password once, and a new one', async () => {
    const { out } = await run(['user', 'passwd', 'zoe@initech'])
    const password = /password: (\S+) {3}\(shown once\)/.exec(out)?.[1] ?? ''
    const zoe = await soon(() => connect({ user: 'zoe@initech', password, database: 'crm' }))
    await zoe.end()
    await expect(connect({ user: 'zoe@initech', password: 'correct horse', database: 'crm' })).rejects.toMatchObject({
      code: '28P01',
    })
  })

  it('ends what is open of a disabled tenant within a second', async () => {
    const zoe = await connectAs('zoe@initech')
    const ended = new Promise<Error>(resolve => zoe.on('error', resolve))
    const sinceMs = performance.now()
    expect((await run(['tenant', 'disable', 'initech'])).code).toBe(0)
    expect(await ended).toMatchObject({ code: '57P01' })
    expect(performance.now() - sinceMs).toBeLessThan(5_000)
    await expect(connectAs('zoe@initech')).rejects.toMatchObject({ code: '28P01' })
    expect((await run(['tenant', 'enable', 'initech'])).code).toBe(0)
  })

  it('sets limits and tables, in force within a second for who is connected', async () => {
    const alice = await connect({})
    const rows = async () => (await alice.query('select * from customers')).rowCount
    expect((await run(['limits', 'set', 'rowsMax', '7', '--user', 'alice@acme'])).code).toBe(0)
    await soon(async () => expect(await rows()).toBe(7))
    expect((await run(['limits', 'list', '--user', 'alice@acme'])).out).toMatch(/rowsMax +7/)
    expect((await run(['limits', 'unset', 'rowsMax', '--user', 'alice@acme'])).code).toBe(0)
    await soon(async () => expect(await rows()).toBe(8_000))
    expect((await run(['database', 'set', 'crm', '--tenant', 'acme', '--exclude', 'crm.cust*'])).code).toBe(0)
    await soon(() => expect(rows()).rejects.toMatchObject({ code: '42501' }))
    expect((await run(['database', 'set', 'crm', '--tenant', 'acme', '--exclude', ''])).code).toBe(0)
    await soon(async () => expect(await rows()).toBe(8_000))
    await alice.end()
    expect(await run(['limits', 'set', 'transactionTimeoutMs', '900000', '--tenant', 'acme'])).toMatchObject({
      code: 0,
    })
    const pins = await direct(
      'postgres',
      "select setconfig::text as pins from pg_db_role_setting where setrole = (select usesysid from pg_stat_activity where datname like 'acme%' and usename like '%gate' limit 1)",
    )
    expect(String(pins[0]?.pins)).toContain('transaction_timeout=910000')
    expect(await run(['limits', 'set', 'rowMax', '7', '--tenant', 'acme'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('rowsMax'),
    })
  })

  it('removes nothing that is not named again', async () => {
    expect(await run(['database', 'remove', 'crm', '--tenant', 'initech'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('2BP01'),
    })
    expect(await run(['tenant', 'remove', 'initech'])).toMatchObject({ code: 1, err: expect.stringContaining('2BP01') })
    expect((await run(['database', 'remove', 'crm', '--tenant', 'initech', '--drop', 'crm'])).code).toBe(0)
    expect((await run(['tenant', 'remove', 'initech', '--drop', 'initech'])).code).toBe(0)
    expect((await run(['tenant', 'list'])).out).not.toContain('initech')
  })

  it('says what it does not understand, and exits with 2', async () => {
    expect(await run(['user', 'add', 'alice'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('Write <login>@<tenant>'),
    })
    expect(await run(['database', 'add', 'x', '--tenant', 'acme', '--host', 'h'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--user'),
    })
    expect(await run(['tenant', 'add', 'a@b'])).toMatchObject({ code: 1, err: expect.stringContaining('42602') })
  })

  it('finds nothing to mend', async () => {
    const { code, out } = await run(['doctor', '--json'])
    const findings: { what: string; state: string }[] = JSON.parse(out)
    expect(findings.filter(finding => finding.state === 'fault')).toEqual([])
    const good = ['job queue', 'stored secrets', 'database acme/crm', 'database globex/crm']
    for (const what of good) expect(findings).toContainEqual(expect.objectContaining({ what, state: 'good' }))
    expect(findings.filter(({ what }) => /^(wire|MCP) port /.test(what))).toHaveLength(2)
    expect(code).toBe(0)
  })
})

describe('the end', () => {
  it('tells sessions, leaves nothing behind, and starts again at once with the same data', async () => {
    const alice = await connect({})
    const told = new Promise<Error>(resolve => alice.on('error', resolve))
    const serverProcess = Number(
      readFileSync(join(cwd, '.postern/postgres/pgdata/postmaster.pid'), 'utf8').split('\n')[0],
    )
    const before = demoEnv()
    expect(await up?.stop('SIGINT')).toBe(0)
    expect(await told).toMatchObject({ code: '57P01' })
    expect(up?.output()).toContain('Stopped. The data stays')
    expect(processCommand(serverProcess)).toBeUndefined()
    const sinceMs = performance.now()
    up = await startUp()
    expect(performance.now() - sinceMs).toBeLessThan(8_000)
    expect(demoEnv().PGPASSWORD).toBe(before.PGPASSWORD)
    await asAlice(async again => {
      expect((await again.query('select count(*)::int as n from customers')).rows).toEqual([{ n: 8000 }])
    })
    const log = await direct(
      'postern_control',
      "select count(*)::int as n from postern.audit_log where principal = 'alice@acme' and door = 'wire' and kind = 'statement'",
    )
    expect(log[0]?.n).toBeGreaterThanOrEqual(3)
  })

  it('ends with SIGTERM too', async () => {
    expect(await up?.stop('SIGTERM')).toBe(0)
    up = await startUp()
  })
})

async function connect(o: { user?: string; password?: string | undefined; database?: string }): Promise<pg.Client> {
  const demo = demoEnv()
  const client = new pg.Client({
    host: '127.0.0.1',
    port: Number(env.POSTERN_GATEWAY_PORT),
    user: o.user ?? 'alice@acme',
    password: o.password ?? demo.PGPASSWORD,
    database: o.database ?? demo.PGDATABASE,
  })
  await client.connect()
  return client
}

async function connectAs(user: string): Promise<pg.Client> {
  await run(['user', 'passwd', user, '--password-stdin'], 'another horse\n')
  return await soon(() => connect({ user, password: 'another horse', database: 'crm' }))
}

async function asAlice(work: (alice: pg.Client) => Promise<void>): Promise<void> {
  const alice = await connect({})
  try {
    await work(alice)
  } finally {
    await alice.end()
  }
}

async function direct(database: string, sql: string): Promise<Record<string, number>[]> {
  const url = new URL(demoEnv().POSTERN_DIRECT_URL ?? '')
  url.pathname = `/${database}`
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  return (await client.query(sql).finally(() => client.end())).rows
}
