/** Managed databases as the commands make, mend and drop them: the control database's rows and the provisioner's SQL together. */
import { randomBytes } from 'node:crypto'
import type { ConnectionOptions } from 'node:tls'
import type { Config } from '../config.ts'
import type { Administration } from '../control/administration.ts'
import type { DatabaseRow } from '../control/database-rows.ts'
import { addDatabase, markProvisioned, removeDatabase } from '../control/databases.ts'
import { makeId } from '../control/ids.ts'
import { readLimitOverrides } from '../control/limits.ts'
import { openGatePassword, setReader } from '../control/readers.ts'
import type { Sealer } from '../control/sealer.ts'
import { openProvisioner, type ServerRow } from '../control/servers.ts'
import { SqlError, toSqlError } from '../errors.ts'
import { defaultLimits } from '../guard/policy.ts'
import { tableRulesOf } from '../guard/table-rules.ts'
import { type Administrator, withAdministrator } from '../provision/administrator.ts'
import { dropExternal, provisionExternal } from '../provision/external.ts'
import { type GatePins, pinGate } from '../provision/gate.ts'
import type { GrantedRelation, ReaderGrant } from '../provision/grants.ts'
import {
  dropManaged,
  grantManagedTables,
  type ManagedDatabase,
  provisionManaged,
  type SuperuserTask,
} from '../provision/managed.ts'
import { databaseRoles, managedDatabaseName } from '../provision/names.ts'
import { readServer } from '../provision/roles.ts'
import type { SchemaTarget } from '../provision/schemas.ts'
import { makeVerifier } from '../wire/scram.ts'
import { pinsFor } from './pins.ts'

export interface NewManaged {
  readonly tenant: string
  readonly alias: string
  /** A server with provisioner credentials, by name. */
  readonly server: string
  /** The first is the default. */
  readonly schemas: readonly string[]
}

/** Writes a managed database down and makes it. @throws SqlError as addDatabase and provisionManaged */
export async function createManaged(
  administration: Administration,
  database: NewManaged,
  config: Config,
): Promise<readonly SuperuserTask[]> {
  // Its own random part keeps it apart from every other database of the cluster, whatever tenants are called.
  const dbname = managedDatabaseName(database.tenant, database.alias, makeId())
  const row = await addDatabase(administration, { ...database, kind: 'managed', dbname })
  return await provisionRow(administration, row, config)
}

/**
 * Makes or mends what is ours in a database: roles, pins, filtered catalogs and grants, and a managed one itself. A gate
 * whose password cannot be opened gets a new one. May be run at any time.
 */
export async function provisionRow(
  administration: Administration,
  row: DatabaseRow,
  config: Config,
): Promise<readonly SuperuserTask[]> {
  const ours = oursOf(row, administration.sealer)
  const { roles } = ours
  const known = knownPassword(row, administration.sealer)
  const gatePassword = known ?? randomBytes(24).toString('base64url')
  const name = { tenant: row.tenantName, alias: row.alias }
  // Written down before the login has it: a start cut short in between is mended by the next one.
  const reader = { gateLogin: roles.gate, gatePassword, readerRole: roles.reader }
  if (known === undefined) await setReader(administration, name, reader)
  const pins = pinsFor(config, row, await readLimitOverrides(administration.pool))
  const options = { ...ours, gateVerifier: await makeVerifier(gatePassword), pins }
  if (row.kind === 'external') {
    const { superuserTasks } = await provisionExternal({ ...options, readerGrant: readerGrantOf(row) })
    await markProvisioned(administration, name, { owner: roles.owner, live: roles.live })
    return superuserTasks
  }
  const { superuserTasks } = await provisionManaged(options)
  const { refused } = await grantManagedTables({ ...ours, schemas: schemasOf(row) }, readerGrantOf(row))
  await markProvisioned(administration, name, { owner: roles.owner, live: roles.live })
  const reason = 'a table of the database has another owner'
  return [...superuserTasks, ...refused.map(sql => ({ reason, database: row.dbname, sql }))]
}

function knownPassword(row: DatabaseRow, sealer: Sealer): string | undefined {
  const reader = row.readers.find(known => known.gateLogin === databaseRoles(row.id).gate)
  try {
    return reader === undefined ? undefined : openGatePassword(reader, sealer)
  } catch (error) {
    if (error instanceof SqlError && error.code === 'XX001') return undefined
    throw error
  }
}

/** After tables were made by somebody else than a run, or the policy changed: the grants on a managed database's tables. */
export async function grantRow(row: DatabaseRow, sealer: Sealer): Promise<void> {
  await grantManagedTables({ ...oursOf(row, sealer), schemas: schemasOf(row) }, readerGrantOf(row))
}

