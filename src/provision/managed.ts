/** Managed databases: one per tenant, in a cluster that Postern administers. Everything here may be run again at any time. */
import { SqlError } from '../errors.ts'
import { type Administrator, inTransaction, type Query, withAdministrator } from './administrator.ts'
import { installFilteredViews } from './filtered-views.ts'
import { type GatePins, pinGate } from './gate.ts'
import { type GrantOutcome, grantTables, type TableGrants } from './grants.ts'
import { checkIdentifier, checkSchemaName, type DatabaseRoles } from './names.ts'
import { quoteName, quoteText } from './quote.ts'
import { attempt, makeRoles, readServer, type Server } from './roles.ts'

export interface ManagedDatabase {
  readonly administrator: Administrator
  /** The database's real name, see `managedDatabaseName`. */
  readonly database: string
  readonly roles: DatabaseRoles
  /** The tenant's schemas, owned by `roles.owner`. */
  readonly schemas: readonly string[]
}

export interface ManagedOptions extends ManagedDatabase {
  /** SCRAM-SHA-256 verifier of the gate's password. */
  readonly gateVerifier: string
  readonly pins: GatePins
}

/** Something that this administrator may not do and a superuser does once. */
export interface SuperuserTask {
  readonly reason: string
  /** The database to run it in. */
  readonly database: string
  readonly sql: string
}

export interface Provisioned {
  /** False when the database stood already. */
  readonly created: boolean
  readonly superuserTasks: readonly SuperuserTask[]
}

/**
 * Makes or mends a managed database: roles, pins, database, privileges of PUBLIC, schemas, filtered catalogs.
 * Tables are granted by `grantTables`, once they exist. Throws SqlError: 42602 for a name that will not do, 42501 where
 * the administrator lacks a privilege that nothing can stand in for, else what the server said.
 */
export async function provisionManaged(options: ManagedOptions): Promise<Provisioned> {
  checkIdentifier(options.database)
  for (const schema of options.schemas) checkSchemaName(schema)
  return await withAdministrator(options.administrator, null, async query => {
    await holdProvisioning(query, options.database)
    const server = await readServer(query)
    await makeRoles(query, server, options.roles)
    const { tempFileLimit } = await pinGate(query, server, options.roles, options.gateVerifier, options.pins)
    const created = await createDatabase(query, options)
    const inside = await withAdministrator(options.administrator, options.database, async tenant => {
      const tasks = await closePublic(tenant, options)
      await createSchemas(tenant, options)
      await installFilteredViews(tenant, options.roles)
      return tasks
    })
    const tasks = [...inside, ...(await openDatabases(query)), ...tempFileTask(server, tempFileLimit, options)]
    return { created, superuserTasks: tasks }
  })
}

/** Brings the grants on a managed database's tables to what they must be, in one transaction: after seeding, and on `database check --apply`. */
export async function grantManagedTables(
  options: ManagedDatabase,
  readerGrant: TableGrants['readerGrant'],
): Promise<GrantOutcome> {
  const { administrator, database, roles, schemas } = options
  return await withAdministrator(administrator, database, query =>
    inTransaction(query, () => grantTables(query, { roles, schemas, readerGrant, closePublic: true })),
  )
}

/** Drops the database, every builder left over, and the four roles. Does nothing where they are gone already. */
export async function dropManaged(options: Omit<ManagedDatabase, 'schemas'>): Promise<void> {
  const { database, roles } = options
  await withAdministrator(options.administrator, null, async query => {
    await holdProvisioning(query, database)
    const server = await readServer(query)
    const logins = await query(
      `select m.rolname from pg_catalog.pg_roles m
        where m.rolname = $2 or m.rolname <> session_user and m.rolcanlogin and exists (
          select from pg_catalog.pg_auth_members a join pg_catalog.pg_roles r on r.oid = a.roleid
           where a.member = m.oid and r.rolname = $1)`,
      [roles.live, roles.gate],
    )
    const names = logins.map(([name]) => name ?? '')
    for (const login of names) await endLogin(query, server, login)
    await query(`drop database if exists ${quoteName(database)} with (force)`)
    for (const role of [...names, roles.reader, roles.live, roles.owner]) {
      await query(`drop role if exists ${quoteName(role)}`)
    }
  })
}

/** No new sessions of the login, and the old ones ended. To end them one must be a member. */
export async function endLogin(query: Query, server: Server, login: string): Promise<void> {
  const name = quoteName(login)
  await query(`alter role ${name} nologin`)
  if (!server.superuser) {
    await query(`grant ${name} to ${quoteName(server.me)}${server.major >= 16 ? ' with inherit true' : ''}`)
  }
  await query(
    'select pg_catalog.pg_terminate_backend(pid, $2::int) from pg_catalog.pg_stat_activity where usename = $1',
    [login, String(terminateTimeoutMs)],
  )
}

const terminateTimeoutMs = 5_000

/** Two provisioners of one database at once fail on each other's grants; this lock goes with the connection. */
export async function holdProvisioning(query: Query, database: string): Promise<void> {
  await query('select pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended($1, 0))', [`postern ${database}`])
}

