import type { ClientBase } from 'pg'
import { SqlError } from '../errors.ts'
import { type Administration, administer } from './administration.ts'
import { type DatabaseRow, findDatabase } from './database-rows.ts'
import { makeId } from './ids.ts'
import { checkName, duplicate } from './names.ts'
import { refuseSecondTenant } from './second-tenant.ts'
import { findServer, insertServer, type ServerAddress, type ServerRow } from './servers.ts'
import { findTenant } from './tenants.ts'

/** What a database's policy is made of, beside limits. */
export interface TablePolicy {
  /** The tenant's schemas, the first the default. Never empty. */
  readonly schemas: readonly string[]
  /** Globs `schema.name`; null: every table of the schemas. */
  readonly allowedTables: readonly string[] | null
  readonly excludedTables: readonly string[]
  /** `schema.name` */
  readonly functions: readonly string[]
  /** `schema.name` */
  readonly foreignTables: readonly string[]
}

export interface NewDatabase extends Partial<TablePolicy> {
  readonly tenant: string
  readonly alias: string
  readonly kind: 'managed' | 'external'
  /** A server's name, or the address of one that is described with this database and goes with it. */
  readonly server: string | ServerAddress
  /** The real name, on the server. */
  readonly dbname: string
  readonly schemas: readonly string[]
  readonly pooling?: 'transaction' | 'session' | undefined
}

/**
 * Writes down a database. A managed one is made by the provisioner afterwards, which then calls {@link markProvisioned}.
 * @throws SqlError 42704 for tenant or server, 42710 for the alias, 42501 where another tenant has this database
 */
export async function addDatabase(administration: Administration, database: NewDatabase): Promise<DatabaseRow> {
  checkName('database', database.alias)
  if (database.schemas.length === 0) {
    throw new SqlError({ code: '22023', message: 'a database needs at least one schema; the first is the default' })
  }
  return administer(administration, async client => {
    const tenant = await findTenant(client, database.tenant)
    const server = await serverOf(client, administration, database)
    const added = await client.query(
      `insert into postern.database (id, tenant_id, server_id, alias, kind, dbname, schemas, allowed_tables,
         excluded_tables, functions, foreign_tables, pooling)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
       on conflict (tenant_id, alias) do nothing`,
      [
        makeId(),
        tenant.id,
        server.id,
        database.alias,
        database.kind,
        database.dbname,
        database.schemas,
        database.allowedTables ?? null,
        database.excludedTables ?? [],
        database.functions ?? [],
        database.foreignTables ?? [],
        database.pooling ?? 'transaction',
      ],
    )
    if (added.rowCount === 0) throw duplicate('database', database.alias)
    await refuseSecondTenant(client)
    const row = await findDatabase(client, tenant.name, database.alias)
    return [row, { ...about(row, 'database add'), detail: { kind: row.kind, server: server.name, dbname: row.dbname } }]
  })
}

async function serverOf(client: ClientBase, administration: Administration, database: NewDatabase): Promise<ServerRow> {
  if (typeof database.server === 'string') return await findServer(client, database.server)
  const name = `${database.tenant}/${database.alias}`
  return await insertServer(client, administration.sealer, { name, private: true, address: database.server })
}

/** @throws SqlError 42704 */
export async function setDatabasePolicy(
  administration: Administration,
  database: { readonly tenant: string; readonly alias: string },
  policy: Partial<TablePolicy>,
): Promise<DatabaseRow> {
  if (policy.schemas?.length === 0) {
    throw new SqlError({ code: '22023', message: 'a database needs at least one schema; the first is the default' })
  }
  return change(administration, database, 'database set', { ...policy }, (client, row) =>
    client.query(
      `update postern.database set schemas = $2, allowed_tables = $3, excluded_tables = $4, functions = $5,
         foreign_tables = $6 where id = $1`,
      [
        row.id,
        policy.schemas ?? row.schemas,
        policy.allowedTables === undefined ? row.allowedTables : policy.allowedTables,
        policy.excludedTables ?? row.excludedTables,
        policy.functions ?? row.functions,
        policy.foreignTables ?? row.foreignTables,
      ],
    ),
  )
}

/** Reversible: what is open on it ends, nobody comes in. @throws SqlError 42704 */
export function setDatabaseDisabled(
  administration: Administration,
  database: { readonly tenant: string; readonly alias: string },
  disabled: boolean,
): Promise<DatabaseRow> {
  return change(administration, database, disabled ? 'database disable' : 'database enable', {}, (client, row) =>
    client.query(
      'update postern.database set disabled_at = case when $2 then coalesce(disabled_at, now()) end where id = $1',
      [row.id, disabled],
    ),
  )
}

/** Whether the login must hold every lock, or is the caller's own. @throws SqlError 42704 */
export function setDatabaseTrust(
  administration: Administration,
  database: { readonly tenant: string; readonly alias: string },
  trust: DatabaseRow['trust'],
): Promise<DatabaseRow> {
  return change(administration, database, 'database trust', { trust }, (client, row) =>
    client.query('update postern.database set trust = $2 where id = $1', [row.id, trust]),
  )
}

/** The provisioner has made it, with these roles; null where it made none. @throws SqlError 42704 */
export function markProvisioned(
  administration: Administration,
  database: { readonly tenant: string; readonly alias: string },
  roles: { readonly owner: string | null; readonly live: string | null },
): Promise<DatabaseRow> {
  return change(administration, database, 'database provision', { ...roles }, (client, row) =>
    client.query(
      `update postern.database set owner_role = $2, live_role = $3, provisioned_at = coalesce(provisioned_at, now())
       where id = $1`,
      [row.id, roles.owner, roles.live],
    ),
  )
}

/**
 * Forgets a database. An external one loses nothing but its rows here; a managed one that stands must be dropped by
 * the provisioner before and is forgotten only with `drop`, its alias typed again. The audit log stays.
 * @throws SqlError 42704; 2BP01
 */
export function removeDatabase(
  administration: Administration,
  database: { readonly tenant: string; readonly alias: string },
  drop?: string,
): Promise<DatabaseRow> {
  return administer(administration, async client => {
    const row = await findDatabase(client, database.tenant, database.alias)
    if (row.kind === 'managed' && row.provisionedAt !== null && drop !== row.alias) {
      throw new SqlError({
        code: '2BP01',
        message: `database ${JSON.stringify(row.alias)} of tenant ${JSON.stringify(row.tenantName)} still stands`,
        hint: 'Type its alias to drop it with all its data. To shut it without removing anything, disable it.',
      })
    }
    await client.query('delete from postern.database where id = $1', [row.id])
    if (row.server.private) await client.query('delete from postern.server where id = $1', [row.server.id])
    return [row, { ...about(row, 'database remove'), detail: { kind: row.kind, dbname: row.dbname } }]
  })
}

function change(
  administration: Administration,
  database: { readonly tenant: string; readonly alias: string },
  act: string,
  detail: Record<string, unknown>,
  update: (client: ClientBase, row: DatabaseRow) => Promise<unknown>,
): Promise<DatabaseRow> {
  return administer(administration, async client => {
    const row = await findDatabase(client, database.tenant, database.alias)
    await update(client, row)
    return [await findDatabase(client, database.tenant, database.alias), { ...about(row, act), detail }]
  })
}

function about(row: DatabaseRow, act: string): { act: string; tenant: string; tenantId: string; database: string } {
  return { act, tenant: row.tenantName, tenantId: row.tenantId, database: row.alias }
}
