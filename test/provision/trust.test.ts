/** Which logins of others may be served behind the guard alone. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { assertGate } from '../../src/provision/gate.ts'
import { type AttackConnection, attackDatabase } from '../../src/provision/self-attack.ts'
import { describeMissing, gateScript, isServable } from '../../src/provision/trust.ts'
import { connectUpstream, type Upstream } from '../../src/upstream/connection.ts'
import { type FreshDatabase, freshDatabase, testCluster } from '../support/cluster.ts'

const suffix = randomBytes(4).toString('hex')
const roles: string[] = []
let database: FreshDatabase
let major = 0

async function asSuperuser(...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    for (const sql of statements) await client.query(sql)
  } finally {
    await client.end()
  }
}

async function login(name: string, attributes: string): Promise<string> {
  const role = `trust_${name}_${suffix}`
  roles.push(role)
  await asSuperuser(`create role ${role} login password 'trust' ${attributes}`)
  return role
}

async function connect(user: string): Promise<Upstream> {
  const { host, port } = await testCluster()
  const line = { host, port, database: database.name, user, password: 'trust', applicationName: 'test' }
  return await connectUpstream({ ...line, tls: { mode: 'disable' }, connectTimeoutMs: 5_000 })
}

/** Undefined: it may serve. */
async function fault(user: string): Promise<string | undefined> {
  const upstream = await connect(user)
  try {
    await assertGate(sql => upstream.query(sql), { login: user, reader: user, exact: false, trust: 'owner-login' })
    return undefined
  } catch (error) {
    return error instanceof SqlError && error.cause instanceof Error ? error.cause.message : String(error)
  } finally {
    upstream.close('the test has asked')
  }
}

async function attack(user: string, reader = user) {
  const open = async (): Promise<AttackConnection> => {
    const upstream = await connect(user)
    return {
      query: sql => upstream.query(sql),
      processId: upstream.processId,
      close: () => upstream.close('the attack is over'),
    }
  }
  const context = { kind: 'external', login: user, reader, exact: false, otherRoles: [] } as const
  return await attackDatabase(open, { ...context, schemas: ['public'], database: database.name })
}

beforeAll(async () => {
  major = (await testCluster()).major
  database = await freshDatabase()
})

afterAll(async () => {
  for (const role of roles) await asSuperuser(`drop owned by ${role}`, `drop role ${role}`)
})

describe('a login that its owner has given', () => {
  it('serves although it owns and may write', async () => {
    const owner = await login('owner', 'createdb')
    await asSuperuser(`grant create on schema public to ${owner}`, `alter database ${database.name} owner to ${owner}`)
    const upstream = await connect(owner)
    await upstream.query('begin read write; create table public.things (id int); commit')
    upstream.close('the table is made')
    expect(await fault(owner)).toBeUndefined()
    const report = await attack(owner)
    expect(report.passed).toBe(false)
    expect(isServable(report, 'proven')).toBe(false)
    expect(isServable(report, 'owner-login')).toBe(true)
    expect(describeMissing(report)).toEqual(
      expect.arrayContaining([
        'it can create a schema',
        `"${owner}" may write to public.things`,
        expect.stringMatching(/^".*" owns /),
      ]),
    )
    await asSuperuser('drop table public.things', `alter database ${database.name} owner to postgres`)
  })

  it.each([
    ['superuser', 'superuser', /is a superuser/],
    ['bypassrls', 'bypassrls', /bypasses row security/],
    ['replication', 'replication', /may replicate/],
    ['programs', 'in role pg_execute_server_program', /may run programs/],
    ['reads', 'in role pg_read_server_files', /may read files/],
    ['writes', 'in role pg_write_server_files', /may write files/],
  ])('does not serve as %s', async (name, attributes, reason) => {
    expect(await fault(await login(name, attributes))).toMatch(reason)
  })

  it('does not serve where it can become one of those, or before 16 make itself one', async () => {
    const mighty = await login('mighty', 'superuser')
    expect(await fault(await login('friend', `noinherit in role ${mighty}`))).toMatch(/is a superuser/)
    const maker = await fault(await login('maker', 'createrole'))
    if (major < 16) expect(maker).toMatch(/make itself anything/)
    else expect(maker).toBeUndefined()
  })

  it('does not serve where a function reads files for it', async () => {
    const reader = await login('grantee', '')
    await asSuperuser(`grant execute on function pg_catalog.pg_read_file(text) to ${reader}`)
    expect(isServable(await attack(reader), 'owner-login')).toBe(false)
    await asSuperuser(`revoke execute on function pg_catalog.pg_read_file(text) from ${reader}`)
  })
})

it('the SQL that is told makes a login that holds every lock', async () => {
  await asSuperuser('create table public.orders (id int)')
  const { login: gate, sql } = gateScript({
    database: database.name,
    schemas: ['public'],
    owners: ['postgres'],
    major,
  })
  const reader = gate.replace('gate', 'reader')
  roles.push(gate, reader)
  await asSuperuser(...sql, `alter role ${gate} password 'trust'`, 'create table public.later (id int)')
  const report = await attack(gate, reader)
  // Before 15 everybody may create in public, and whoever relies on it is not to be cut off by a script for readers.
  expect(describeMissing(report)).toEqual(major < 15 ? ['it can create a table in schema "public"'] : [])
  expect(isServable(report, major < 15 ? 'owner-login' : 'proven')).toBe(true)
  const upstream = await connect(gate)
  expect(await upstream.query('select count(*) from public.orders, public.later')).toEqual([['0']])
  upstream.close('the tables were read')
  await asSuperuser('drop table public.orders, public.later')
})

it('its names are plain, short and of the database', () => {
  const name = (text: string) => gateScript({ database: text, schemas: ['public'], owners: [], major: 18 }).login
  expect(name('Ünsere "Daten" 2')).toBe('postern_gate_unsere_daten_2')
  expect(name('日本')).toBe('postern_gate')
  expect(name('x'.repeat(63)).replace('gate', 'reader').length).toBeLessThanOrEqual(63)
})
