/** Runs of pipelines: their rows, steps and leases. A final state is set once and stays. */
import type { ClientBase, Pool } from 'pg'

export type RunState =
  | 'queued'
  | 'discovering'
  | 'loading'
  | 'transforming'
  | 'swapping'
  | 'succeeded'
  | 'partial'
  | 'failed'
  | 'cancelled'

export type FinalState = 'succeeded' | 'partial' | 'failed' | 'cancelled'

type Phase = Exclude<RunState, FinalState | 'queued'>

export interface RunRow {
  readonly id: string
  readonly tenantId: string
  readonly databaseId: string
  /** The database's alias. */
  readonly database: string
  /** The schema that it fills, by its real name. */
  readonly schema: string
  /** Where the schema was provisioned. */
  readonly schemaId: string | null
  readonly pipeline: string
  /** The connector's name; null: it is gone, or the pipeline needs none. */
  readonly connector: string | null
  /** Whose run it is; null: he is gone. */
  readonly principalId: string | null
  /** His login name. */
  readonly requestedBy: string
  readonly state: RunState
  /** What it is doing, in words. */
  readonly step: string | null
  readonly rows: number
  readonly bytes: number
  readonly errorCode: string | null
  readonly error: string | null
  readonly cancelRequestedAt: Date | null
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly endedAt: Date | null
}

export interface RunStep {
  readonly phase: Phase
  /** A source or a model. */
  readonly name: string
  readonly state: 'running' | 'succeeded' | 'failed' | 'skipped' | 'cancelled'
  readonly rows: number
  readonly bytes: number
  readonly error: string | null
  readonly startedAt: Date
  readonly endedAt: Date | null
}

type Db = Pool | ClientBase

const selectRuns = `
  select r.id, r.tenant_id as "tenantId", r.database_id as "databaseId", d.alias as database, r.schema,
    r.tenant_schema_id as "schemaId", r.pipeline, c.name as connector, r.principal_id as "principalId",
    r.requested_by as "requestedBy", r.state, r.step, r.rows::float8 as rows, r.bytes::float8 as bytes,
    r.error_code as "errorCode", r.error, r.cancel_requested_at as "cancelRequestedAt", r.created_at as "createdAt",
    r.started_at as "startedAt", r.ended_at as "endedAt"
  from postern.run r
    join postern.database d on d.id = r.database_id
    left join postern.connector c on c.id = r.connector_id`

/** Within a tenant: a run of another one is not there. */
export async function readRun(db: Db, tenantId: string, id: string): Promise<RunRow | undefined> {
  return (await db.query<RunRow>(`${selectRuns} where r.tenant_id = $1 and r.id = $2`, [tenantId, id])).rows[0]
}

export async function readSteps(db: Db, runId: string): Promise<readonly RunStep[]> {
  const read = await db.query<RunStep>(
    `select s.phase, s.name, s.state, s.rows::float8 as rows, s.bytes::float8 as bytes, s.error,
       s.started_at as "startedAt", s.ended_at as "endedAt"
     from postern.run_step s where s.run_id = $1 order by s.position`,
    [runId],
  )
  return read.rows
}

/** The last lines of what it has said, oldest first. */
export async function readLog(db: Db, runId: string, linesMax: number): Promise<readonly string[]> {
  const read = await db.query<{ line: string }>(
    'select l.line from postern.run_log l where l.run_id = $1 order by l.position desc limit $2',
    [runId, linesMax],
  )
  return read.rows.map(row => row.line).reverse()
}

/** The newest run of a schema. */
export async function readLatest(db: Db, databaseId: string, schema: string): Promise<RunRow | undefined> {
  const found = await db.query<RunRow>(
    `${selectRuns} where r.database_id = $1 and r.schema = $2 order by r.created_at desc limit 1`,
    [databaseId, schema],
  )
  return found.rows[0]
}

/** When a source or a model was last brought into a schema. */
export interface LoadRow {
  readonly name: string
  readonly pipeline: string
  readonly at: Date
  /** Of the run that did it. */
  readonly tenantId: string
  readonly schemaId: string | null
  readonly principalId: string | null
}

/** The newest of each source and model, of runs whose data is live. */
export async function readLoads(db: Db, databaseId: string, schema: string): Promise<readonly LoadRow[]> {
  const read = await db.query<LoadRow>(
    `select distinct on (s.name) s.name, r.pipeline, r.ended_at as at, r.tenant_id as "tenantId",
       r.tenant_schema_id as "schemaId", r.principal_id as "principalId"
     from postern.run_step s join postern.run r on r.id = s.run_id
     where r.database_id = $1 and r.schema = $2 and r.state in ('succeeded', 'partial') and s.state = 'succeeded'
       and s.phase in ('loading', 'transforming')
     order by s.name, r.ended_at desc`,
    [databaseId, schema],
  )
  return read.rows
}

/** The newest run of each pipeline of a tenant. */
export async function lastRuns(db: Db, tenantId: string): Promise<readonly RunRow[]> {
  const read = await db.query<RunRow>(
    `select distinct on (r.pipeline) * from (${selectRuns} where r.tenant_id = $1) r order by r.pipeline, r."createdAt" desc`,
    [tenantId],
  )
  return read.rows
}

/** The run that was begun with this key by the same principal. */
export async function findByKey(
  db: Db,
  of: { readonly tenantId: string; readonly principalId: string; readonly key: string },
): Promise<RunRow | undefined> {
  const found = await db.query<RunRow>(
    `${selectRuns} where r.tenant_id = $1 and r.principal_id = $2 and r.idempotency_key = $3`,
    [of.tenantId, of.principalId, of.key],
  )
  return found.rows[0]
}

