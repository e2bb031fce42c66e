/** Tenants of these tests: an administrator who is no superuser, databases that he provisions, and their gates. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { type Administrator, type Query, queryOf } from '../../src/provision/administrator.ts'
import type { AttackContext } from '../../src/provision/attack-steps.ts'
import { defaultGatePins } from '../../src/provision/gate.ts'
import { grantAll } from '../../src/provision/grants.ts'
import { dropManaged, grantManagedTables, type ManagedOptions, provisionManaged } from '../../src/provision/managed.ts'
import { databaseRoles, managedDatabaseName } from '../../src/provision/names.ts'
import type { AttackConnection } from '../../src/provision/self-attack.ts'
import { makeVerifier } from '../../src/wire/scram.ts'
import { testCluster } from '../support/cluster.ts'

export const gatePassword = 'gate-password'

const made: ManagedOptions[] = []
const administrators: string[] = []

afterAll(async () => {
  for (const options of made) await dropManaged(options)
  await asSuperuser(null, async query => {
    for (const name of administrators) {
      await query(`drop owned by ${name}`)
      await query(`drop role ${name}`)
    }
  })
})

/** The superuser himself, or a role with CREATEROLE and CREATEDB and nothing more. */
export async function administratorOf(kind: 'superuser' | 'plain'): Promise<Administrator> {
  const { host, port, superuser, password } = await testCluster()
  if (kind === 'superuser') return { host, port, user: superuser, password }
  const user = `postern_test_admin_${randomBytes(4).toString('hex')}`
  await asSuperuser(null, async query => {
    await query(`create role ${user} login createrole createdb password 'admin-password'`)
    // Other tests shut them to everybody else, as an operator should.
    await query(`grant connect on database postgres, template1 to ${user}`)
  })
  administrators.push(user)
  return { host, port, user, password: 'admin-password' }
}

/** Provisions a tenant's database; what it makes is dropped when the file ends. */
export async function provisionTenant(administrator: Administrator, tenant: string): Promise<ManagedOptions> {
  const id = randomBytes(8).toString('hex')
  const options: ManagedOptions = {
    administrator,
    database: managedDatabaseName(tenant, 'crm', id),
    roles: databaseRoles(id),
    schemas: ['app', 'raw'],
    gateVerifier: await makeVerifier(gatePassword),
    pins: defaultGatePins,
  }
  made.push(options)
  await provisionManaged(options)
  return options
}

/** Runs statements as the owner role in the tenant's database, then grants what they made. */
export async function seed(options: ManagedOptions, ...statements: string[]): Promise<void> {
  await asSuperuser(options.database, async query => {
    await query(`set role ${options.roles.owner}`)
    for (const statement of statements) await query(statement)
  })
  await grantManagedTables(options, grantAll)
}

export async function asSuperuser<T>(database: string | null, work: (query: Query) => Promise<T>): Promise<T> {
  const url = new URL((await testCluster()).url)
  if (database !== null) url.pathname = `/${database}`
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  return await work(queryOf(client)).finally(() => client.end())
}

/** What a gate needs of the options that made it. */
type Gated = Pick<ManagedOptions, 'administrator' | 'database' | 'roles' | 'schemas'>

/** A connection as the tenant's gate, as an upstream would be. */
export function connectGate({ roles, database }: Pick<Gated, 'roles' | 'database'>): Promise<AttackConnection> {
  return connectAs(roles.gate, gatePassword, database)
}

export async function connectAs(user: string, password: string, database: string): Promise<AttackConnection> {
  const { host, port } = await testCluster()
  const client = new pg.Client({ host, port, user, password, database })
  await client.connect().catch((error: unknown) => {
    if (error instanceof pg.DatabaseError) throw new SqlError({ code: error.code ?? 'XX000', message: error.message })
    throw error
  })
  return { query: queryOf(client), processId: null, close: () => client.end() }
}

/** Runs statements on one gate connection; the last one's rows, or its SQLSTATE. */
export async function asGate(options: ManagedOptions, ...statements: string[]): Promise<unknown> {
  const { query, close } = await connectGate(options)
  try {
    let rows: unknown = []
    for (const statement of statements) rows = await query(statement)
    return rows
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  } finally {
    await close()
  }
}

export function contextOf(options: Gated): AttackContext {
  const { administrator, database, roles, schemas } = options
  return {
    kind: 'managed',
    login: roles.gate,
    reader: roles.reader,
    exact: true,
    otherRoles: [roles.owner, roles.live, administrator.user],
    schemas,
    database,
  }
}
