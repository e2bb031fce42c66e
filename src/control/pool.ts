/** The pool of connections to the control database that all rooms are handed. */
import pg from 'pg'

export interface ControlPoolOptions {
  /** A connection string (libpq's URI form), or host (a socket folder too), port, database, user and password. */
  readonly connection: string | pg.ClientConfig
  /** 'service': every connection is postern_service, whoever logged in. 'owner': as logged in, for migrations and reading the audit log. */
  readonly as: 'service' | 'owner'
  readonly sizeMax?: number | undefined
  readonly connectTimeoutMs?: number | undefined
  readonly statementTimeoutMs?: number | undefined
  /** An idle connection was lost; the next query opens another. */
  readonly onFault?: ((error: Error) => void) | undefined
}

export function openControlPool(options: ControlPoolOptions): pg.Pool {
  const { connection } = options
  const pool = new pg.Pool({
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    application_name: 'postern',
    keepAlive: true,
    max: options.sizeMax ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    statement_timeout: options.statementTimeoutMs ?? 15_000,
    idle_in_transaction_session_timeout: 15_000,
    ...(options.as === 'service' ? { options: '-c role=postern_service' } : {}),
  })
  pool.on('error', options.onFault ?? (() => {}))
  // One that is lent out and idle: its next query fails with the reason. The job queue wants both handled.
  pool.on('connect', client => client.on('error', () => {}))
  return pool
}
