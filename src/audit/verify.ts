/** Verifies the audit log: every chain of it, one after the other. */
import type { ClientBase, Pool } from 'pg'
import { readSignatures, type Sealer } from './signing.ts'
import { chainSeen } from './store.ts'
import { type ChainReport, walkChain } from './walk.ts'

/** Every chain of the log, by the names of the instances. Each is read as of one moment. */
export async function* verifyChains(
  owner: Pool,
  sealer: Sealer,
  only?: string,
): AsyncGenerator<ChainReport, void, undefined> {
  const signatures = await readSignatures(owner, sealer)
  const seen = await readSeen(owner)
  const walk = (instance: string) =>
    atOnce(owner, client => walkChain(client, instance, { signatures, seen: seen.get(instance) }))
  if (only !== undefined) return yield await walk(only)
  for (let last = ''; ; ) {
    const instance = await nextInstance(owner, last, seen)
    if (instance === null) return
    yield await walk(instance)
    last = instance
  }
}

const nextInstanceText = `
  select min(instance) as instance from (
    select min(instance) as instance from postern.audit_log where instance > $1
    union all select min(instance) from postern.audit_head where instance > $1
    union all select min(instance) from postern.audit_checkpoint where instance > $1
    union all select min(instance) from unnest($2::text[]) as instance where instance > $1
  ) as next`

async function nextInstance(db: Pool, after: string, seen: ReadonlyMap<string, number>): Promise<string | null> {
  const found = await db.query<{ instance: string | null }>(nextInstanceText, [after, [...seen.keys()]])
  return found.rows[0]?.instance ?? null
}

const seenText = `
  select detail ->> 'instance' as instance, max((detail ->> 'sequence')::double precision) as sequence
  from postern.audit_log where instance = 'control' and kind = 'administration' and detail ->> 'act' = $1
  group by 1`

/** How far chains go at least, as the chain 'control' tells. */
async function readSeen(db: Pool): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ instance: string; sequence: number }>(seenText, [chainSeen])
  return new Map(rows.map(row => [row.instance, row.sequence]))
}

/** So that records that arrive meanwhile are neither half there nor beyond the head. */
async function atOnce<T>(pool: Pool, work: (client: ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let failure: Error | undefined
  try {
    await client.query('begin isolation level repeatable read read only')
    return await work(client)
  } finally {
    await client.query('rollback').catch((cause: Error) => {
      failure = cause
    })
    client.release(failure)
  }
}
