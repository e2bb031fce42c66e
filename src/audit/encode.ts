/** A record as one line of JSON, its keys the columns of postern.audit_log, such that Postgres can read every one. */
import { createHash } from 'node:crypto'
import type { AuditRecord } from './record.ts'
import { redactLiterals } from './redact.ts'

export type Literals = 'redact' | 'keep'

/** A longer text is kept up to here, with hash and length of the whole. */
const textMaxChars = 16 * 1024
const relationsMax = 200
const wordMaxChars = 1_024
/** A line that is longer loses what makes it so. */
export const lineMaxChars = 128 * 1024

interface TextFields {
  readonly text: string | undefined
  readonly hash: string | undefined
  readonly bytes: number | undefined
}

/** One line, with its newline. */
export function encodeRecord(record: AuditRecord, sequence: number, literals: Literals): string {
  const text = textOf(record, literals)
  const json = encode(record, sequence, text, record.relations, record.detail)
  const line = json.length < lineMaxChars ? json : shorten(record, sequence, text, json.length)
  return `${sanitize(line)}\n`
}

function encode(
  record: AuditRecord,
  sequence: number,
  text: TextFields,
  relations: readonly string[] | undefined,
  detail: unknown,
): string {
  return JSON.stringify({
    sequence,
    time: record.time,
    kind: record.kind,
    door: record.door,
    principal_id: record.principalId,
    principal: record.principal,
    tenant_id: record.tenantId,
    tenant: record.tenant,
    database: record.database,
    session: record.session,
    request_id: record.requestId,
    statement_kind: record.statementKind,
    statement_text: text.text,
    text_hash: text.hash,
    text_bytes: text.bytes,
    relations,
    verdict: record.verdict,
    reason: record.reason,
    sqlstate: record.sqlstate,
    rows: record.rows,
    bytes: record.bytes,
    wait_ms: record.waitMs,
    run_ms: record.runMs,
    address: record.address,
    application_name: record.applicationName,
    detail,
  })
}

function textOf(record: AuditRecord, literals: Literals): TextFields {
  const { text } = record
  if (text === undefined) return { text, hash: record.textHash, bytes: record.textBytes }
  const shown = record.textParses === false ? undefined : literals === 'keep' ? text : redactLiterals(text)
  if (shown !== undefined && shown.length <= textMaxChars) return { text: shown, hash: undefined, bytes: undefined }
  return { text: shown?.slice(0, textMaxChars), ...fingerprint(text) }
}

function fingerprint(text: string): { hash: string; bytes: number } {
  const bytes = Buffer.from(text, 'utf8')
  return { hash: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length }
}

function shorten(record: AuditRecord, sequence: number, text: TextFields, chars: number): string {
  const clip = (word: string | undefined): string | undefined => word?.slice(0, wordMaxChars)
  const short: AuditRecord = {
    ...record,
    principal: clip(record.principal),
    database: clip(record.database),
    applicationName: clip(record.applicationName),
  }
  const relations = record.relations?.slice(0, relationsMax).map(name => name.slice(0, 140))
  return encode(short, sequence, { ...text, text: clip(text.text) }, relations, { shortenedFromChars: chars })
}

/** jsonb takes neither U+0000 nor half of a surrogate pair; JSON.stringify escapes both. */
function sanitize(json: string): string {
  if (!json.includes('\\u0000') && !json.includes('\\ud')) return json
  return JSON.stringify(JSON.parse(json), (_key, value: unknown) =>
    typeof value === 'string' ? value.replaceAll('\0', '\ufffd').toWellFormed() : value,
  )
}