/** The run that a schema is held by. */
export async function findUnfinished(db: Db, databaseId: string, schema: string): Promise<RunRow | undefined> {
  const found = await db.query<RunRow>(
    `${selectRuns} where r.database_id = $1 and r.schema = $2 and r.ended_at is null`,
    [databaseId, schema],
  )
  return found.rows[0]
}

export interface NewRun {
  readonly id: string
  readonly tenantId: string
  readonly databaseId: string
  readonly schema: string
  readonly schemaId: string | null
  readonly pipeline: string
  readonly connectorId: string | null
  readonly principalId: string
  readonly requestedBy: string
  readonly key: string | undefined
  readonly entities: readonly string[] | undefined
  readonly params: Readonly<Record<string, unknown>>
}

/** Queues it; false where its schema has an unfinished one. */
export async function insertRun(db: Db, run: NewRun): Promise<boolean> {
  const inserted = await db.query(
    `insert into postern.run (id, tenant_id, database_id, schema, tenant_schema_id, pipeline, connector_id, principal_id,
       requested_by, idempotency_key, entities, params)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     on conflict (database_id, schema) where ended_at is null do nothing`,
    [
      run.id,
      run.tenantId,
      run.databaseId,
      run.schema,
      run.schemaId,
      run.pipeline,
      run.connectorId,
      run.principalId,
      run.requestedBy,
      run.key ?? null,
      run.entities ?? null,
      JSON.stringify(run.params),
    ],
  )
  return inserted.rowCount === 1
}

/** Which phases a run may come to a phase from; what a pipeline does not need is left out. */
const before: { readonly [To in Phase]: readonly RunState[] } = {
  discovering: ['queued'],
  loading: ['queued', 'discovering'],
  transforming: ['loading'],
  swapping: ['loading', 'transforming'],
}

/**
 * Goes on to a phase, with the lease of whoever works on it. False where the run was cancelled or has ended, or another
 * one holds it: he must stop then.
 */
export async function enterPhase(
  db: Db,
  id: string,
  phase: Phase,
  o: { readonly holder: string; readonly leaseSeconds: number; readonly step?: string | undefined },
): Promise<boolean> {
  const moved = await db.query(
    `with moved as (
       update postern.run r set state = $2, step = $3, started_at = coalesce(started_at, now())
       where r.id = $1 and r.state = any ($4) and r.cancel_requested_at is null
         and not exists (select from postern.lease l where l.run_id = r.id and l.holder <> $5 and l.expires_at > now())
       returning r.id)
     insert into postern.lease (run_id, holder, expires_at)
     select m.id, $5, now() + $6 * interval '1 second' from moved m
     on conflict (run_id) do update set holder = excluded.holder, expires_at = excluded.expires_at`,
    [id, phase, o.step ?? null, before[phase], o.holder, o.leaseSeconds],
  )
  return moved.rowCount === 1
}

/** The heartbeat of whoever works on it. False where he has lost it, or is to stop. */
export async function renewLease(
  db: Db,
  id: string,
  o: { readonly holder: string; readonly leaseSeconds: number },
): Promise<boolean> {
  const renewed = await db.query(
    `update postern.lease l set expires_at = now() + $3 * interval '1 second'
     from postern.run r
     where l.run_id = $1 and l.holder = $2 and r.id = l.run_id and r.ended_at is null and r.cancel_requested_at is null`,
    [id, o.holder, o.leaseSeconds],
  )
  return renewed.rowCount === 1
}

/** False where it had ended before: that stays. */
export async function endRun(
  db: Db,
  id: string,
  state: FinalState,
  error?: { readonly code: string; readonly message: string },
): Promise<boolean> {
  const ended = await db.query(
    `with ended as (
       update postern.run set state = $2, ended_at = now(), error_code = $3, error = $4
       where id = $1 and ended_at is null returning id),
     gone as (delete from postern.lease where run_id in (select id from ended)),
     steps as (
       update postern.run_step set state = case when $2 = 'cancelled' then 'cancelled' else 'failed' end, ended_at = now()
       where run_id in (select id from ended) and state = 'running')
     select id from ended`,
    [id, state, error?.code ?? null, error?.message ?? null],
  )
  return ended.rowCount === 1
}

/** Asks it to stop: one that waits in the queue has stopped with that. @returns its state now */
export async function requestCancel(db: Db, id: string): Promise<RunState | undefined> {
  const asked = await db.query<{ state: RunState }>(
    `update postern.run set cancel_requested_at = coalesce(cancel_requested_at, now()),
       state = case when state = 'queued' then 'cancelled' else state end,
       ended_at = case when state = 'queued' then now() end
     where id = $1 and ended_at is null returning state`,
    [id],
  )
  return asked.rows[0]?.state
}

/**
 * Ends the runs that nobody works on any more: whoever had them has not been heard of for as long as his lease. A run that
 * waits in the queue is nobody's yet.
 */
export async function endAbandoned(
  db: Db,
): Promise<readonly { readonly id: string; readonly schema: string; readonly schemaId: string | null }[]> {
  const ended = await db.query<{ id: string; schema: string; schemaId: string | null }>(
    `update postern.run r set state = case when r.cancel_requested_at is null then 'failed' else 'cancelled' end,
       ended_at = now(), error_code = '57P01', error = 'worker lost'
     where r.ended_at is null and r.state <> 'queued'
       and not exists (select from postern.lease l where l.run_id = r.id and l.expires_at > now())
     returning r.id, r.schema, r.tenant_schema_id as "schemaId"`,
  )
  return ended.rows
}
