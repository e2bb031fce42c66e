/** Which settings may be set, to what, and which may be looked at. What is neither listed here nor in settings.json is unknown. */
import type { JudgeContext } from './judgement.ts'
import { ownsSchema } from './own-schemas.ts'
import type { Reason } from './refusal.ts'
import lists from './settings.json' with { type: 'json' }
import { tableRulesOf } from './table-rules.ts'
import type { SetConfigCall } from './verdict.ts'

type SettingRule =
  /** Any value: Postgres validates it. */
  | { readonly type: 'free' }
  /** Schemas that this principal may read. */
  | { readonly type: 'path' }
  /** A timeout that the session clamps. */
  | { readonly type: 'capped' }
  /** Only the value in force, in the spellings given. */
  | { readonly type: 'fixed'; readonly values: readonly string[] }

export interface SettingRefusal {
  readonly reason: Reason
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string }
}

const on = ['on', 'true', 't', 'yes', 'y', '1']
const off = ['off', 'false', 'f', 'no', 'n', '0']

const rules: ReadonlyMap<string, SettingRule> = new Map<string, SettingRule>([
  ...[
    'application_name',
    'array_nulls',
    'bytea_output',
    'check_function_bodies',
    'client_min_messages',
    'datestyle',
    'default_text_search_config',
    'escape_string_warning',
    'extra_float_digits',
    'geqo',
    'intervalstyle',
    'jit',
    'lc_monetary',
    'lc_numeric',
    'lc_time',
    'quote_all_identifiers',
    'synchronous_commit',
    'timezone',
    'xmlbinary',
    'xmloption',
  ].map((name): [string, SettingRule] => [name, { type: 'free' }]),
  ['search_path', { type: 'path' }],
  ['statement_timeout', { type: 'capped' }],
  ['lock_timeout', { type: 'capped' }],
  ['idle_in_transaction_session_timeout', { type: 'capped' }],
  ['transaction_timeout', { type: 'capped' }],
  ['client_encoding', { type: 'fixed', values: ['utf8', 'utf-8', 'unicode'] }],
  ['standard_conforming_strings', { type: 'fixed', values: on }],
  ['default_transaction_read_only', { type: 'fixed', values: on }],
  ['transaction_read_only', { type: 'fixed', values: on }],
  ['row_security', { type: 'fixed', values: on }],
  ['backslash_quote', { type: 'fixed', values: ['safe_encoding'] }],
  ['session_replication_role', { type: 'fixed', values: ['origin'] }],
  ['idle_session_timeout', { type: 'fixed', values: ['0'] }],
  ['transform_null_equals', { type: 'fixed', values: off }],
])

const shown: ReadonlySet<string> = new Set(lists.shown)
const hidden: ReadonlySet<string> = new Set(lists.hidden)

/** Whether SHOW and current_setting may tell it. Names are in any case. */
export function isShown(name: string): boolean {
  return shown.has(name.toLowerCase())
}

/** Why `name` may not be looked at, or undefined. */
export function judgeShow(name: string): SettingRefusal | undefined {
  const lower = name.toLowerCase()
  if (shown.has(lower)) return undefined
  return hidden.has(lower) ? denied(`permission denied to examine "${name}"`) : unknown(name)
}

/**
 * Why `name` may not be set, or undefined. `values` undefined: to what is not known yet, or back to its default.
 * `name` is in lower case.
 */
export function judgeSetting(
  context: JudgeContext,
  name: string,
  values: readonly string[] | undefined,
): SettingRefusal | undefined {
  const rule = rules.get(name)
  if (rule === undefined) return refuseUnsettable(name, values)
  if (values === undefined) return undefined
  switch (rule.type) {
    case 'free':
    case 'capped':
      return undefined
    case 'path':
      return judgePath(context, values)
    case 'fixed':
      if (values.length === 1 && rule.values.includes(values[0]?.toLowerCase() ?? '')) return undefined
      return denied(
        `permission denied to set parameter "${name}" to "${values.join(', ')}"`,
        fixedHint(name, rule.values),
      )
  }
}

function fixedHint(name: string, values: readonly string[]): string {
  if (name === 'client_encoding') return 'Only UTF8 is served: set PGCLIENTENCODING=UTF8.'
  return `It is always ${values[0]} here.`
}