/** Its own and what users have made there; those that are gone have no tables to grant. */
function schemasOf(row: DatabaseRow): readonly string[] {
  return [...row.schemas, ...row.provisioned.map(schema => schema.name)]
}

/** How users' schemas are made in a database and dropped. @throws SqlError 55000 where the server has no provisioner credentials */
export function schemaTargetOf(row: DatabaseRow, sealer: Sealer): SchemaTarget {
  const { administrator, database, roles } = oursOf(row, sealer)
  const readerReadsAll = row.allowedTables === null && row.excludedTables.length === 0
  return { administrator, database, roles, readerReadsAll }
}

/** Tables that the policy leaves out are not the guard's matter alone: the reader has no grant on them. */
function readerGrantOf(row: DatabaseRow): (relation: GrantedRelation) => ReaderGrant {
  const rules = tableRulesOf({ ...row, version: '', role: 'reader', limits: defaultLimits })
  return relation => {
    const name = `${relation.schema}.${relation.name}`
    if (rules.excludes(name) || !rules.allows(name)) return 'none'
    return relation.kind !== 'f' || rules.foreignTables.has(name) ? 'all' : 'none'
  }
}

/**
 * Takes away what is ours (a managed database whole), then forgets it.
 * @throws SqlError 2BP01 unless `drop` is the alias, for a managed one and one that users have made schemas in
 */
export async function dropRow(
  administration: Administration,
  row: DatabaseRow,
  drop: string | undefined,
): Promise<void> {
  const stands = row.provisionedAt !== null && row.ownerRole !== null
  const users = row.provisioned.filter(schema => schema.serves)
  if (users.length > 0 && drop !== row.alias) throw stillUsed(row, users.length)
  if (stands && row.kind === 'managed' && drop === row.alias) await dropManaged(oursOf(row, administration.sealer))
  if (stands && row.kind === 'external') await dropExternal(oursOf(row, administration.sealer))
  await removeDatabase(administration, { tenant: row.tenantName, alias: row.alias }, drop)
}

function stillUsed(row: DatabaseRow, schemas: number): SqlError {
  return new SqlError({
    code: '2BP01',
    message: `users have made ${schemas} schemas in database "${row.alias}" of tenant "${row.tenantName}"`,
    hint: 'Type its alias (--drop) to drop them with it.',
  })
}

/** Puts a gate that lost its pins or its password back to what they must be; the password stays. */
export async function repairGate(row: DatabaseRow, sealer: Sealer, pins: GatePins): Promise<void> {
  const { administrator, roles } = oursOf(row, sealer)
  const [reader] = row.readers
  if (reader === undefined) throw neverProvisioned(row)
  const verifier = await makeVerifier(openGatePassword(reader, sealer))
  await withAdministrator(administrator, null, async query => {
    await pinGate(query, await readServer(query), roles, verifier, pins)
  })
}

/** @throws SqlError 55000 where the server has no provisioner credentials */
export function administratorOf(server: ServerRow, sealer: Sealer): Administrator {
  const credentials = openProvisioner(server, sealer)
  if (credentials === null) {
    throw new SqlError({
      code: '55000',
      message: `server "${server.name}" has no provisioner credentials`,
      hint: 'Give it some: postern server set.',
    })
  }
  return {
    host: server.host,
    port: server.port,
    user: credentials.login,
    password: credentials.password,
    ssl: tlsOf(server),
    maintenanceDatabase: server.maintenanceDatabase,
  }
}

/** Why a server's administrator cannot get in now; null where he can, or where the server has none. */
export async function tryAdministrator(server: ServerRow, sealer: Sealer): Promise<SqlError | null> {
  if (openProvisioner(server, sealer) === null) return null
  try {
    await withAdministrator(administratorOf(server, sealer), null, async () => {})
    return null
  } catch (error) {
    return toSqlError(error)
  }
}

/** As libpq's sslmode; `prefer`, which any attacker can turn off, is no TLS here. */
function tlsOf(server: ServerRow): ConnectionOptions | undefined {
  const authorities = server.tlsCa === null ? {} : { ca: server.tlsCa }
  switch (server.tlsMode) {
    case 'disable':
    case 'prefer':
      return undefined
    case 'require':
      return { rejectUnauthorized: false }
    case 'verify-ca':
      return { ...authorities, checkServerIdentity: () => undefined }
    case 'verify-full':
      return authorities
  }
}

function oursOf(row: DatabaseRow, sealer: Sealer): ManagedDatabase {
  const administrator = administratorOf(row.server, sealer)
  return { administrator, database: row.dbname, roles: databaseRoles(row.id), schemas: row.schemas }
}

export function neverProvisioned(row: DatabaseRow): SqlError {
  return new SqlError({
    code: '55000',
    message: `database "${row.alias}" of tenant "${row.tenantName}" is not made yet`,
    hint: 'Run "postern database add" to its end, or remove it.',
  })
}
