/** Databases as they are read: the row with its tenant, server and readers. */
import type { ClientBase, Pool } from 'pg'
import { missing } from './names.ts'
import type { ReaderRow } from './readers.ts'
import { type ServerRow, serverColumns } from './servers.ts'

export interface DatabaseRow {
  readonly id: string
  readonly tenantId: string
  readonly tenantName: string
  readonly tenantDisabledAt: Date | null
  readonly alias: string
  readonly kind: 'managed' | 'external'
  /** The real name, on the server. */
  readonly dbname: string
  readonly schemas: readonly string[]
  readonly allowedTables: readonly string[] | null
  readonly excludedTables: readonly string[]
  readonly functions: readonly string[]
  readonly foreignTables: readonly string[]
  readonly pooling: 'transaction' | 'session'
  /** Whether users may make schemas in it, where it is external. */
  readonly provision: boolean
  /** owner-login: the caller's own, which may write: what it should not be able to do is told, and does not stop service. */
  readonly trust: 'proven' | 'owner-login'
  readonly ownerRole: string | null
  readonly liveRole: string | null
  /** Null: managed and not made yet, or external and used as it is. */
  readonly provisionedAt: Date | null
  readonly createdAt: Date
  readonly disabledAt: Date | null
  readonly server: ServerRow
  readonly readers: readonly ReaderRow[]
  /** What users have made in it, those that are gone too. */
  readonly provisioned: readonly ProvisionedSchema[]
}

/** As much of a provisioned schema as decides who may read it. */
export interface ProvisionedSchema {
  readonly name: string
  /** Null: its owner is gone. */
  readonly principalId: string | null
  /** Read by its owner alone. */
  readonly private: boolean
  /** Whether it is there to be read. */
  readonly serves: boolean
}

const selectDatabases = `
  select d.id, d.tenant_id as "tenantId", t.name as "tenantName", t.disabled_at as "tenantDisabledAt", d.alias, d.kind,
    d.dbname, d.schemas, d.allowed_tables as "allowedTables", d.excluded_tables as "excludedTables", d.functions,
    d.foreign_tables as "foreignTables", d.pooling, d.provision, d.trust, d.owner_role as "ownerRole", d.live_role as "liveRole",
    d.provisioned_at as "provisionedAt", d.created_at as "createdAt", d.disabled_at as "disabledAt",
    (select row_to_json(x) from (select ${serverColumns}) x) as server,
    coalesce((
      select json_agg(json_build_object('id', r.id, 'databaseId', r.database_id, 'name', r.name,
        'gateLogin', r.gate_login, 'gatePasswordSealed', r.gate_password_sealed, 'readerRole', r.reader_role) order by r.id)
      from postern.reader r where r.database_id = d.id), '[]') as readers,
    coalesce((
      select json_agg(json_build_object('name', p.name, 'principalId', p.principal_id, 'private', p.private,
        'serves', p.state in ('active', 'materializing')) order by p.id)
      from postern.tenant_schema p where p.database_id = d.id), '[]') as provisioned
  from postern.database d
    join postern.tenant t on t.id = d.tenant_id
    join postern.server s on s.id = d.server_id`

/** All databases, disabled ones too, or those of one tenant (by name), by tenant and alias. */
export async function listDatabases(pool: Pool, tenant?: string): Promise<readonly DatabaseRow[]> {
  const listed = await pool.query<DatabaseRow>(
    `${selectDatabases} where $1::text is null or t.name = $1 order by t.name, d.alias`,
    [tenant ?? null],
  )
  return listed.rows
}

/** @throws SqlError 42704 */
export async function findDatabase(db: Pool | ClientBase, tenant: string, alias: string): Promise<DatabaseRow> {
  const found = await db.query<DatabaseRow>(`${selectDatabases} where t.name = $1 and d.alias = $2`, [tenant, alias])
  const row = found.rows[0]
  if (row === undefined) throw missing('database', `${tenant}/${alias}`)
  return row
}
