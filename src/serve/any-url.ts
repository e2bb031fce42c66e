/**
 * One database that stands already, guarded by one command: inspected with the login that its address names, written down in
 * a control database of the process's own, and served as far as the login allows.
 */
import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Config } from '../config.ts'
import type { Administration } from '../control/administration.ts'
import { type DatabaseRow, findDatabase, listDatabases } from '../control/database-rows.ts'
import { addDatabase, setDatabasePolicy, setDatabaseTrust } from '../control/databases.ts'
import { readMembers } from '../control/members.ts'
import { openGatePassword, setReader } from '../control/readers.ts'
import { setServerAddress } from '../control/servers.ts'
import { addTenant, listTenants } from '../control/tenants.ts'
import { addUser, listUsers } from '../control/users.ts'
import { claimFolder, releaseFolder } from '../embedded/folder.ts'
import { SqlError } from '../errors.ts'
import { type Principal, principalOf } from '../identity/principal.ts'
import type { Log } from '../observe/log.ts'
import { describeMissing, gateScript, isServable } from '../provision/trust.ts'
import { makeDataDir } from './data-dir.ts'
import { provisionRow } from './provisioning.ts'
import { openStores, type Stores } from './stores.ts'
import { inspectTarget, type TargetFacts } from './target-facts.ts'
import type { TargetUrl } from './target-url.ts'
import { attackGate, gateWayOf } from './upstreams.ts'

export interface UrlStores {
  readonly facts: TargetFacts
  /** The settings with a data folder of this address's own. */
  readonly config: Config
  readonly stores: Stores
}

/** Processes that guard the same address at once. */
const processesMax = 16

/**
 * Opens a control database that no other process has: the first free folder of those that belong to this address, so that
 * what one process does, and when it ends, is nothing to another.
 * Nothing is made where the login cannot come in.
 * @param o.dataDirSaid false: the folder is the user's own, since hosts start their servers anywhere
 * @throws SqlError as inspectTarget and openStores; 22023 where the settings name a control database, 53400 where too many run
 */
export async function openUrlStores(
  config: Config,
  log: Log,
  target: TargetUrl,
  o: { readonly dataDirSaid: boolean },
): Promise<UrlStores> {
  if (config.control.url !== null) {
    throw new SqlError({
      code: '22023',
      message: '--url keeps a control database of its own, but control.url names another',
      hint: 'Unset control.url (POSTERN_CONTROL_URL), or add the database there: postern database add --host …',
    })
  }
  const facts = await inspectTarget(target, config.pool.connectTimeoutMs)
  const { address, dbname, login } = target
  const digest = createHash('sha256')
    .update(JSON.stringify([address.host, address.port, dbname, login]))
    .digest('hex')
  const parent = join(o.dataDirSaid ? resolve(config.dataDir) : join(homedir(), '.postern'), 'url', digest.slice(0, 16))
  for (let place = 0; place < processesMax; place++) {
    const own = { ...config, dataDir: join(parent, String(place)) }
    const release = claim(own.dataDir)
    if (release !== undefined) return { facts, config: own, stores: await openClaimed(own, log, release) }
  }
  throw new SqlError({ code: '53400', message: `${processesMax} processes guard ${target.shown} already` })
}

/** Undefined where another process has the folder. */
function claim(dataDir: string): (() => void) | undefined {
  makeDataDir(dataDir)
  const folder = { path: dataDir, temporary: false }
  try {
    claimFolder(folder)
    return () => releaseFolder(folder)
  } catch (error) {
    if (error instanceof SqlError && error.code === '55006') return undefined
    throw error
  }
}

async function openClaimed(config: Config, log: Log, release: () => void): Promise<Stores> {
  try {
    const stores = await openStores(config, log, { migrate: true })
    return { ...stores, close: () => stores.close().finally(release) }
  } catch (error) {
    release()
    throw error
  }
}

export interface PreparedUrl {
  readonly principal: Principal
  readonly database: DatabaseRow
  /** For people, on standard error: as whom it is served, and which locks are missing. */
  readonly notes: readonly string[]
}

const tenant = 'local'
const user = 'local'

/**
 * Brings the control database to what the address says, the same at every start, and proves the database's locks.
 * @param o.provision the address is an administrator's: make a gate and a reader by it, and serve through those
 * @throws SqlError 42501 with the SQL to run where the login may be served by no guard alone, 57P03 where a lock does not hold
 *   that must
 */
export async function prepareAnyUrl(
  administration: Administration,
  config: Config,
  target: TargetUrl,
  facts: TargetFacts,
  o: { readonly provision: boolean },
): Promise<PreparedUrl> {
  const principal = await ensurePrincipal(administration)
  const known = (await listDatabases(administration.pool, tenant))[0]
  const made = known?.ownerRole != null
  if (!o.provision && !made && facts.fault !== null) throw unservable(target, facts)
  const provision = o.provision || made
  const row = await writeDown(administration, target, facts, { known, provision })
  // At each start: tables that were made meanwhile are granted too.
  const tasks = provision ? await provisionRow(administration, row, config) : []
  if (!provision) await ensureReader(administration, target, facts, row)
  const { database, notes } = await prove(administration, config, target, facts, row)
  return { principal, database, notes: [...notes, ...tasks.flatMap(({ reason, sql }) => [`${reason}:`, `  ${sql};`])] }
}