async function createDatabase(query: Query, options: ManagedOptions): Promise<boolean> {
  const { roles } = options
  const database = quoteName(options.database)
  const [found] = await query(
    `select pg_catalog.pg_has_role(datdba, 'usage'), pg_catalog.pg_encoding_to_char(encoding)
       from pg_catalog.pg_database where datname = $1`,
    [options.database],
  )
  if (!found) await query(`create database ${database} encoding 'UTF8'`)
  else if (found[0] !== 't' || found[1] !== 'UTF8') {
    throw new SqlError({
      code: '42501',
      message: `database "${options.database}" exists and is not this administrator's, or not in UTF8`,
    })
  }
  await inTransaction(query, async () => {
    await query(`revoke all on database ${database} from public, ${quoteName(roles.reader)}, ${quoteName(roles.owner)}`)
    await query(`revoke all on database ${database} from ${quoteName(roles.gate)}, ${quoteName(roles.live)}`)
    await query(`grant connect on database ${database} to ${quoteName(roles.gate)}`)
    // Builders inherit both from live; the reader is no member of it.
    await query(`grant connect, temporary on database ${database} to ${quoteName(roles.live)}`)
  })
  return !found
}

/** What PUBLIC may do in a new database and must not: CREATE in schema public, and functions with effects. */
async function closePublic(tenant: Query, options: ManagedOptions): Promise<SuperuserTask[]> {
  const closeSchema = 'revoke all on schema public from public'
  return await inTransaction(tenant, async () => {
    const exists = await tenant(`select 1 from pg_catalog.pg_namespace where nspname = 'public'`)
    if (exists.length > 0) await attempt(tenant, closeSchema)
    const open = await tenant(
      `select 1 from pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
        where n.nspname = 'public' and a.grantee = 0 and a.privilege_type = 'CREATE'`,
    )
    await revokeEffects(tenant, options.roles)
    if (open.length === 0) return []
    return [{ reason: 'PUBLIC may create objects in schema public', database: options.database, sql: closeSchema }]
  })
}

/**
 * EXECUTE on functions with effects that no transaction mode stops goes from PUBLIC to the owner and to builders, where
 * the administrator may: the functions of pg_catalog are a superuser's. pg_advisory_unlock_all stays, pools call it.
 */
async function revokeEffects(tenant: Query, roles: DatabaseRoles): Promise<void> {
  const functions = await tenant(
    `select p.oid::pg_catalog.regprocedure::text
       from pg_catalog.pg_proc p
      where p.prokind = 'f' and pg_catalog.pg_has_role(p.proowner, 'usage')
        and (p.proname ~ '^(lo_|dblink|pg_(try_)?advisory_|pg_logical_emit_message$)' or p.proname in ('pg_notify', 'loread', 'lowrite'))
        and p.proname <> 'pg_advisory_unlock_all'
        and pg_catalog.has_function_privilege('public', p.oid, 'execute')`,
  )
  const names = functions.map(([name]) => name).join(', ')
  if (names === '') return
  await tenant(`revoke execute on function ${names} from public`)
  await tenant(`grant execute on function ${names} to ${quoteName(roles.owner)}, ${quoteName(roles.live)}`)
}

async function createSchemas(tenant: Query, options: ManagedOptions): Promise<void> {
  const { owner, live, reader } = options.roles
  await inTransaction(tenant, async () => {
    for (const schema of options.schemas) {
      const name = quoteName(schema)
      await tenant(`create schema if not exists ${name} authorization ${quoteName(owner)}`)
      const [row] = await tenant(
        `select pg_catalog.pg_get_userbyid(nspowner) from pg_catalog.pg_namespace where nspname = $1`,
        [schema],
      )
      if (row?.[0] !== owner) await tenant(`alter schema ${name} owner to ${quoteName(owner)}`)
      await tenant(`revoke all on schema ${name} from public, ${quoteName(live)}, ${quoteName(reader)}`)
      await tenant(`grant usage on schema ${name} to ${quoteName(live)}, ${quoteName(reader)}`)
    }
  })
}

/** The cluster's other databases that PUBLIC may connect to: the gates could enter them. The one that we work from stays open to us. */
async function openDatabases(query: Query): Promise<SuperuserTask[]> {
  const open = await query(
    `select d.datname, case when d.datname = pg_catalog.current_database() then current_user end
       from pg_catalog.pg_database d
      where d.datallowconn and pg_catalog.has_database_privilege('public', d.oid, 'connect')
      order by d.datname`,
  )
  return open.flatMap(([name, administrator]) => {
    const database = quoteName(name ?? '')
    const revoke = {
      reason: `every login of the cluster may connect to database "${name}"`,
      database: 'postgres',
      sql: `revoke connect on database ${database} from public`,
    }
    if (administrator === null || administrator === undefined) return [revoke]
    const sql = `grant connect on database ${database} to ${quoteName(administrator)}`
    return [{ reason: 'Postern administers the cluster from there', database: 'postgres', sql }, revoke]
  })
}

export function tempFileTask(
  server: Server,
  pinned: boolean,
  options: Pick<ManagedOptions, 'roles' | 'pins'>,
): SuperuserTask[] {
  if (pinned) return []
  const sql =
    server.major >= 15
      ? `grant set on parameter temp_file_limit to ${quoteName(server.me)}`
      : `alter role ${quoteName(options.roles.gate)} set temp_file_limit = ${quoteText(`${options.pins.tempFileLimitKb}kB`)}`
  return [{ reason: 'the size of temporary files cannot be limited', database: 'postgres', sql }]
}
