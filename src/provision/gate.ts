/** The gate: the login that Postern itself uses on a tenant database. Its pins, their repair, and the assertion after each connect. */
import { SqlError } from '../errors.ts'
import { inTransaction, type Query, type TextQuery } from './administrator.ts'
import type { DatabaseRoles } from './names.ts'
import { quoteName, quoteText } from './quote.ts'
import type { Server } from './roles.ts'
import { ownerLoginFaultsSql, type Trust } from './trust.ts'

/** What Postgres itself enforces on the gate when everything else fails. Our own timers fire first. */
export interface GatePins {
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
  readonly idleInTransactionTimeoutMs: number
  /** From 17 on. */
  readonly transactionTimeoutMs: number
  /** Temporary files of one statement, in kB; kept where the administrator may set it. */
  readonly tempFileLimitKb: number
  /** Connections of the login, all instances together. */
  readonly connectionsMax: number
}

export const defaultGatePins: GatePins = {
  statementTimeoutMs: 30_000,
  lockTimeoutMs: 2_000,
  idleInTransactionTimeoutMs: 60_000,
  transactionTimeoutMs: 300_000,
  tempFileLimitKb: 1024 * 1024,
  connectionsMax: 40,
}

const connectionCheckIntervalMs = 2_000

/**
 * Sets the gate's password (a SCRAM verifier, see scram.ts; never the password itself) and every pin, in one
 * transaction: no connection ever starts half pinned. Also mends a gate that changed its own pins or password.
 * Returns whether temp_file_limit could be pinned: it takes a superuser, or a parameter privilege from 15 on.
 */
export async function pinGate(
  query: Query,
  server: Server,
  roles: DatabaseRoles,
  verifier: string,
  pins: GatePins,
): Promise<{ tempFileLimit: boolean }> {
  if (!verifier.startsWith('SCRAM-SHA-256$')) {
    throw new SqlError({ code: '22023', message: "the gate's password must be given as a SCRAM-SHA-256 verifier" })
  }
  const gate = quoteName(roles.gate)
  return await inTransaction(query, async () => {
    await query(
      `alter role ${gate} login noinherit connection limit ${wholeNumber(pins.connectionsMax)} valid until 'infinity' password ${quoteText(verifier)}`,
    )
    await query(`alter role ${gate} reset all`)
    await resetDatabaseSettings(query, roles.gate)
    for (const [name, value] of settingsOf(server, pins)) await query(`alter role ${gate} set ${name} = ${value}`)
    const tempFileLimit = await mayPinTempFileLimit(query, server)
    if (tempFileLimit) await query(`alter role ${gate} set temp_file_limit = ${wholeNumber(pins.tempFileLimitKb)}`)
    await query(`alter role ${gate} set role = ${quoteText(roles.reader)}`)
    return { tempFileLimit }
  })
}

function settingsOf(server: Server, pins: GatePins): [string, string | number][] {
  const settings: [string, string | number][] = [
    ['default_transaction_read_only', 'on'],
    ['statement_timeout', wholeNumber(pins.statementTimeoutMs)],
    ['lock_timeout', wholeNumber(pins.lockTimeoutMs)],
    ['idle_in_transaction_session_timeout', wholeNumber(pins.idleInTransactionTimeoutMs)],
    ['client_connection_check_interval', connectionCheckIntervalMs],
  ]
  if (server.major >= 17) settings.push(['transaction_timeout', wholeNumber(pins.transactionTimeoutMs)])
  return settings
}

/** ALTER ROLE … IN DATABASE … SET beats ALTER ROLE … SET: none may stand beside the pins. */
async function resetDatabaseSettings(query: Query, gate: string): Promise<void> {
  const databases = await query(
    `select d.datname from pg_catalog.pg_db_role_setting s
       join pg_catalog.pg_roles r on r.oid = s.setrole
       join pg_catalog.pg_database d on d.oid = s.setdatabase
      where r.rolname = $1`,
    [gate],
  )
  for (const [database] of databases) {
    await query(`alter role ${quoteName(gate)} in database ${quoteName(database ?? '')} reset all`)
  }
}

