/** The one log: structured lines to standard error, secrets cut out. Rooms are handed a {@link Log}. */
import { pino } from 'pino'

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** The same log with these fields on every line. */
  child(fields: object): Log
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Field names whose value never reaches a log, at the top or one level down. */
const secretFields = [
  'password',
  'secret',
  'token',
  'masterKey',
  'url',
  'dsn',
  'connectionString',
  'authorization',
  'verifier',
  'text',
  'sql',
  'parameters',
]

/** JSON lines on standard error (`null`), into a file, or to whoever takes them. */
export function createLog(level: LogLevel, to: string | null | ((line: string) => void)): Log {
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secretFields.flatMap(name => [name, `*.${name}`]), censor: '***' },
    serializers: { error: describeError, err: describeError },
  }
  if (typeof to === 'function') return pino(options, { write: to })
  return pino(options, pino.destination({ dest: to ?? 2, sync: true, append: true, mode: 0o600 }))
}

/** An error with its causes, as plain data; text that a server quoted in it (DETAIL) stays out. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const code = 'code' in error ? error.code : undefined
  return {
    type: error.name,
    code,
    message: error.message,
    stack: error.stack,
    cause: error.cause === undefined ? undefined : describeError(error.cause),
  }
}
