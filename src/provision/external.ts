/**
 * External databases: what stands already, owned and used by others. With an administrator's credentials Postern makes its
 * roles there and grants them what they need; nothing of anybody else's is changed. With a login alone there is nothing to make.
 */
import { SqlError } from '../errors.ts'
import { type Administrator, inTransaction, type Query, withAdministrator } from './administrator.ts'
import { installFilteredViews } from './filtered-views.ts'
import { type GatePins, pinGate } from './gate.ts'
import { grantTables, type TableGrants } from './grants.ts'
import { endLogin, holdProvisioning, type Provisioned, type SuperuserTask, tempFileTask } from './managed.ts'
import { checkIdentifier, type DatabaseRoles } from './names.ts'
import { quoteName } from './quote.ts'
import { attempt, makeRoles, readServer } from './roles.ts'

export interface ExternalOptions {
  readonly administrator: Administrator
  readonly database: string
  readonly roles: DatabaseRoles
  /** The schemas that are served, whoever owns them. */
  readonly schemas: readonly string[]
  /** SCRAM-SHA-256 verifier of the gate's password. */
  readonly gateVerifier: string
  readonly pins: GatePins
  readonly readerGrant: TableGrants['readerGrant']
}

/**
 * Makes or mends the roles, the gate's pins, the filtered catalogs and the grants. May be run at any time. What the
 * administrator may not grant is a task for the owner or a superuser. Throws SqlError: 3D000 or 3F000 for a database or schema
 * that is not there, 22021 for one that is not in UTF8, 42501 where not even the roles can be made.
 */
export async function provisionExternal(options: ExternalOptions): Promise<Provisioned> {
  const { administrator, database, roles } = options
  checkIdentifier(database)
  return await withAdministrator(administrator, database, async query => {
    await holdProvisioning(query, database)
    await checkExternal(query, options)
    const server = await readServer(query)
    await makeRoles(query, server, roles)
    const { tempFileLimit } = await pinGate(query, server, roles, options.gateVerifier, options.pins)
    const refused = await grantAccess(query, options)
    const twins = await installTwins(query, options)
    return { created: false, superuserTasks: [...refused, ...twins, ...tempFileTask(server, tempFileLimit, options)] }
  })
}

/** Takes away what {@link provisionExternal} made, and nothing else. Throws 2BP01 where something of the roles is still in use. */
export async function dropExternal(
  options: Pick<ExternalOptions, 'administrator' | 'database' | 'roles'>,
): Promise<void> {
  const { administrator, database, roles } = options
  await withAdministrator(administrator, database, async query => {
    await holdProvisioning(query, database)
    const server = await readServer(query)
    const found = await query('select rolname from pg_catalog.pg_roles where rolname = any ($1)', [
      [roles.gate, roles.reader, roles.live, roles.owner],
    ])
    const names = found.map(([name]) => name ?? '')
    if (names.includes(roles.gate)) await endLogin(query, server, roles.gate)
    const membership = server.major >= 16 ? ' with inherit true' : ''
    for (const name of names) {
      await query(`grant ${quoteName(name)} to ${quoteName(server.me)}${membership}`)
      await query(`drop owned by ${quoteName(name)}`)
    }
    for (const name of names) await query(`drop role ${quoteName(name)}`)
  })
}

async function checkExternal(query: Query, options: ExternalOptions): Promise<void> {
  const [row] = await query('select pg_catalog.current_setting($1)', ['server_encoding'])
  if (row?.[0] !== 'UTF8') {
    throw new SqlError({ code: '22021', message: `database "${options.database}" is in ${row?.[0]}, not in UTF8` })
  }
  const missing = await query(
    `select w.name from unnest($1::text[]) w(name)
      where not exists (select from pg_catalog.pg_namespace n where n.nspname = w.name)`,
    [[...options.schemas]],
  )
  if (missing.length === 0) return
  throw new SqlError({ code: '3F000', message: `schema "${missing[0]?.[0]}" does not exist in "${options.database}"` })
}

async function grantAccess(query: Query, options: ExternalOptions): Promise<SuperuserTask[]> {
  const { database, schemas, readerGrant, roles } = options
  const [gate, live, reader] = [roles.gate, roles.live, roles.reader].map(quoteName)
  const access = [
    `grant connect on database ${quoteName(database)} to ${gate}`,
    `grant connect, temporary on database ${quoteName(database)} to ${live}`,
    ...schemas.map(schema => `grant usage on schema ${quoteName(schema)} to ${live}, ${reader}`),
  ]
  return await inTransaction(query, async () => {
    const refused: string[] = []
    for (const sql of access) if (!(await attempt(query, sql))) refused.push(sql)
    const tables = await grantTables(query, { roles, schemas, readerGrant, closePublic: false })
    return [...refused, ...tables.refused].map(sql => ({
      reason: 'the administrator owns neither this nor the right to grant it',
      database,
      sql,
    }))
  })
}

/** Without the twins the cluster-wide catalogs are refused; everything else is served. */
async function installTwins(query: Query, { database, roles }: ExternalOptions): Promise<SuperuserTask[]> {
  try {
    await installFilteredViews(query, roles)
    return []
  } catch (error) {
    if (!(error instanceof SqlError) || error.code !== '42501') throw error
    const sql = `grant create on database ${quoteName(database)} to current_user`
    return [
      { reason: 'the filtered catalogs cannot be installed, so \\l, \\du and their like are refused', database, sql },
    ]
  }
}
