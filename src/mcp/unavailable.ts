/** What the driver of our own database throws where it cannot be asked. */
import { SqlError, toSqlError } from '../errors.ts'

const lostCodes = /^(08|53|57P|55000$|ECONN|EPIPE$|ETIMEDOUT$|ENOENT$|EAI_)/
const lostWords = /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection)/

/** Anything thrown → SqlError: 57P03 where our own database is away, which is nobody's fault that a caller could mend. */
export function asSqlError(thrown: unknown): SqlError {
  if (thrown instanceof SqlError || !(thrown instanceof Error) || !isLost(thrown)) return toSqlError(thrown)
  return new SqlError({
    code: '57P03',
    message: 'Postern cannot ask its own database just now',
    hint: 'Try again in a moment.',
    cause: thrown,
  })
}

function isLost(error: Error): boolean {
  if (error instanceof AggregateError) return error.errors.some(one => one instanceof Error && isLost(one))
  return lostWords.test(error.message) || ('code' in error && lostCodes.test(String(error.code)))
}
