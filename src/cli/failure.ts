import { getSystemErrorMap } from 'node:util'
import pg from 'pg'
import { SqlError, toSqlError } from '../errors.ts'

/** What a command failed of: the server's own words, or the system's, or an internal error. */
export function toFailure(thrown: unknown): SqlError {
  if (thrown instanceof pg.DatabaseError) {
    const { code, message, detail, hint } = thrown
    return new SqlError({ code: code ?? 'XX000', message, detail, hint, cause: thrown })
  }
  // Several addresses of one host were tried: the first failure speaks for all.
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return toFailure(thrown.errors[0])
  if (
    thrown instanceof Error &&
    'errno' in thrown &&
    typeof thrown.errno === 'number' &&
    getSystemErrorMap().has(thrown.errno)
  ) {
    const isNetwork = 'syscall' in thrown && /connect|getaddrinfo/.test(String(thrown.syscall))
    return new SqlError({ code: isNetwork ? '08001' : '58030', message: thrown.message, cause: thrown })
  }
  return toSqlError(thrown)
}
