/** With servers that stand already: migrate, describe a server, add databases of both kinds, serve. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FreshDatabase, freshDatabase, testCluster } from '../support/cluster.ts'
import { runPostern } from './postern.ts'
import { freePort, type Running, soon, startRunning } from './running.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-gateway-'))
const env: Record<string, string> = {}
let server: URL
let control: FreshDatabase
let external: FreshDatabase
let gateway: Running | undefined

const run = (args: string[], input?: string) =>
  runPostern(args, { cwd, env, ...(input === undefined ? {} : { input }) })
const serverOptions = () => ['--host', server.hostname, '--port', server.port, '--user', server.username]
const serverPassword = () => `${decodeURIComponent(server.password)}\n`

beforeAll(async () => {
  server = new URL((await testCluster()).url)
  control = await freshDatabase()
  external = await freshDatabase()
  Object.assign(env, {
    POSTERN_CONTROL_URL: control.url,
    POSTERN_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    POSTERN_GATEWAY_PORT: String(await freePort()),
    POSTERN_DATA_DIR: join(cwd, 'data'),
  })
})

afterAll(async () => {
  await gateway?.stop('SIGKILL')
  const client = await control.connect()
  await client.query('drop owned by postern_service')
  await client.end()
  await asSuperuser(async superuser => {
    await superuser.query(`drop database ${control.name}`)
    await superuser.query('drop role postern_service')
    await superuser.query('drop role if exists reporting')
  })
  rmSync(cwd, { recursive: true })
})

describe('postern with a control database of ours', () => {
  it('refuses to serve before it is migrated, and says how', async () => {
    expect(await run(['gateway'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/lacks 000001.*\nhint: Run "postern migrate"/),
    })
  })

  it('says in two lines that the control database is away', async () => {
    const away = { ...env, POSTERN_CONTROL_URL: `postgres://nobody@127.0.0.1:${await freePort()}/nothing` }
    expect(await runPostern(['gateway'], { cwd, env: away })).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^postern: the control database cannot be reached: .*\(08001\)\nhint: .*\n$/),
    })
  })

  it('migrates once, whoever else does so', async () => {
    const [one, other] = await Promise.all([run(['migrate', '--json']), run(['migrate', '--json'])])
    expect([one.code, other.code]).toEqual([0, 0])
    const applied = [one, other].flatMap(ran => JSON.parse(ran.out).migrated)
    expect(new Set(applied).size).toBe(applied.length)
    expect(applied.length).toBeGreaterThanOrEqual(3)
    expect((await run(['migrate'])).out).toBe('the control database is up to date\n')
  })

  it('writes a server down that its administrator cannot enter, and says so', async () => {
    const added = await run(['server', 'add', 'wrong', ...serverOptions()], 'not the password\n')
    expect(added).toMatchObject({
      code: 0,
      out: expect.stringMatching(/added\n! postgres cannot get in now: .*password/),
    })
    expect(await run(['server', 'remove', 'wrong'])).toMatchObject({ code: 0 })
  })

  it('takes a server and makes a managed database on it', async () => {
    expect(await run(['server', 'add', 'main', ...serverOptions()], serverPassword())).toMatchObject({ code: 0 })
    expect((await run(['server', 'list'])).out).toMatch(/main +127\.0\.0\.1:\d+ +disable +postgres/)
    await run(['tenant', 'add', 'acme'])
    await run(['user', 'add', 'alice@acme', '--password-stdin'], 'correct horse\n')
    const added = await run(['database', 'add', 'crm', '--tenant', 'acme', '--server', 'main', '--json'])
    expect(added.code).toBe(0)
    const tasks: { sql: string }[] = JSON.parse(added.out).superuserTasks
    const open = [control, external].map(({ name }) => `revoke connect on database "${name}" from public`)
    expect(tasks.map(({ sql }) => sql)).toEqual(expect.arrayContaining(open))
    expect(await run(['database', 'check', 'crm', '--tenant', 'acme'])).toMatchObject({
      code: 1,
      out: expect.stringContaining(`may connect to database "${external.name}"`),
    })
    await asSuperuser(async superuser => {
      for (const sql of open) await superuser.query(sql)
    })
    expect(await run(['database', 'check', 'crm', '--tenant', 'acme'])).toMatchObject({ code: 0 })
  })

  it('takes a database that stands already, with its administrator, and with a login as it is', async () => {
    const client = await external.connect()
    await client.query('create table public.parts as select 1 as id')
    await client.query("create role reporting login password 'reporting'")
    await client.query(
      `grant select on public.parts to reporting; grant connect on database ${external.name} to reporting`,
    )
    await client.end()
    const parts = ['database', 'add', 'parts', '--tenant', 'acme', '--dbname', external.name]
    expect(await run([...parts, ...serverOptions()], serverPassword())).toMatchObject({ code: 0 })
    const plain = [
      'database',
      'add',
      'plain',
      '--tenant',
      'acme',
      '--dbname',
      external.name,
      '--host',
      server.hostname,
      '--port',
      server.port,
    ]
    expect(await run([...plain, '--login', 'reporting'], 'reporting\n')).toMatchObject({ code: 0 })
    const listed = JSON.parse((await run(['database', 'list', '--json'])).out)
    expect(listed.map((row: { alias: string; kind: string }) => [row.alias, row.kind])).toEqual([
      ['crm', 'managed'],
      ['parts', 'external'],
      ['plain', 'external'],
    ])
    expect(await run(['server', 'remove', 'main'])).toMatchObject({ code: 1, err: expect.stringContaining('2BP01') })
  })

  it('serves them, logs to standard error and drains at SIGTERM', async () => {
    gateway = await startRunning(['gateway'], '"msg":"listening"', { cwd, env })
    for (const [database, sql] of [
      ['crm', 'select 1 as id'],
      ['parts', 'select id from parts'],
      ['plain', 'select id from parts'],
    ] as const) {
      const alice = await soon(() => connect(database))
      expect((await alice.query(sql)).rows).toEqual([{ id: 1 }])
      await expect(alice.query('create table t (x int)')).rejects.toMatchObject({ code: '25006' })
      await alice.end()
    }
    const last = await connect('crm')
    await last.query('begin')
    const told = new Promise<Error>(resolve => last.on('error', resolve))
    const ended = gateway.stop('SIGTERM')
    await expect(connect('crm')).rejects.toMatchObject({ code: expect.stringMatching(/^ECONN(REFUSED|RESET)$/) })
    expect((await last.query('select 2 as n')).rows).toEqual([{ n: 2 }])
    await last.query('commit')
    expect(await told).toMatchObject({ code: '57P01' })
    expect(await ended).toBe(0)
    expect(gateway.output()).toContain('"msg":"stopped"')
    expect(gateway.output()).not.toContain('correct horse')
  })

  it('gives back what it made', async () => {
    expect((await run(['database', 'remove', 'parts', '--tenant', 'acme'])).code).toBe(0)
    expect((await run(['database', 'remove', 'plain', '--tenant', 'acme'])).code).toBe(0)
    expect((await run(['database', 'remove', 'crm', '--tenant', 'acme', '--drop', 'crm'])).code).toBe(0)
    expect((await run(['server', 'remove', 'main'])).code).toBe(0)
    expect((await run(['tenant', 'remove', 'acme', '--drop', 'acme'])).code).toBe(0)
    await external.drop()
  })

  it('says what of an address is wrong', async () => {
    env.POSTERN_CONTROL_URL = `postgres://nobody:nothing@127.0.0.1:${server.port}/nowhere`
    expect(await run(['tenant', 'list'])).toMatchObject({ code: 1, err: expect.stringContaining('28P01') })
    env.POSTERN_CONTROL_URL = 'postgres://a:b@127.0.0.1:1/c'
    expect(await run(['tenant', 'list', '--json'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('"code":"08001"'),
    })
    env.POSTERN_CONTROL_URL = control.url
  })
})

async function connect(database: string): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: Number(env.POSTERN_GATEWAY_PORT),
    user: 'alice@acme',
    password: 'correct horse',
    database,
  })
  await client.connect()
  return client
}

async function asSuperuser(work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: server.href })
  await client.connect()
  await work(client).finally(() => client.end())
}
