/** postern.audit_log as the service sees it: to be added to. */
import type { ClientBase, Pool } from 'pg'
import { encodeRecord } from './encode.ts'
import type { AuditRecord } from './record.ts'

// No conflict target: naming one would need the right to SELECT.
const insertRecords = `
  insert into postern.audit_log (time, instance, sequence, kind, door, principal_id, principal, tenant_id, tenant, database,
    session, request_id, statement_kind, statement_text, text_hash, text_bytes, relations, verdict, reason, sqlstate,
    rows, bytes, wait_ms, run_ms, address, application_name, detail)
  select timestamptz 'epoch' + r.time * interval '1 millisecond', $1, r.sequence, r.kind, r.door, r.principal_id,
    r.principal, r.tenant_id, r.tenant, r.database, r.session, r.request_id, r.statement_kind, r.statement_text,
    r.text_hash, r.text_bytes, r.relations, r.verdict, r.reason, r.sqlstate, r.rows, r.bytes, r.wait_ms, r.run_ms,
    r.address, r.application_name, r.detail
  from pg_catalog.jsonb_to_recordset($2::jsonb) as r (time double precision, sequence bigint, kind text, door text,
    principal_id uuid, principal text, tenant_id uuid, tenant text, database text, session text, request_id text,
    statement_kind text, statement_text text, text_hash text, text_bytes integer, relations text[], verdict text,
    reason text, sqlstate text, rows bigint, bytes bigint, wait_ms double precision, run_ms double precision,
    address text, application_name text, detail jsonb)
  on conflict do nothing`

/** `lines` as the spool has them, JSON separated by newlines. Records that are there already are left as they are. */
export async function insertLines(db: Pool | ClientBase, instance: string, lines: string): Promise<void> {
  const array = `[${lines.trimEnd().replaceAll('\n', ',')}]`
  await db.query({ name: 'postern insert audit', text: insertRecords, values: [instance, array] })
}

/**
 * For an act in the control database: the record is in the log when, and only when, the transaction commits.
 * Hand it to control as `Administration.record`.
 */
export async function insertRecord(client: ClientBase, record: AuditRecord): Promise<void> {
  const at = new Date(record.time)
  await preparePartitions(client, at, at)
  const next = await client.query<{ sequence: string }>(`select nextval('postern.audit_control_sequence') as sequence`)
  await insertLines(client, 'control', encodeRecord(record, Number(next.rows[0]!.sequence), 'redact'))
}

/** Makes the partitions of all months from `first` to `last`, at most 13, where they are missing. @returns how many */
export async function preparePartitions(db: Pool | ClientBase, first: Date, last: Date): Promise<number> {
  const made = await db.query<{ made: number }>('select postern.prepare_audit_log($1, $2) as made', [first, last])
  return made.rows[0]!.made
}
