/** The states of provisioned schemas: from one to the next, and only from the one that is expected. */
import type { ClientBase, Pool } from 'pg'
import type { SchemaEnd, SchemaState } from './tenant-schemas.ts'

type Db = Pool | ClientBase

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

/** The drop that was claimed is done. False where somebody else has taken it over. */
export async function endDrop(db: Db, id: string, claim: string): Promise<boolean> {
  const moved = await db.query(
    `update postern.tenant_schema set state = 'expired', claim = null, error = null, changed_at = now()
     where id = $1 and state = 'teardown' and claim = $2`,
    [id, claim],
  )
  return moved.rowCount === 1
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
 * Claims it for being dropped, in a transaction. 'unused': only where it is due; 'lost': only what a process that died has
 * left half made or half dropped. False where its state or a run forbids it. Whoever queues a run locks the row too: what
 * this looks for is looked for once the row is ours.
 */
export async function claimForDrop(client: ClientBase, id: string, by: SchemaEnd, claim: string): Promise<boolean> {
  await client.query('select from postern.tenant_schema where id = $1 for update', [id])
  const moved = await client.query(
    `update postern.tenant_schema s set state = 'teardown', claim = $3, error = null, changed_at = now(),
       ended_by = case when $2 = 'lost' and s.state = 'teardown' then coalesce(s.ended_by, 'teardown') else $2 end
     where s.id = $1 and ${mayDrop(by)}`,
    [id, by, claim],
  )
  return moved.rowCount === 1
}

function mayDrop(by: SchemaEnd): string {
  switch (by) {
    case 'unused':
      return unused
    case 'teardown':
      return `s.state in ('active', 'provisioning', 'teardown', 'failed') and ${unheld}`
    case 'lost':
      return `s.state in ('provisioning', 'teardown')`
  }
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
