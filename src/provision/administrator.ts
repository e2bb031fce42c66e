/** The administrator's connections: the only ones in Postern that may make roles, databases and grants. Our own SQL alone runs here. */
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { SqlError } from '../errors.ts'

/** How to reach a server as the one who administers it: a superuser, or a role with CREATEROLE and CREATEDB. */
export interface Administrator {
  /** A name, an address, or the absolute path of a socket folder. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** As node:tls takes them; absent: no TLS. */
  readonly ssl?: ConnectionOptions | undefined
  /** Where roles and databases are made from; default `postgres`. */
  readonly maintenanceDatabase?: string | undefined
}

type Parameter = string | number | boolean | null | readonly string[]

/** Statements without parameters; all their rows, as the text that the server sent. An upstream's own `query` has this shape too. */
export type TextQuery = (sql: string) => Promise<readonly (readonly (string | null)[])[]>

/** The same with `$1` for every value; {@link SqlError} with the server's SQLSTATE when it fails. */
export type Query = (sql: string, parameters?: readonly Parameter[]) => Promise<readonly (readonly (string | null)[])[]>

const connectTimeoutMs = 10_000
/** No provisioning statement takes longer; a lock held by somebody else ends it sooner. */
const statementTimeoutMs = 120_000
const lockTimeoutMs = 10_000

/** Runs `work` on one administrator's connection to `database` (absent: the maintenance database), and closes it. */
export async function withAdministrator<T>(
  administrator: Administrator,
  database: string | null,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    host: administrator.host,
    port: administrator.port,
    user: administrator.user,
    password: administrator.password,
    database: database ?? administrator.maintenanceDatabase ?? 'postgres',
    ssl: administrator.ssl ?? false,
    application_name: 'postern provision',
    connectionTimeoutMillis: connectTimeoutMs,
  })
  client.on('error', ignoreLateError)
  const query = queryOf(client)
  try {
    await client.connect().catch(rethrowAsSqlError)
    // An empty path: no object of the database can stand in for one of pg_catalog.
    await query(
      `select pg_catalog.set_config('search_path', '', false),
         pg_catalog.set_config('statement_timeout', $1, false),
         pg_catalog.set_config('lock_timeout', $2, false),
         pg_catalog.set_config('client_min_messages', 'error', false)`,
      [String(statementTimeoutMs), String(lockTimeoutMs)],
    )
    return await work(query)
  } finally {
    await client.end()
  }
}

/** `work` in one transaction: committed when it returns, rolled back when it throws. */
export async function inTransaction<T>(query: Query, work: () => Promise<T>): Promise<T> {
  await query('begin')
  try {
    const result = await work()
    await query('commit')
    return result
  } catch (error) {
    await query('rollback')
    throw error
  }
}

/** A {@link Query} over a connected client. */
export function queryOf(client: pg.ClientBase): Query {
  return async (text, parameters = []) => {
    const answered = await client
      .query<(string | null)[]>({ text, values: [...parameters], rowMode: 'array', types: rawText })
      .catch(rethrowAsSqlError)
    // Several statements without parameters have several results; their rows follow one another.
    return [answered].flat().flatMap(result => result.rows)
  }
}

const rawText = { getTypeParser: () => (value: string) => value }

/** pg reports a connection that dies between two statements here; the next statement fails with the reason. */
function ignoreLateError(): void {}

function rethrowAsSqlError(thrown: unknown): never {
  if (thrown instanceof pg.DatabaseError) {
    const { code, message, detail, hint } = thrown
    throw new SqlError({ code: code ?? 'XX000', message, detail, hint, cause: thrown })
  }
  if (thrown instanceof SqlError) throw thrown
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  throw new SqlError({ code: '08006', message: `the administrator's connection failed: ${reason}`, cause: thrown })
}
