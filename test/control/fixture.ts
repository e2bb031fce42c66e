/** A migrated control database for a test file, gone with everything it made when the file ends. */
import pg from 'pg'
import { afterAll } from 'vitest'
import { insertRecord } from '../../src/audit/store.ts'
import type { Administration } from '../../src/control/administration.ts'
import { migrate } from '../../src/control/migrate.ts'
import { openControlPool } from '../../src/control/pool.ts'
import { createSealer } from '../../src/identity/sealing.ts'
import { type FreshDatabase, freshDatabase, testCluster } from '../support/cluster.ts'

export interface ControlFixture {
  readonly database: FreshDatabase
  /** The superuser, who owns the schema. */
  readonly owner: pg.Pool
  /** postern_service. */
  readonly service: pg.Pool
  readonly administration: Administration
}

const databases = new Set<FreshDatabase>()
const pools = new Set<pg.Pool>()
const owners = new Set<string>()

export async function emptyControl(): Promise<FreshDatabase> {
  const database = await freshDatabase()
  databases.add(database)
  return database
}

export function controlPool(database: FreshDatabase, as: 'service' | 'owner', sizeMax = 10): pg.Pool {
  const pool = openControlPool({ connection: database.url, as, sizeMax })
  pools.add(pool)
  return pool
}

export async function freshControl(): Promise<ControlFixture> {
  const database = await emptyControl()
  const owner = controlPool(database, 'owner')
  await migrate(owner)
  const service = controlPool(database, 'service')
  const administration: Administration = {
    pool: service,
    sealer: createSealer(new Uint8Array(32).fill(7)),
    actor: { door: 'cli', principal: 'root', session: 'test', requestId: 'test' },
    record: insertRecord,
  }
  return { database, owner, service, administration }
}

/** A login that is no superuser, may create roles and owns the database; its pool of connections, and a service's. */
export async function modestControl(): Promise<{ owner: pg.Pool; service: () => pg.Pool }> {
  const database = await emptyControl()
  const name = `${database.name}_owner`
  owners.add(name)
  const admin = await database.connect()
  await admin.query(
    `create role ${name} login createrole password 'modest'; alter database ${database.name} owner to ${name}`,
  )
  await admin.end()
  const url = new URL(database.url)
  url.username = name
  url.password = 'modest'
  const modest = { ...database, url: url.href }
  return { owner: controlPool(modest, 'owner'), service: () => controlPool(modest, 'service') }
}

/** The records of a control database as they were written, by time. */
export async function auditRows(owner: pg.Pool, columns: string): Promise<readonly Record<string, unknown>[]> {
  const read = await owner.query(`select ${columns} from postern.audit_log order by time, instance, sequence`)
  return read.rows
}

afterAll(async () => {
  if (databases.size === 0) return
  await Promise.all([...pools].map(pool => pool.end()))
  for (const database of databases) await database.drop()
  const client = new pg.Client({ connectionString: (await testCluster()).url })
  await client.connect()
  const roles = ['postern_service', ...owners]
  for (const role of roles) await client.query(`drop role if exists ${role}`)
  await client.end()
})