async function ensurePrincipal(administration: Administration): Promise<Principal> {
  const { pool } = administration
  if ((await listTenants(pool)).length === 0) await addTenant(administration, { name: tenant })
  const [known] = await listUsers(pool, tenant)
  const { principalId } =
    known ?? (await addUser(administration, { tenant, login: user, role: 'analyst', verifier: null }))
  const [member] = await readMembers(pool, [principalId])
  if (member !== undefined) return principalOf(member)
  throw new SqlError({ code: '28000', message: `${user}@${tenant} is disabled in this data folder` })
}

async function writeDown(
  administration: Administration,
  target: TargetUrl,
  { schemas }: TargetFacts,
  { known, provision }: { readonly known: DatabaseRow | undefined; readonly provision: boolean },
): Promise<DatabaseRow> {
  const { login, password, dbname } = target
  const address = provision ? { ...target.address, provisioner: { login, password } } : target.address
  if (known === undefined) {
    return await addDatabase(administration, {
      tenant,
      alias: aliasOf(dbname),
      kind: 'external',
      server: address,
      dbname,
      schemas,
    })
  }
  await setServerAddress(administration, known.server.name, address)
  if (schemas.join() !== known.schemas.join())
    await setDatabasePolicy(administration, { tenant, alias: known.alias }, { schemas })
  return await findDatabase(administration.pool, tenant, known.alias)
}

/** The database's own name wherever that can be an alias; it is found by both. */
function aliasOf(dbname: string): string {
  const alias = dbname.replace(/[^\p{L}\p{N}._-]+/gu, '_').replace(/^[^\p{L}\p{N}]+/u, '')
  return alias.slice(0, 63) || 'database'
}

async function ensureReader(
  administration: Administration,
  { login, password }: TargetUrl,
  { runsAs }: TargetFacts,
  row: DatabaseRow,
): Promise<void> {
  const readerRole = runsAs === login ? null : runsAs
  const [known] = row.readers
  const same =
    known?.gateLogin === login &&
    known.readerRole === readerRole &&
    openGatePassword(known, administration.sealer) === password
  if (!same)
    await setReader(
      administration,
      { tenant, alias: row.alias },
      { gateLogin: login, gatePassword: password, readerRole },
    )
}

/** Attacks the database, and remembers whether its login holds every lock or is an owner's. */
async function prove(
  administration: Administration,
  config: Config,
  target: TargetUrl,
  facts: TargetFacts,
  row: DatabaseRow,
): Promise<{ database: DatabaseRow; notes: string[] }> {
  const name = { tenant, alias: row.alias }
  const current = await findDatabase(administration.pool, tenant, row.alias)
  const report = await attackGate(gateWayOf(current, administration.sealer, config.pool.connectTimeoutMs), current)
  const trust = report.passed || current.ownerRole !== null ? 'proven' : 'owner-login'
  const missing = describeMissing(report)
  if (!isServable(report, trust)) {
    const mends = report.outcomes.flatMap(({ kind, mend }) => (kind === 'must-fail' ? mend : []))
    throw new SqlError({
      code: '57P03',
      message: `${target.shown} is not served: a lock of it does not hold`,
      detail: missing.join('\n'),
      hint:
        [...new Set(mends)].join(';\n') || 'Name the direct address of the database, not that of a transaction pooler.',
    })
  }
  if (current.trust !== trust) await setDatabaseTrust(administration, name, trust)
  const database = await findDatabase(administration.pool, tenant, row.alias)
  return { database, notes: notesOf(target, facts, database, missing) }
}

function notesOf(target: TargetUrl, facts: TargetFacts, database: DatabaseRow, missing: readonly string[]): string[] {
  const served = `${target.shown}, schemas ${database.schemas.join(', ')}`
  if (database.trust === 'proven') {
    const by = database.ownerRole === null ? `login ${target.login}` : 'a gate and a reader of its own'
    return [`guarding ${served}: through ${by}; every lock holds`]
  }
  const { sql, login } = gateScript({ ...facts, database: target.dbname })
  return [
    `guarding ${served}: behind the guard and read-only transactions alone, since login ${target.login} can do more than read:`,
    ...missing.map(line => `  ${line}`),
    'To have the missing locks, start it once with --provision and an administrator’s address, or run this as one, set the',
    `password of ${login}, and name that login in the address:`,
    ...sql.map(line => `  ${line}`),
  ]
}

function unservable(target: TargetUrl, facts: TargetFacts): SqlError {
  const { sql, login } = gateScript({ ...facts, database: target.dbname })
  return new SqlError({
    code: '42501',
    message: `login "${target.login}" is not served: it ${facts.fault}`,
    hint: [
      'Let it make a gate and a reader of its own, by adding --provision; or run this SQL, and name the new login in the address:',
      ...sql,
      `\\password ${login}`,
    ].join('\n'),
  })
}
