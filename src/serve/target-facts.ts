/** What a login finds in a database that is to be guarded, before anything is written down. */
import { SqlError } from '../errors.ts'
import { ownerLoginFaultsSql } from '../provision/trust.ts'
import { connectUpstream } from '../upstream/connection.ts'
import type { TargetUrl } from './target-url.ts'

export interface TargetFacts {
  readonly major: number
  /** What of the login no guard may stand alone before; null: nothing. */
  readonly fault: string | null
  /** The role that its sessions start as; the login itself where it is set to no other. */
  readonly runsAs: string
  /** What the login may use and is not the system's, the first of its search_path first. Never empty. */
  readonly schemas: readonly string[]
  /** Who owns tables in them. */
  readonly owners: readonly string[]
}

const schemasMax = 200

/** The role that the session runs as decides what is seen: a gate's reader, not the gate. */
const schemasSql = `
  select n.nspname from pg_catalog.pg_namespace n
   where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'postern_catalog')
     and pg_catalog.has_schema_privilege(n.oid, 'usage')
     and (n.nspname = pg_catalog.current_schema() or exists (
       select from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f')))
   order by n.nspname is distinct from pg_catalog.current_schema(), n.nspname
   limit ${schemasMax}`

const ownersSql = `
  select distinct pg_catalog.pg_get_userbyid(c.relowner)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
     and pg_catalog.has_schema_privilege(n.oid, 'usage')
   order by 1`

/** @throws SqlError 28000 where the login is refused, 3D000, 08001 …, 22021 for an encoding that is not UTF8 */
export async function inspectTarget(target: TargetUrl, connectTimeoutMs: number): Promise<TargetFacts> {
  const upstream = await connect(target, connectTimeoutMs)
  try {
    const [[fault, runsAs, encoding] = []] = await upstream.query(
      `select (${ownerLoginFaultsSql}), current_user, pg_catalog.current_setting('server_encoding')`,
    )
    if (encoding !== 'UTF8') {
      throw new SqlError({ code: '22021', message: `database "${target.dbname}" is in ${encoding}, not in UTF8` })
    }
    const names = async (sql: string) => (await upstream.query(sql)).flatMap(([name]) => name ?? [])
    const [schemas, owners] = [await names(schemasSql), await names(ownersSql)]
    return {
      major: upstream.major,
      fault: fault ?? null,
      runsAs: runsAs ?? target.login,
      schemas: schemas.length > 0 ? schemas : ['public'],
      owners,
    }
  } finally {
    upstream.close('it was looked at')
  }
}

const hints: Readonly<Record<string, string>> = {
  '08001': 'Are the host and the port in the address right, and does Postgres listen there?',
  '3D000': 'The address ends with the name of the database; without one it is the name of the user.',
}

async function connect(target: TargetUrl, connectTimeoutMs: number) {
  const { address, dbname, login, password, shown } = target
  try {
    return await connectUpstream({
      host: address.host,
      port: address.port,
      database: dbname,
      user: login,
      password,
      tls: { mode: address.tlsMode, ca: address.tlsCa },
      connectTimeoutMs,
      applicationName: 'postern',
    })
  } catch (error) {
    if (!(error instanceof SqlError)) throw error
    // Whoever reads this wrote the address: the server's own words are his to read.
    const detail = error.detail ?? (error.cause instanceof Error ? error.cause.message : undefined)
    const refused = error.code.startsWith('28') && error.cause !== undefined
    const message = refused ? `the server refuses login "${login}"` : error.message
    const hint = error.hint ?? (refused ? 'Are the login and the password in the address right?' : hints[error.code])
    throw new SqlError({ ...error.fields(), message: `${shown}: ${message}`, detail, hint, cause: undefined })
  }
}
