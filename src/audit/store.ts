/** postern.audit_log as the service sees it: to be added to. */
import type { ClientBase, Pool } from 'pg'
import { inTransaction } from '../transaction.ts'
import { genesisOf, hashRecord, type Link, linkOf, toLine } from './chain.ts'
import { encodeRecord } from './encode.ts'
import type { AuditRecord } from './record.ts'
import { type Head, headText, openSigner, type Sealer, type Signer } from './signing.ts'
import { StatementTexts } from './statement-texts.ts'

// No conflict target: naming one would need the right to SELECT. The head is advanced in the same transaction, so that the
// log never has a record that is beyond it.
const insertRecordsText = `
  with added as (
    insert into postern.audit_log (time, instance, sequence, kind, door, principal_id, principal, tenant_id, tenant, database,
      schema, session, request_id, trace_id, credential, tool, statement_kind, statement_text, text_hash, text_bytes,
      fingerprint, relations, verdict, reason, sqlstate, rows, bytes, wait_ms, run_ms, address, application_name, detail, hash)
    select timestamptz 'epoch' + r.time * interval '1 millisecond', $1, r.sequence, r.kind, r.door, r.principal_id,
      r.principal, r.tenant_id, r.tenant, r.database, r.schema, r.session, r.request_id, r.trace_id, r.credential, r.tool,
      r.statement_kind, r.statement_text, r.text_hash, r.text_bytes, r.fingerprint, r.relations, r.verdict, r.reason,
      r.sqlstate, r.rows, r.bytes, r.wait_ms, r.run_ms, r.address, r.application_name, r.detail, pg_catalog.decode(r.hash, 'hex')
    from pg_catalog.jsonb_to_recordset($2::jsonb) as r (time double precision, sequence bigint, kind text, door text,
      principal_id uuid, principal text, tenant_id uuid, tenant text, database text, schema text, session text,
      request_id text, trace_id text, credential text, tool text, statement_kind text, statement_text text, text_hash text,
      text_bytes integer, fingerprint text, relations text[], verdict text, reason text, sqlstate text, rows bigint,
      bytes bigint, wait_ms double precision, run_ms double precision, address text, application_name text, detail jsonb,
      hash text)
    on conflict do nothing
  )
  select postern.advance_audit_head($1, $3, pg_catalog.decode($4, 'hex'), $5, $6)`

/**
 * `lines` as the spool has them, JSON separated by newlines. Records that are there already are left as they are; the
 * chain's head is then at the last of them, or beyond it already. @returns that place
 */
export async function insertLines(
  db: Pool | ClientBase,
  instance: string,
  lines: string,
  signer: Signer,
): Promise<Head | undefined> {
  const all = lines.trimEnd()
  const link = linkOf(all.slice(all.lastIndexOf('\n') + 1))
  const head = link?.hash === undefined ? undefined : { instance, sequence: link.sequence, hash: link.hash }
  await db.query({
    name: 'postern insert audit',
    text: insertRecordsText,
    values: [
      instance,
      `[${all.replaceAll('\n', ',')}]`,
      head?.sequence,
      head?.hash,
      signer.key,
      head === undefined ? undefined : signer.sign(headText(head)),
    ],
  })
  return head
}

/** The act in the records of the chain 'control' by which no other chain can vanish as a whole. */
export const chainSeen = 'audit chain seen'

/** Tells in the chain 'control' how far the log has another one. */
export async function announceHead(pool: Pool, head: Head, timeMs: number, sealer: Sealer): Promise<void> {
  const common = { kind: 'administration', door: 'postern', session: '', requestId: '', verdict: 'done' } as const
  await insertRecords(pool, [{ ...common, time: timeMs, detail: { act: chainSeen, ...head } }], sealer)
}

/**
 * For an act in the control database: the record is in the log when, and only when, the transaction commits, and in its
 * chain in the order of the commits. Hand it to control as `Administration.record`.
 */
export async function insertRecord(client: ClientBase, record: AuditRecord, sealer: Sealer): Promise<void> {
  const end = await lockControl(client)
  const at = new Date(record.time)
  await preparePartitions(client, at, at)
  const signer = await openSigner(client, sealer)
  const body = encodeRecord(record, end.sequence + 1, new StatementTexts('redact'))
  await insertLines(client, controlInstance, toLine(body, hashRecord(end.hash, body)), signer)
}

/** Records of what was done without a spool, all or none. */
export async function insertRecords(pool: Pool, records: readonly AuditRecord[], sealer: Sealer): Promise<void> {
  if (records.length === 0) return
  await inTransaction(pool, async client => {
    for (const record of records) await insertRecord(client, record, sealer)
  })
}

/** The chain of what is written in the transaction of what it tells of. */
const controlInstance = 'control'

async function lockControl(client: ClientBase): Promise<Link> {
  const locked = await client.query<{ sequence: string; hash: string | null }>(
    `select sequence, pg_catalog.encode(hash, 'hex') as hash from postern.lock_audit_control()`,
  )
  const { sequence, hash } = locked.rows[0]!
  return { sequence: Number(sequence), hash: hash ?? genesisOf(controlInstance) }
}

/** Makes the partitions of all months from `first` to `last`, at most 13, where they are missing. @returns how many */
export async function preparePartitions(db: Pool | ClientBase, first: Date, last: Date): Promise<number> {
  const made = await db.query<{ made: number }>('select postern.prepare_audit_log($1, $2) as made', [first, last])
  return made.rows[0]!.made
}