function refuseUnsettable(name: string, values: readonly string[] | undefined): SettingRefusal | undefined {
  if (name === 'role' || name === 'session_authorization') {
    const what = name === 'role' ? 'role' : 'session authorization'
    return {
      reason: 'role',
      error: {
        code: '42501',
        message: `permission denied to set ${what}${values === undefined ? '' : ` "${values.join(', ')}"`}`,
        hint: 'The role follows from the login and cannot be changed.',
      },
    }
  }
  if (values === undefined && shown.has(name)) return undefined
  if (!shown.has(name) && !hidden.has(name) && !name.includes('.')) return unknown(name)
  return denied(`permission denied to set parameter "${name}"`)
}

function denied(message: string, hint?: string): SettingRefusal {
  return { reason: 'setting', error: { code: '42501', message, ...(hint !== undefined && { hint }) } }
}

function unknown(name: string): SettingRefusal {
  return {
    reason: 'unknown-setting',
    error: { code: '42704', message: `unrecognized configuration parameter "${name}"` },
  }
}

const pathPlaces = new Set(['pg_catalog', 'information_schema', '$user', 'public', ''])

/** No schema that is served has one, and keys join names with them. */
const controlCharacter = /\p{Cc}/u

/** Names that exist nowhere are accepted, as Postgres does; those of other schemas of this database are not. */
function judgePath(context: JudgeContext, schemas: readonly string[]): SettingRefusal | undefined {
  const { builder } = context.policy
  const { schemas: own } = tableRulesOf(context.policy)
  const extensions = new Set(context.catalog.extensions.values())
  const foreign = schemas.find(schema => {
    if (controlCharacter.test(schema)) return true
    // A relation that a run has just made must not stand before one of the system's.
    if (builder !== undefined && schema === 'information_schema') return true
    if (builder !== undefined && schema === 'pg_catalog' && schema !== schemas[0]) return true
    if (pathPlaces.has(schema) || own.has(schema) || extensions.has(schema)) return false
    if (builder !== undefined && ownsSchema(builder, schema)) return false
    return context.catalog.schemas.has(schema) || /^(?:pg_|postern)/.test(schema)
  })
  if (foreign === undefined) return undefined
  return denied(
    `permission denied for schema ${foreign}`,
    `You may read the schemas ${context.policy.schemas.join(', ')}.`,
  )
}

/**
 * Whether set_config may hand this value to Postgres as it stands: it runs upstream unclamped, and what a parameter
 * holds is not known here.
 */
export function mayHoldValue(context: JudgeContext, name: string, value: SetConfigCall['value']): boolean {
  const rule = rules.get(name)
  switch (rule?.type) {
    case 'free':
      return true
    case 'fixed':
      return 'constant' in value
    case 'path':
      return 'constant' in value
    case 'capped':
      return 'constant' in value && isWithinCap(context, name, value.constant)
    case undefined:
      return false
  }
}

/** A plain number of milliseconds, or of seconds, within the policy's limit. */
function isWithinCap(context: JudgeContext, name: string, value: string): boolean {
  const match = /^\s*(\d{1,9})\s*(ms|s|min)?\s*$/.exec(value)
  if (match === null) return false
  const unit = match[2] === 's' ? 1_000 : match[2] === 'min' ? 60_000 : 1
  const asked = Number(match[1]) * unit
  return asked > 0 && asked <= capOf(context, name)
}

function capOf(context: JudgeContext, name: string): number {
  const { limits } = context.policy
  switch (name) {
    case 'statement_timeout':
      return limits.statementTimeoutMs
    case 'lock_timeout':
      return limits.lockTimeoutMs
    case 'idle_in_transaction_session_timeout':
      return limits.idleInTransactionTimeoutMs
    case 'transaction_timeout':
      return limits.transactionTimeoutMs
    default:
      return 0
  }
}

const identifierMaxBytes = 63

/** A setting's own list form (`a, "B c"`) as identifiers, folded as Postgres folds them (ASCII alone); undefined: not one that is surely read so. */
export function splitIdentifierList(text: string): readonly string[] | undefined {
  const names: string[] = []
  if (/^[ \t\n\r\f\v]*$/.test(text)) return names
  const item = /[ \t\n\r\f\v]*(?:"((?:[^"]|"")+)"|([\w$\u0080-\uffff]+))[ \t\n\r\f\v]*(,|$)/y
  while (item.lastIndex < text.length) {
    const match = item.exec(text)
    if (match === null) return undefined
    const name = match[1]?.replaceAll('""', '"') ?? (match[2] ?? '').replace(/[A-Z]/g, letter => letter.toLowerCase())
    if (utf8Bytes(name) > identifierMaxBytes) return undefined
    names.push(name)
    if (match[3] === '') return names
  }
  return undefined
}

function utf8Bytes(text: string): number {
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return bytes
}
