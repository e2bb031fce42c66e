import { SqlError } from '../errors.ts'

/** 58000: the system, not the caller, stands in the way. */
export function systemFailure(message: string, o: { hint?: string; log?: string; cause?: unknown } = {}): SqlError {
  const detail = o.log?.trim().slice(-2000) || undefined
  return new SqlError({ code: '58000', message, hint: o.hint, detail, cause: o.cause })
}

/** Whether a thrown value is a system error with this code. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
