/** `postern mcp --url`: any database behind the guard, by a real MCP client over stdio. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { testCluster } from '../support/cluster.ts'
import { runPostern } from './postern.ts'
import { freePort } from './running.ts'

vi.setConfig({ testTimeout: 180_000 })

const launcher = join(import.meta.dirname, '../../bin/postern.mjs')
const cwd = mkdtempSync(join(tmpdir(), 'postern-url-'))
const env = { POSTERN_DATA_DIR: join(cwd, 'data') }
const dbname = `Ünsere "Daten" 2`
let superuserUrl = ''
let ownerUrl = ''

async function sql(url: string, ...texts: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    let rows: Record<string, unknown>[] = []
    for (const text of texts) rows = (await client.query(text)).rows
    return rows
  } finally {
    await client.end()
  }
}

const withLogin = (url: string, login: string, password: string) => {
  const changed = new URL(url)
  changed.username = login
  changed.password = encodeURIComponent(password)
  return changed.href
}

beforeAll(async () => {
  const { url } = await testCluster()
  await sql(
    url,
    `create role url_owner login password 'owns: it@'`,
    `create database ${pg.escapeIdentifier(dbname)} owner url_owner`,
  )
  const database = new URL(url)
  database.pathname = `/${encodeURIComponent(dbname)}`
  superuserUrl = database.href
  ownerUrl = withLogin(superuserUrl, 'url_owner', 'owns: it@')
  await sql(
    ownerUrl,
    `create table customers (id int primary key, name text); insert into customers values (1, 'Ada'), (2, 'Grace');
     create schema "Other"; create table "Other".things (id int)`,
  )
})

afterAll(async () => {
  const { url } = await testCluster()
  await sql(url, `drop database ${pg.escapeIdentifier(dbname)} with (force)`, 'drop role if exists url_owner')
  const left = readdirSync(cwd, { recursive: true }).filter(name => String(name).endsWith('postmaster.pid'))
  rmSync(cwd, { recursive: true })
  expect(left).toEqual([])
})

interface Agent {
  query(text: string): Promise<Record<string, unknown>>
  call(name: string, args: Record<string, unknown>): Promise<Record<string, unknown>>
  said(): string
  close(): Promise<void>
}

async function agent(...args: readonly string[]): Promise<Agent> {
  const { PATH = '' } = process.env
  const command = { command: process.execPath, args: [launcher, 'mcp', ...args], env: { PATH, ...env }, cwd }
  const transport = new StdioClientTransport({ ...command, stderr: 'pipe' })
  let said = ''
  transport.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const client = new Client({ name: 'test', version: '0' })
  await client.connect(transport).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${said}`)
  })
  const call: Agent['call'] = async (name, args) => {
    const { structuredContent } = await client.callTool({ name, arguments: args })
    return (structuredContent ?? {}) as Record<string, unknown>
  }
  return { call, query: text => call('query', { sql: text }), said: () => said, close: () => client.close() }
}

describe('an owner’s login', () => {
  test('is served behind the guard, and the start says which locks are missing', async () => {
    const alice = await agent('--url', ownerUrl)
    expect(await alice.query('select name from customers order by id')).toMatchObject({
      success: true,
      data: { rows: [['Ada'], ['Grace']] },
    })
    expect(await alice.call('list_databases', {})).toMatchObject({
      data: { databases: [{ name: dbname, schemas: ['public', 'Other'], trust: 'owner-login' }] },
    })
    for (const text of [
      'delete from customers',
      'drop table customers',
      'with gone as (delete from customers returning id) select * from gone',
      "select set_config('transaction_read_only', 'off', true)",
      'begin read write',
    ]) {
      expect(await alice.query(text), text).toMatchObject({ success: false })
    }
    expect(await sql(ownerUrl, 'select count(*)::int as count from customers')).toEqual([{ count: 2 }])
    await alice.close()
    expect(alice.said()).toMatch(/read-only transactions alone, since login url_owner can do more than read/)
    expect(alice.said()).toMatch(/"url_owner" may write to \S+, and 1 more/)
    expect(alice.said()).not.toContain('owns: it@')
  })

  test('is served to two hosts at once, and one that leaves takes nothing from the other', async () => {
    // An address in a variable does not stand in the list of processes.
    Object.assign(env, { SHOP_URL: ownerUrl })
    const [one, two] = await Promise.all([agent('--url', ownerUrl), agent('--url', 'env:SHOP_URL')])
    expect(await one.query('select 1')).toMatchObject({ success: true })
    await one.close()
    expect(await two.query('select count(*) from customers')).toMatchObject({ success: true })
    await two.close()
  })

  test('is counted: who has had his queries is told when there are more', async () => {
    Object.assign(env, { POSTERN_RATES_QUERY_PRINCIPAL_PER_DAY: '3' })
    const alice = await agent('--url', ownerUrl)
    const answers = await Promise.all([1, 2, 3, 4, 5].map(number => alice.query(`select ${number}`)))
    expect(answers.filter(answer => answer.success === true)).toHaveLength(3)
    expect(await alice.query('select 6')).toMatchObject({
      success: false,
      error: { code: 'RATE_LIMITED', sqlstate: '53400', retry_after_s: expect.any(Number) },
    })
    expect(await alice.call('list_tables', {})).toMatchObject({ success: true })
    await alice.close()
    Reflect.deleteProperty(env, 'POSTERN_RATES_QUERY_PRINCIPAL_PER_DAY')
  })

  test('ends with its standard input, and no Postgres stays; without a data folder it has one at home', async () => {
    const { code } = await runPostern(['mcp', '--url', ownerUrl], { cwd, env })
    expect(code).toBe(0)
    const home = join(cwd, 'home')
    expect((await runPostern(['mcp', '--url', ownerUrl], { cwd, env: { HOME: home } })).code).toBe(0)
    expect(readdirSync(join(home, '.postern/url'))).toHaveLength(1)
    const folders = readdirSync(join(cwd, 'data/url'))
    for (const folder of folders)
      expect(existsSync(join(cwd, 'data/url', folder, '0/postgres/pgdata/postmaster.pid'))).toBe(false)
  })
})

describe('a superuser’s login', () => {
  test('is refused with the SQL to run; what that makes is served, and holds every lock', async () => {
    const refused = await runPostern(['mcp', '--url', superuserUrl], { cwd, env })
    expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining('is a superuser') })
    const script = refused.err.split('\n').filter(line => line.endsWith(';'))
    const login = /\\password (\S+)/.exec(refused.err)?.[1] ?? ''
    await sql(superuserUrl, script.join('\n'), `alter role ${login} password 'gate'`)
    const alice = await agent('--url', withLogin(superuserUrl, login, 'gate'))
    expect(await alice.query('select name from customers where id = 2')).toMatchObject({ data: { rows: [['Grace']] } })
    await sql(ownerUrl, 'create table later (id int)')
    expect(await alice.query('select * from later')).toMatchObject({ success: true })
    await alice.close()
    expect(alice.said()).toContain('every lock holds')
    const reader = login.replace('gate', 'reader')
    await sql(superuserUrl, `drop owned by ${login}, ${reader}; drop role ${login}, ${reader}`)
  })

  test('with --provision makes a gate and a reader by it, once, and serves through those', async () => {
    const roles = async () =>
      (await sql(superuserUrl, `select rolname from pg_roles where rolname ~ '_(gate|reader|owner|live)$' order by 1`))
        .length
    const before = await roles()
    const first = await agent('--url', superuserUrl, '--provision')
    expect(await first.query('select name from customers where id = 1')).toMatchObject({ data: { rows: [['Ada']] } })
    expect(await first.query('select current_user')).toMatchObject({ success: true })
    await first.close()
    expect(first.said()).toContain('through a gate and a reader of its own')
    const made = await roles()
    expect(made).toBeGreaterThan(before)
    await sql(ownerUrl, 'create table made_meanwhile (id int)')
    const again = await agent('--url', superuserUrl)
    expect(await again.query('select * from made_meanwhile')).toMatchObject({ success: true })
    await again.close()
    expect(await roles()).toBe(made)
    await removeProvisioned()
    expect(await roles()).toBe(before)
  })

  /** As the documentation says it: the folder's own control database knows what was made. */
  async function removeProvisioned(): Promise<void> {
    const parent = join(cwd, 'data/url')
    for (const folder of readdirSync(parent)) {
      const own = { POSTERN_DATA_DIR: join(parent, folder, '0') }
      const listed = await runPostern(['database', 'list', '--json'], { cwd, env: own })
      const [row] = JSON.parse(listed.out) as { alias: string; kind: string }[]
      if (row === undefined) continue
      const removed = await runPostern(['database', 'remove', row.alias, '--tenant', 'local'], { cwd, env: own })
      expect(removed.code, removed.err).toBe(0)
    }
  }
})

