/** Drops months of the audit log that are too old, and leaves signed checkpoints over what is gone. */
import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'
import { inTransaction } from '../transaction.ts'
import type { LogRow } from './log-rows.ts'
import type { AuditRecord } from './record.ts'
import { type Checkpoint, checkpointText, openSigner, readSignatures, type Sealer, type Signer } from './signing.ts'
import { insertRecord } from './store.ts'
import { walkChain } from './walk.ts'

export interface RetentionOptions {
  readonly sealer: Sealer
  readonly retentionDays: number
  /** Who does it, for the record of it. */
  readonly actor: Pick<AuditRecord, 'door' | 'principal' | 'session' | 'requestId'>
  /** Milliseconds since the epoch. */
  readonly nowMs: number
  /** Drop a broken chain's records too; checkpoints then reach up to the break, and the chain stays broken. */
  readonly evenBroken?: boolean | undefined
}

export interface OldMonth {
  /** `2026-01` */
  readonly month: string
  readonly partition: string
  readonly bytes: number
}

export interface DroppedMonth extends OldMonth {
  readonly records: number
  /** Over runs of records in their chains: one for each instance, as a rule. */
  readonly checkpoints: number
}

const dayMs = 86_400_000
const partitionPattern = /^audit_log_(\d{4,})_(\d{2})$/

const partitions = `
  select class.relname as name, pg_catalog.pg_total_relation_size(class.oid)::double precision as bytes
  from pg_catalog.pg_inherits join pg_catalog.pg_class as class on class.oid = inhrelid
  where inhparent = 'postern.audit_log'::regclass order by 1`

/** Months all of whose time is older than `retentionDays`, oldest first. */
export async function listOldMonths(
  owner: Pool,
  { retentionDays, nowMs }: Pick<RetentionOptions, 'retentionDays' | 'nowMs'>,
): Promise<readonly OldMonth[]> {
  const { rows } = await owner.query<{ name: string; bytes: number }>(partitions)
  return rows.flatMap(({ name, bytes }) => {
    const match = partitionPattern.exec(name)
    if (match === null) return []
    const [year, month] = [Number(match[1]), Number(match[2])]
    // Month `month` counted from 0 is the one after it.
    if (Date.UTC(year, month) > nowMs - retentionDays * dayMs) return []
    return [{ month: `${match[1]}-${match[2]}`, partition: name, bytes }]
  })
}

/**
 * Drops them, each in a transaction with its checkpoints. What is dropped is verified first: a month with a broken chain
 * stays, since it is the evidence. Needs the log's owner. Safe while others do the same.
 * @throws SqlError 55000 where a chain is broken, 55P03 where the log is busy
 */
export async function enforceRetention(owner: Pool, options: RetentionOptions): Promise<readonly DroppedMonth[]> {
  const dropped: DroppedMonth[] = []
  for (const month of await listOldMonths(owner, options)) {
    const done = await inTransaction(owner, client => dropMonth(client, month, options))
    if (done !== undefined) dropped.push(done)
  }
  return dropped
}

/** Undefined: another process dropped it. */
async function dropMonth(
  client: ClientBase,
  month: OldMonth,
  { sealer, actor, nowMs, evenBroken = false }: RetentionOptions,
): Promise<DroppedMonth | undefined> {
  await client.query(`set local lock_timeout to '10s'`)
  await client.query('select pg_catalog.pg_advisory_xact_lock(7219, 4)')
  const name = await nameOf(client, month.partition)
  if (name === undefined) return undefined
  // What is added from here on is of other months, or waits.
  await client.query(`lock table ${name} in share mode`)
  const signer = await openSigner(client, sealer)
  const signatures = await readSignatures(client, sealer)
  let records = 0
  let checkpoints = 0
  for (const { instance, last } of await chainsIn(client, name)) {
    const runs = new Runs(instance, month.partition)
    const visit = (row: LogRow, previous: string, afterCheckpoint: boolean) => runs.add(row, previous, afterCheckpoint)
    const report = await walkChain(client, instance, { signatures, upTo: last, visit })
    if (report.break !== undefined && !evenBroken) throw evidence(month, instance, report.break.message)
    for (const run of runs.all) await addCheckpoint(client, run, signer)
    records += runs.records
    checkpoints += runs.all.length
  }
  const detail = { act: 'audit retention', month: month.month, records, checkpoints }
  await insertRecord(client, { ...actor, time: nowMs, kind: 'administration', verdict: 'done', detail }, sealer)
  await client.query(`drop table ${name}`)
  return { ...month, records, checkpoints }
}

/** Runs of one chain's records in the partition, as the walk comes by. */
class Runs {
  readonly all: Checkpoint[] = []
  records = 0
  private readonly instance: string
  private readonly partition: string
  private open = false

  constructor(instance: string, partition: string) {
    this.instance = instance
    this.partition = partition
  }

  add(row: LogRow, previous: string, afterCheckpoint: boolean): void {
    const inside = row.partition === this.partition
    const last = this.open && !afterCheckpoint ? this.all.pop() : undefined
    if (last !== undefined && !inside) this.all.push(last)
    this.open = inside
    if (!inside) return
    this.records++
    const begun = last ?? { instance: this.instance, firstSequence: row.sequence, records: 0, previous }
    this.all.push({ ...begun, lastSequence: row.sequence, records: begun.records + 1, hash: row.hash ?? previous })
  }
}

/** Quoted, as it stands in the catalog. */
async function nameOf(client: ClientBase, partition: string): Promise<string | undefined> {
  const found = await client.query<{ name: string }>(
    `select format('postern.%I', relname) as name from pg_catalog.pg_class
      where relname = $1 and relnamespace = 'postern'::regnamespace`,
    [partition],
  )
  return found.rows[0]?.name
}

async function chainsIn(
  client: ClientBase,
  name: string,
): Promise<readonly { readonly instance: string; readonly last: number }[]> {
  const found = await client.query<{ instance: string; last: number }>(
    `select instance, max(sequence)::double precision as last from ${name} group by instance order by instance`,
  )
  return found.rows
}

// There already where a spool sent records again after they were dropped.
const addCheckpointText = `
  insert into postern.audit_checkpoint (instance, first_sequence, last_sequence, records, previous, hash, key, signature)
  values ($1, $2, $3, $4, pg_catalog.decode($5, 'hex'), pg_catalog.decode($6, 'hex'), $7, $8)
  on conflict do nothing`

async function addCheckpoint(client: ClientBase, run: Checkpoint, signer: Signer): Promise<void> {
  const { instance, firstSequence, lastSequence, records, previous, hash } = run
  const signature = signer.sign(checkpointText(run))
  await client.query(addCheckpointText, [
    instance,
    firstSequence,
    lastSequence,
    records,
    previous,
    hash,
    signer.key,
    signature,
  ])
}

function evidence(month: OldMonth, instance: string, message: string): SqlError {
  return new SqlError({
    code: '55000',
    message: `${month.month} of the audit log stays: the chain of ${instance} is broken: ${message}`,
    hint: 'It is the evidence: "postern audit verify" says more. With --even-broken it is dropped all the same.',
  })
}
