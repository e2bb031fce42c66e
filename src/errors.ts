/**
 * Errors as Postgres speaks them: every refusal or failure that a user may see is a {@link SqlError} with a SQLSTATE,
 * a message to act on and, where there is one, a hint. Anything else becomes XX000: bland outside, stack in the log.
 */

export type Severity = 'ERROR' | 'FATAL'

export interface SqlErrorFields {
  /** SQLSTATE, five characters: PostgreSQL manual, appendix A. */
  readonly code: string
  readonly message: string
  readonly severity?: Severity | undefined
  readonly detail?: string | undefined
  readonly hint?: string | undefined
  /** 1-based offset in characters (code points) into the client's own text. */
  readonly position?: number | undefined
  /** For the log only; never leaves the process. */
  readonly cause?: unknown
}

export class SqlError extends Error {
  readonly code: string
  readonly severity: Severity
  readonly detail: string | undefined
  readonly hint: string | undefined
  readonly position: number | undefined

  constructor(fields: SqlErrorFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause })
    this.name = 'SqlError'
    this.code = fields.code
    this.severity = fields.severity ?? 'ERROR'
    this.detail = fields.detail
    this.hint = fields.hint
    this.position = fields.position
  }

  /** The same error, ending the connection. */
  fatal(): SqlError {
    return new SqlError({ ...this.fields(), severity: 'FATAL' })
  }

  fields(): SqlErrorFields {
    const { code, message, severity, detail, hint, position, cause } = this
    return { code, message, severity, detail, hint, position, cause }
  }
}

/** Anything thrown → SqlError. What is not one already is XX000, with the original as cause for the log. */
export function toSqlError(thrown: unknown): SqlError {
  if (thrown instanceof SqlError) return thrown
  return new SqlError({ code: 'XX000', message: 'internal error', hint: 'The cause is in the server log.', cause: thrown })
}
