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
  const [row] = (
    await db.query<Selected>(
      `${selectSchemas} where s.tenant_id = $1 and (s.name = $2 or s.id::text = lower($2)) order by s.id limit 1`,
      [tenantId, nameOrHandle],
    )
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

export interface NewSchema {
  readonly id: string
  readonly tenantId: string
  readonly databaseId: string
  readonly ownerId: string
  readonly owner: string
  readonly name: string
  readonly purpose: string
  readonly private: boolean
  readonly ttlSeconds: number
  readonly claim: string
}

/** Writes it down as being made. */
export async function insertSchema(db: Db, schema: NewSchema): Promise<void> {
  await db.query(
    `insert into postern.tenant_schema
       (id, tenant_id, database_id, principal_id, owner, name, purpose, private, state, ttl_seconds, claim)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 'provisioning', $9, $10)`,
    [
      schema.id,
      schema.tenantId,
      schema.databaseId,
      schema.ownerId,
      schema.owner,
      schema.name,
      schema.purpose,
      schema.private,
      schema.ttlSeconds,
      schema.claim,
    ],
  )
}

export interface SchemaStep {
  readonly from: readonly SchemaState[]
  readonly to: SchemaState
  /** The claim that must stand now; null: none is asked for. */
  readonly held: string | null
  /** The claim that stands afterwards. */
  readonly claim: string | null
  readonly endedBy?: SchemaEnd | null
  readonly error?: string | null
  /** It counts as used now. */
  readonly touch?: boolean
}

/** From one state to the next; false where it is in another one, or somebody else's. */
export async function moveSchema(db: Db, id: string, step: SchemaStep): Promise<boolean> {
  const moved = await db.query(
    `update postern.tenant_schema set state = $3, claim = $5, ended_by = $6, error = $7, changed_at = now(),
       last_accessed_at = case when $8 then now() else last_accessed_at end
     where id = $1 and state = any ($2) and ($4::uuid is null or claim = $4)`,
    [id, step.from, step.to, step.held, step.claim, step.endedBy ?? null, step.error ?? null, step.touch ?? false],
  )
  return moved.rowCount === 1
}

/** Begins to make a schema again that is gone. */
export async function claimForMaking(
  db: Db,
  id: string,
  o: { readonly claim: string; readonly private: boolean; readonly ttlSeconds: number; readonly owner: string },
): Promise<boolean> {
  const moved = await db.query(
    `update postern.tenant_schema set state = 'provisioning', claim = $2, private = $3, ttl_seconds = $4, owner = $5,
       pinned = false, ended_by = null, error = null, created_at = now(), changed_at = now(), last_accessed_at = now()
     where id = $1 and state in ('expired', 'failed', 'provisioning', 'teardown')`,
    [id, o.claim, o.private, o.ttlSeconds, o.owner],
  )
  return moved.rowCount === 1
}

const unheld = `not exists (select from postern.run r where r.tenant_schema_id = s.id and r.ended_at is null)`

/** Uses of the last moments that other processes have not written down yet. */
const unusedGraceSeconds = 60

const unused = `s.state = 'active' and not s.pinned
  and s.last_accessed_at + (s.ttl_seconds + ${unusedGraceSeconds}) * interval '1 second' < now() and ${unheld}`

/**
 * Claims it for being dropped, in a transaction. 'unused': only where it is due. False where its state or a run forbids it.
 * Whoever queues a run locks the row too: what this looks for is looked for once the row is ours.
 */
export async function claimForDrop(
  client: ClientBase,
  id: string,
  by: 'unused' | 'teardown',
  claim: string,
): Promise<boolean> {
  await client.query('select from postern.tenant_schema where id = $1 for update', [id])
  const may = by === 'unused' ? unused : `s.state in ('active', 'provisioning', 'teardown', 'failed') and ${unheld}`
  const moved = await client.query(
    `update postern.tenant_schema s set state = 'teardown', ended_by = $2, claim = $3, error = null, changed_at = now()
     where s.id = $1 and ${may}`,
    [id, by, claim],
  )
  return moved.rowCount === 1
}

/** Those that nobody has used for longer than they are kept. */
export async function listUnused(db: Db): Promise<readonly { readonly id: string }[]> {
  return (await db.query<{ id: string }>(`select s.id from postern.tenant_schema s where ${unused} order by s.id`)).rows
}

/** Whether the claim still stands: somebody else may have taken over meanwhile. */
export async function holdsClaim(db: Db, id: string, claim: string): Promise<boolean> {
  const found = await db.query('select from postern.tenant_schema where id = $1 and claim = $2', [id, claim])
  return found.rowCount === 1
}

/** A materializing schema whose run has ended serves as before. False where one goes on. */
export async function releaseFromRun(db: Db, id: string): Promise<boolean> {
  const moved = await db.query(
    `update postern.tenant_schema s set state = 'active', changed_at = now(), last_accessed_at = now()
     where s.id = $1 and s.state = 'materializing' and ${unheld}`,
    [id],
  )
  return moved.rowCount === 1
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