async function mayPinTempFileLimit(query: Query, server: Server): Promise<boolean> {
  if (server.superuser) return true
  if (server.major < 15) return false
  const [row] = await query(`select pg_catalog.has_parameter_privilege('temp_file_limit', 'set')`)
  return row?.[0] === 't'
}

function wholeNumber(value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new SqlError({ code: '22023', message: `a pin must be a whole number and not negative, not ${value}` })
}

/** What a login must be before it may serve. */
export interface ExpectedGate {
  readonly login: string
  /** The role that every session runs as; the login itself where an external database has no other. */
  readonly reader: string
  /** True for logins that Postern made: member of `reader` and of nothing else. */
  readonly exact: boolean
  /** owner-login: it may more than read, short of what ownerLoginFaultsSql finds. */
  readonly trust?: Trust | undefined
}

const bland = 'this database cannot be served at present'

/**
 * Asked once after each upstream connect, in one round trip. Throws 28000, bland, with the reasons as its cause for the
 * log; the caller destroys the connection, and repairs a managed gate with {@link pinGate}.
 */
export async function assertGate(query: TextQuery, expected: ExpectedGate): Promise<void> {
  const rows = await query(gateFaultsSql(expected))
  const [row] = rows
  if (rows.length !== 1 || row?.length !== 1) {
    throw new SqlError({ code: '28000', message: bland, cause: new Error('the gate assertion gave no answer') })
  }
  const faults = row[0] ?? ''
  if (faults === '') return
  throw new SqlError({ code: '28000', message: bland, cause: new Error(`login "${expected.login}" ${faults}`) })
}

/** Predefined roles that no login may hold, an external one neither: files, programs, writing, other people's sessions. */
export const forbiddenRoles = [
  'pg_checkpoint',
  'pg_create_subscription',
  'pg_execute_server_program',
  'pg_maintain',
  'pg_read_server_files',
  'pg_signal_autovacuum_worker',
  'pg_signal_backend',
  'pg_write_all_data',
  'pg_write_server_files',
]

function gateFaultsSql(expected: ExpectedGate): string {
  const login = quoteText(expected.login)
  const reader = quoteText(expected.reader)
  // One message is one transaction: the path is empty for the question alone.
  return `set local search_path = '';
    select pg_catalog.concat_ws('; ',
      case when session_user <> ${login} then 'connected as another login' end,
      case when current_user <> ${reader} then 'does not run as its reader' end,
      case when pg_catalog.current_setting('default_transaction_read_only') <> 'on'
        or pg_catalog.current_setting('transaction_read_only') <> 'on' then 'is not read only' end,
      case when pg_catalog.current_setting('standard_conforming_strings') <> 'on'
        or pg_catalog.current_setting('client_encoding') <> 'UTF8' then 'has other lexical settings' end,
      case when pg_catalog.current_setting('session_replication_role') <> 'origin' then 'has triggers switched off' end,
      ${expected.trust === 'owner-login' ? `(${ownerLoginFaultsSql})` : attributeFaults(expected)})`
}

function attributeFaults(expected: ExpectedGate): string {
  const reader = quoteText(expected.reader)
  return `
      (select pg_catalog.string_agg(distinct nullif(pg_catalog.concat_ws(', ',
          case when r.rolsuper then 'is a superuser' end,
          case when r.rolbypassrls then 'bypasses row security' end,
          case when r.rolreplication then 'may replicate' end,
          case when r.rolcreaterole then 'may create roles' end,
          case when r.rolcreatedb then 'may create databases' end,
          case when r.rolinherit and ${expected.exact} and r.rolname = session_user then 'inherits' end), ''), ', ')
         from pg_catalog.pg_roles r where r.rolname in (session_user, current_user)),
      (select 'is a member of ' || pg_catalog.string_agg(r.rolname, ', ' order by r.rolname)
         from pg_catalog.pg_roles r
        where r.rolname not in (session_user, ${reader})
          and pg_catalog.pg_has_role(session_user, r.oid, 'member')
          and (${expected.exact} or r.rolname in (${forbiddenRoles.map(quoteText).join(', ')})))`
}
