/** Provisioned schemas: the row is the truth, and every change of its state expects the one before. */
import type { ClientBase, Pool } from 'pg'
import type { RunState } from './runs.ts'

export type SchemaState = 'provisioning' | 'active' | 'materializing' | 'expired' | 'teardown' | 'failed'

/** Why a schema was dropped, or is being dropped: unused for too long, asked for, or gone without us. */
export type SchemaEnd = 'unused' | 'teardown' | 'lost'

export interface TenantSchemaRow {
  readonly id: string
  readonly tenantId: string
  readonly tenantName: string
  readonly databaseId: string
  /** The database's alias. */
  readonly database: string
  /** Null: its owner is gone. */
  readonly ownerId: string | null
  /** The owner's login name. */
  readonly owner: string
  /** The real name. */
  readonly name: string
  readonly purpose: string
  readonly private: boolean
  readonly pinned: boolean
  readonly state: SchemaState
  readonly endedBy: SchemaEnd | null
  readonly error: string | null
  readonly createdAt: Date
  readonly lastAccessedAt: Date
  /** When it is dropped unless it is used before; null: never, or it is gone. */
  readonly expiresAt: Date | null
  readonly lastRun: LastRun | null
}

export interface LastRun {
  readonly id: string
  readonly pipeline: string
  readonly state: RunState
  readonly endedAt: Date | null
}

type Db = Pool | ClientBase

const selectSchemas = `
  select s.id, s.tenant_id as "tenantId", t.name as "tenantName", s.database_id as "databaseId", d.alias as database,
    s.principal_id as "ownerId", s.owner, s.name, s.purpose, s.private, s.pinned, s.state, s.ended_by as "endedBy", s.error,
    s.created_at as "createdAt", s.last_accessed_at as "lastAccessedAt",
    case when not s.pinned and s.state in ('active', 'materializing')
      then s.last_accessed_at + s.ttl_seconds * interval '1 second' end as "expiresAt",
    r.id as "runId", r.pipeline as "runPipeline", r.state as "runState", r.ended_at as "runEndedAt"
  from postern.tenant_schema s
    join postern.tenant t on t.id = s.tenant_id
    join postern.database d on d.id = s.database_id
    left join lateral (select r.id, r.pipeline, r.state, r.ended_at from postern.run r
      where r.tenant_schema_id = s.id order by r.created_at desc limit 1) r on true`

type Selected = Omit<TenantSchemaRow, 'lastRun'> & {
  readonly runId: string | null
  readonly runPipeline: string | null
  readonly runState: RunState | null
  readonly runEndedAt: Date | null
}

function rowOf({ runId, runPipeline, runState, runEndedAt, ...row }: Selected): TenantSchemaRow {
  if (runId === null || runPipeline === null || runState === null) return { ...row, lastRun: null }
  return { ...row, lastRun: { id: runId, pipeline: runPipeline, state: runState, endedAt: runEndedAt } }
}

export async function readSchema(db: Db, id: string): Promise<TenantSchemaRow | undefined> {
  const [row] = (await db.query<Selected>(`${selectSchemas} where s.id = $1`, [id])).rows
  return row === undefined ? undefined : rowOf(row)
}

/** The schema that this principal has, or has had, for the purpose. */
export async function findOwnSchema(
  db: Db,
  own: { readonly databaseId: string; readonly ownerId: string; readonly purpose: string },
): Promise<TenantSchemaRow | undefined> {
  const [row] = (
    await db.query<Selected>(`${selectSchemas} where s.database_id = $1 and s.principal_id = $2 and s.purpose = $3`, [
      own.databaseId,
      own.ownerId,
      own.purpose,
    ])
  ).rows
  return row === undefined ? undefined : rowOf(row)
}

