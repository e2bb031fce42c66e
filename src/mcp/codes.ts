/** From what failed to the code that an agent acts on, and what it is told to do next. */
import { SqlError, type SqlErrorFields } from '../errors.ts'

export const toolCodes = [
  'VALIDATION_ERROR',
  'SYNTAX_ERROR',
  'PERMISSION_DENIED',
  'NOT_READ_ONLY',
  'NOT_FOUND',
  'LIMIT_EXCEEDED',
  'QUERY_TIMEOUT',
  'CANCELLED',
  'RATE_LIMITED',
  'QUOTA_EXCEEDED',
  'CONFIRMATION_REQUIRED',
  'CONFLICT',
  'UNAVAILABLE',
  'UPSTREAM_ERROR',
  'CONNECTOR_AUTH',
  'INTERNAL_ERROR',
] as const

export type ToolCode = (typeof toolCodes)[number]

/** What a SQLSTATE alone does not tell. */
export type Cause = 'arguments' | 'cancelled' | 'confirmation' | 'rate' | 'quota' | 'connector' | 'internal'

/** An error whose cause the door itself knows. */
export class CallError extends SqlError {
  readonly reason: Cause

  constructor(reason: Cause, fields: SqlErrorFields) {
    super(fields)
    this.reason = reason
  }
}

type Row = readonly [sqlstate: string, cause: Cause | null, code: ToolCode]

/** The first row that fits decides: a SQLSTATE or the beginning of one, and the cause where it matters. */
export const codeTable: readonly Row[] = [
  ['', 'arguments', 'VALIDATION_ERROR'],
  ['', 'cancelled', 'CANCELLED'],
  ['', 'confirmation', 'CONFIRMATION_REQUIRED'],
  ['', 'rate', 'RATE_LIMITED'],
  ['', 'quota', 'QUOTA_EXCEEDED'],
  ['', 'connector', 'CONNECTOR_AUTH'],
  ['', 'internal', 'INTERNAL_ERROR'],
  ['57014', null, 'QUERY_TIMEOUT'],
  ['25P03', null, 'QUERY_TIMEOUT'],
  ['25P04', null, 'QUERY_TIMEOUT'],
  ['25006', null, 'NOT_READ_ONLY'],
  ['25', null, 'VALIDATION_ERROR'],
  ['42601', null, 'SYNTAX_ERROR'],
  ['42501', null, 'PERMISSION_DENIED'],
  ['28', null, 'PERMISSION_DENIED'],
  ['42P01', null, 'NOT_FOUND'],
  ['42703', null, 'NOT_FOUND'],
  ['42704', null, 'NOT_FOUND'],
  ['42883', null, 'NOT_FOUND'],
  ['3D000', null, 'NOT_FOUND'],
  ['3F000', null, 'NOT_FOUND'],
  ['26000', null, 'NOT_FOUND'],
  ['34000', null, 'NOT_FOUND'],
  ['42710', null, 'CONFLICT'],
  ['42P0', null, 'CONFLICT'],
  ['42', null, 'SYNTAX_ERROR'],
  ['08P01', null, 'VALIDATION_ERROR'],
  ['08', null, 'UNAVAILABLE'],
  ['0A000', null, 'VALIDATION_ERROR'],
  ['21', null, 'VALIDATION_ERROR'],
  ['22', null, 'VALIDATION_ERROR'],
  ['23', null, 'CONFLICT'],
  ['2BP01', null, 'CONFLICT'],
  ['40', null, 'CONFLICT'],
  ['53100', null, 'UPSTREAM_ERROR'],
  ['53400', null, 'QUOTA_EXCEEDED'],
  ['53', null, 'UNAVAILABLE'],
  ['54', null, 'LIMIT_EXCEEDED'],
  ['55', null, 'CONFLICT'],
  ['57P', null, 'UNAVAILABLE'],
  ['F0', null, 'UNAVAILABLE'],
  ['', null, 'UPSTREAM_ERROR'],
]