describe('an address that does not lead in is told of, without its password', () => {
  const fails = async (url: string) => {
    const { code, out, err } = await runPostern(['mcp', '--url', url], { cwd, env })
    expect(out).toBe('')
    expect(err).not.toContain('sesame')
    return `${code} ${err}`
  }

  test('wrong password, no such database', async () => {
    expect(await fails(withLogin(ownerUrl, 'url_owner', 'sesame'))).toMatch(/^1 .*refuses login "url_owner" \(28/s)
    const nowhere = new URL(withLogin(ownerUrl, 'url_owner', 'owns: it@'))
    nowhere.pathname = '/nowhere'
    expect(await fails(nowhere.href)).toMatch(/^1 .*does not exist.*3D000/s)
  })

  test('nobody listens there, TLS is asked for and not had', async () => {
    const down = `postgres://url_owner:sesame@127.0.0.1:${await freePort()}/x`
    expect(await fails(down)).toMatch(/^1 .*could not connect.*08001/s)
    expect(await fails(`${ownerUrl}?sslmode=verify-full`)).toMatch(/^1 .*does not offer TLS/s)
  })

  test('it is no address', async () => {
    expect(await fails('mysql://u:sesame@h/d')).toMatch(/^2 /)
    expect(await fails('postgres://u:sesame@h/d?sslmod=require')).toMatch(/^2 .*Did you mean sslmode/s)
    expect(await fails('postgres://u:sesame@a,b/d')).toMatch(/^2 .*several hosts/s)
    expect(await fails('postgres://u:sesame@x@h/d')).toMatch(/^2 .*%40/s)
  })

  test('nothing is made for it', () => {
    expect(readdirSync(join(cwd, 'data/url')).length).toBeLessThanOrEqual(3)
  })
})