/** By handle (its id) or real name, within a tenant. */
export async function findSchema(db: Db, tenantId: string, nameOrHandle: string): Promise<TenantSchemaRow | undefined> {
  // No name is like that, and no text either.
  if (nameOrHandle.includes('\0')) return undefined
  const [row] = (
    await db.query<Selected>(
      `${selectSchemas} where s.tenant_id = $1 and (s.name = $2 or s.id::text = lower($2)) order by s.id limit 1`,
      [tenantId, nameOrHandle],
    )
  ).rows
  return row === undefined ? undefined : rowOf(row)
}

/** By database and real name. */
export async function findByName(db: Db, databaseId: string, name: string): Promise<TenantSchemaRow | undefined> {
  const [row] = (
    await db.query<Selected>(`${selectSchemas} where s.database_id = $1 and s.name = $2`, [databaseId, name])
  ).rows
  return row === undefined ? undefined : rowOf(row)
}

/** By database and name. `tenantId` null: of all tenants. */
export async function listSchemas(
  db: Db,
  of: { readonly tenantId: string | null; readonly databaseId?: string | undefined },
): Promise<readonly TenantSchemaRow[]> {
  const listed = await db.query<Selected>(
    `${selectSchemas} where ($1::uuid is null or s.tenant_id = $1) and ($2::uuid is null or s.database_id = $2)
     order by t.name, d.alias, s.name`,
    [of.tenantId, of.databaseId ?? null],
  )
  return listed.rows.map(rowOf)
}

/** How many schemas stand, or are being made or dropped: of the tenant, and of this one of its users. */
export async function countSchemas(
  db: Db,
  of: { readonly tenantId: string; readonly ownerId: string },
): Promise<{ readonly tenant: number; readonly user: number }> {
  const counted = await db.query<{ tenant: number; user: number }>(
    `select count(*)::int as tenant, (count(*) filter (where s.principal_id = $2))::int as "user"
     from postern.tenant_schema s where s.tenant_id = $1 and s.state not in ('expired', 'failed')`,
    [of.tenantId, of.ownerId],
  )
  return counted.rows[0] ?? { tenant: 0, user: 0 }
}

/** Undefined: as it is. */
export async function setSchemaAccess(
  db: Db,
  id: string,
  o: { readonly private?: boolean | undefined; readonly ttlSeconds?: number | undefined },
): Promise<void> {
  if (o.ttlSeconds !== undefined)
    await db.query('update postern.tenant_schema set ttl_seconds = $2 where id = $1', [id, o.ttlSeconds])
  if (o.private !== undefined)
    await db.query('update postern.tenant_schema set private = $2 where id = $1', [id, o.private])
}

export async function setSchemaPinned(db: Db, id: string, pinned: boolean): Promise<void> {
  await db.query('update postern.tenant_schema set pinned = $2, last_accessed_at = now() where id = $1', [id, pinned])
}

/** It was used just now; false where it is not there to be used any more. */
export async function touchSchema(db: Db, id: string): Promise<boolean> {
  const touched = await db.query(
    `update postern.tenant_schema set last_accessed_at = now() where id = $1 and state in ('active', 'materializing')`,
    [id],
  )
  return touched.rowCount === 1
}

/** They were used just now. What is no provisioned schema is passed over. */
export async function touchSchemas(db: Db, databaseId: string, names: readonly string[]): Promise<void> {
  await db.query(
    `update postern.tenant_schema set last_accessed_at = now()
     where database_id = $1 and name = any ($2) and state in ('active', 'materializing')`,
    [databaseId, names],
  )
}

/** Whether a database of the tenant was given with a schema of this name. */
export async function isDatabasesOwn(db: Db, tenantId: string, name: string): Promise<boolean> {
  if (name.includes('\0')) return false
  const found = await db.query('select from postern.database d where d.tenant_id = $1 and $2 = any (d.schemas)', [
    tenantId,
    name,
  ])
  return found.rowCount !== 0
}

/** Whether users may make schemas in an external database. */
export async function setDatabaseProvision(db: Db, databaseId: string, allowed: boolean): Promise<void> {
  await db.query('update postern.database set provision = $2 where id = $1', [databaseId, allowed])
}