export function codeOf(sqlstate: string, cause: Cause | null): ToolCode {
  for (const [beginning, wanted, code] of codeTable) {
    if (sqlstate.startsWith(beginning) && (wanted === null || wanted === cause)) return code
  }
  return 'UPSTREAM_ERROR'
}

/** @param cancelled the caller took the call back: what failed since then failed of that */
export function causeOf(error: SqlError, cancelled: boolean): Cause | null {
  if (error instanceof CallError) return error.reason
  if (cancelled && (error.code === '57014' || error.code.startsWith('57P'))) return 'cancelled'
  if (error.code === 'XX000' && error.cause !== undefined) return 'internal'
  if ('connector' in error) return 'connector'
  if ('quota' in error && error.quota === true) return 'quota'
  if ('retryAfterMs' in error) return 'rate'
  return null
}

export interface ToolError {
  readonly code: ToolCode
  readonly sqlstate: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  readonly retry_after_s?: number
}

/** The server quotes values whole, however long they are. */
const toldMaxChars = 2_000

/** What the caller is told. An error that is nobody's says nothing of its origin. */
export function toolErrorOf(error: SqlError, cancelled: boolean): ToolError {
  const code = codeOf(error.code, causeOf(error, cancelled))
  const hint = error.hint ?? nextStep(code, error.code)
  const retryAfterMs = 'retryAfterMs' in error ? error.retryAfterMs : undefined
  const at = error.position === undefined ? '' : ` (at character ${error.position} of the statement)`
  return {
    code,
    sqlstate: error.code,
    message:
      code === 'CANCELLED' && error.code === '57014' ? 'the call was cancelled' : `${shortened(error.message)}${at}`,
    ...(error.detail === undefined ? {} : { detail: shortened(error.detail) }),
    ...(hint === undefined ? {} : { hint: shortened(hint) }),
    ...(typeof retryAfterMs === 'number' ? { retry_after_s: Math.max(1, Math.ceil(retryAfterMs / 1000)) } : {}),
  }
}

function shortened(text: string): string {
  return text.length <= toldMaxChars ? text : `${text.slice(0, toldMaxChars).toWellFormed()}…`
}

function nextStep(code: ToolCode, sqlstate: string): string | undefined {
  switch (code) {
    case 'NOT_FOUND':
      if (sqlstate === '42P01') return 'list_tables shows the tables there are.'
      if (sqlstate === '42703') return 'describe_table shows the columns of a table.'
      return sqlstate === '42883'
        ? 'Check the name and the types of the arguments, with casts where they differ.'
        : undefined
    case 'NOT_READ_ONLY':
      return 'Nothing here can change data: write one SELECT.'
    case 'QUERY_TIMEOUT':
      return 'Ask for less: filter on an indexed column, aggregate, or take a part at a time.'
    case 'LIMIT_EXCEEDED':
      return 'Ask for less: fewer rows or columns, a shorter statement, or a part at a time.'
    case 'SYNTAX_ERROR':
      return 'Correct the statement; it must be PostgreSQL.'
    case 'PERMISSION_DENIED':
      return 'This is not open to you: work with what list_tables shows, or ask the administrator of your tenant.'
    case 'RATE_LIMITED':
    case 'QUOTA_EXCEEDED':
      return 'Wait before the next call.'
    case 'UNAVAILABLE':
      return 'Try again in a moment.'
    case 'UPSTREAM_ERROR':
      return 'The database reports it; try again once, then tell the user.'
    case 'INTERNAL_ERROR':
      return 'The fault is ours and in our log under the request id: tell the user.'
    case 'CONNECTOR_AUTH':
      return "The administrator of your tenant must renew the connector's credentials."
    case 'CANCELLED':
    case 'CONFLICT':
    case 'CONFIRMATION_REQUIRED':
    case 'VALIDATION_ERROR':
      return undefined
  }
}
