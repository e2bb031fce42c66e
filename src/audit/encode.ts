/** A record as JSON, its keys the columns of postern.audit_log, such that Postgres can read it and give the same back. */
import type { AuditRecord } from './record.ts'
import { redactArguments } from './redact-arguments.ts'
import { type Statement, type StatementTexts, whole } from './statement-texts.ts'

/** A longer text is kept up to here, with hash and length of the whole. */
const textMaxChars = 16 * 1024
const relationsMax = 200
const wordMaxChars = 1_024
/** A line that is longer loses what makes it so. */
export const lineMaxChars = 128 * 1024

type Maybe<T> = T | null | undefined

/** A record by its columns, the instance and the hash aside. What is null or undefined is not there. */
export interface RecordFields {
  readonly sequence: number
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly kind: string
  readonly door: string
  readonly principal_id: Maybe<string>
  readonly principal: Maybe<string>
  readonly tenant_id: Maybe<string>
  readonly tenant: Maybe<string>
  readonly database: Maybe<string>
  readonly schema: Maybe<string>
  readonly session: string
  readonly request_id: string
  readonly trace_id: Maybe<string>
  readonly credential: Maybe<string>
  readonly tool: Maybe<string>
  readonly statement_kind: Maybe<string>
  readonly statement_text: Maybe<string>
  readonly text_hash: Maybe<string>
  readonly text_bytes: Maybe<number>
  readonly fingerprint: Maybe<string>
  readonly relations: Maybe<readonly string[]>
  readonly verdict: Maybe<string>
  readonly reason: Maybe<string>
  readonly sqlstate: Maybe<string>
  readonly rows: Maybe<number>
  readonly bytes: Maybe<number>
  readonly wait_ms: Maybe<number>
  readonly run_ms: Maybe<number>
  readonly address: Maybe<string>
  readonly application_name: Maybe<string>
  readonly detail: unknown
}

/** What the record's hash is made of, whether it comes from the spool or from the log: keys in this order, none of null. */
export function toBody(fields: RecordFields): string {
  return JSON.stringify({
    sequence: fields.sequence,
    time: fields.time,
    kind: fields.kind,
    door: fields.door,
    principal_id: fields.principal_id ?? undefined,
    principal: fields.principal ?? undefined,
    tenant_id: fields.tenant_id ?? undefined,
    tenant: fields.tenant ?? undefined,
    database: fields.database ?? undefined,
    schema: fields.schema ?? undefined,
    session: fields.session,
    request_id: fields.request_id,
    trace_id: fields.trace_id ?? undefined,
    credential: fields.credential ?? undefined,
    tool: fields.tool ?? undefined,
    statement_kind: fields.statement_kind ?? undefined,
    statement_text: fields.statement_text ?? undefined,
    text_hash: fields.text_hash ?? undefined,
    text_bytes: fields.text_bytes ?? undefined,
    fingerprint: fields.fingerprint ?? undefined,
    relations: fields.relations ?? undefined,
    verdict: fields.verdict ?? undefined,
    reason: fields.reason ?? undefined,
    sqlstate: fields.sqlstate ?? undefined,
    rows: fields.rows ?? undefined,
    bytes: fields.bytes ?? undefined,
    wait_ms: fields.wait_ms ?? undefined,
    run_ms: fields.run_ms ?? undefined,
    address: fields.address ?? undefined,
    application_name: fields.application_name ?? undefined,
    detail: sortKeys(fields.detail) ?? undefined,
  })
}

/** The record's body, its texts as the log may have them. */
export function encodeRecord(record: AuditRecord, sequence: number, texts: StatementTexts): string {
  const statement = clipText(record, texts)
  const body = toBody(fieldsOf(record, sequence, statement, texts))
  return sanitize(body.length < lineMaxChars ? body : shorten(record, sequence, statement, texts, body.length))
}

function fieldsOf(record: AuditRecord, sequence: number, text: Statement, texts: StatementTexts): RecordFields {
  return {
    sequence,
    time: Math.trunc(record.time),
    kind: record.kind,
    door: record.door,
    principal_id: record.principalId,
    principal: record.principal,
    tenant_id: record.tenantId,
    tenant: record.tenant,
    database: record.database,
    schema: record.schema,
    session: record.session,
    request_id: record.requestId,
    trace_id: record.traceId,
    credential: record.credential,
    tool: record.tool,
    statement_kind: record.statementKind,
    statement_text: text.shown,
    text_hash: text.hash ?? record.textHash,
    text_bytes: text.bytes ?? record.textBytes,
    fingerprint: record.fingerprint ?? text.fingerprint,
    relations: record.relations,
    verdict: record.verdict,
    reason: record.reason,
    sqlstate: record.sqlstate,
    rows: record.rows,
    bytes: record.bytes,
    wait_ms: finite(record.waitMs),
    run_ms: finite(record.runMs),
    address: record.address,
    application_name: record.applicationName,
    // JSON's own rules first, for what is no plain value
    detail: record.detail === undefined ? undefined : redactArguments(JSON.parse(JSON.stringify(record.detail)), texts),
  }
}

/** JSON has no other numbers. */
function finite(value: number | undefined): number | undefined {
  return Number.isFinite(value) ? value : undefined
}

function clipText(record: AuditRecord, texts: StatementTexts): Statement {
  const { text } = record
  if (text === undefined) return {}
  const statement: Statement = record.textParses === false ? whole(text) : texts.of(text)
  const { shown } = statement
  if (shown === undefined || shown.length <= textMaxChars) return statement
  return { ...whole(text), shown: shown.slice(0, textMaxChars), fingerprint: statement.fingerprint }
}

function shorten(
  record: AuditRecord,
  sequence: number,
  statement: Statement,
  texts: StatementTexts,
  chars: number,
): string {
  const clip = (word: string | undefined): string | undefined => word?.slice(0, wordMaxChars)
  const short: AuditRecord = {
    ...record,
    principal: clip(record.principal),
    database: clip(record.database),
    schema: clip(record.schema),
    tool: clip(record.tool),
    credential: clip(record.credential),
    reason: clip(record.reason),
    applicationName: clip(record.applicationName),
    relations: record.relations?.slice(0, relationsMax).map(name => name.slice(0, 140)),
    detail: { shortenedFromChars: chars },
  }
  return toBody(fieldsOf(short, sequence, { ...statement, shown: clip(statement.shown) }, texts))
}

/** jsonb takes neither U+0000 nor half of a surrogate pair; JSON.stringify escapes both. */
function sanitize(body: string): string {
  if (!body.includes('\\u0000') && !body.includes('\\ud')) return body
  return toBody(JSON.parse(body, (_key, value: unknown) => wellFormed(value)))
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\ufffd').toWellFormed()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [wellFormed(key), inner]))
}

/** jsonb keeps no order of keys. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => [key, sortKeys(inner)])
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
