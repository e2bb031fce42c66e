/** The control database, embedded or named by POSTERN_CONTROL_URL, and the key that opens what is sealed in it. */
import pg from 'pg'
import type { Config } from '../config.ts'
import { migrate, pendingMigrations } from '../control/migrate.ts'
import { openControlPool } from '../control/pool.ts'
import { SqlError } from '../errors.ts'
import { openKeyRing } from '../identity/key-ring.ts'
import type { KeyRing } from '../identity/sealing.ts'
import type { Log } from '../observe/log.ts'
import { migrateQueue } from '../worker/queue.ts'
import { type EmbeddedCluster, openCluster } from './cluster.ts'
import { makeDataDir } from './data-dir.ts'

export interface Stores {
  /** As the role postern_service, which may add to the audit log and not change it. */
  readonly control: pg.Pool
  readonly keys: KeyRing
  /** Undefined where the control database is named by the settings. */
  readonly cluster: EmbeddedCluster | undefined
  /** A connection as the control database's owner: who reads the audit log and drops what is too old. Closed by the caller. */
  openOwner(): pg.Pool
  /** More connections like `control`, for who keeps some for himself (the job queue). Closed by the caller. */
  openService(sizeMax: number): pg.Pool
  /** Names of the migrations that were applied just now. */
  readonly migrated: readonly string[]
  close(): Promise<void>
}

const controlDatabase = 'postern_control'

/**
 * @param o.migrate bring the control database up to date, rather than refuse one that is not. An embedded one always is.
 * @throws SqlError 08001 where it cannot be reached, 55000 where it is not up to date, F0000 for the master key
 */
export async function openStores(config: Config, log: Log, o: { readonly migrate: boolean }): Promise<Stores> {
  makeDataDir(config.dataDir)
  const keys = await openKeyRing(config.dataDir, {
    masterKey: config.masterKey?.reveal() ?? null,
    previous: config.masterKeyPrevious?.reveal() ?? null,
  })
  const named = config.control.url?.reveal()
  const cluster = named === undefined ? await openCluster(config.dataDir) : undefined
  try {
    const connection = cluster === undefined ? named! : await makeControlDatabase(cluster)
    const migrated = await bringUpToDate(connection, o.migrate || cluster !== undefined)
    let closing = false
    const onFault = (error: Error) => closing || log.warn({ error }, 'a connection to the control database was lost')
    const control = openControlPool({ connection, as: 'service', onFault })
    const close = async () => {
      closing = true
      await control.end()
      await cluster?.stop()
    }
    const openOwner = () =>
      openControlPool({ connection, as: 'owner', sizeMax: 2, statementTimeoutMs: 600_000, onFault })
    const openService = (sizeMax: number) => openControlPool({ connection, as: 'service', sizeMax, onFault })
    return { control, keys, cluster, migrated, openOwner, openService, close }
  } catch (error) {
    await cluster?.stop()
    throw cluster === undefined && isUnreachable(error) ? unreachable(error) : error
  }
}

/** The system's refusal, the server's of our login or of the database's name, or of TLS, which pg gives no code. */
function isUnreachable(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  if (!('code' in error)) return /SSL|timeout|terminated/.test(error.message)
  return 'syscall' in error || error instanceof AggregateError || /^(28|3D)/.test(String(error.code))
}

function unreachable(error: Error): SqlError {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  const code = 'code' in error && /^(28|3D)/.test(String(error.code)) ? String(error.code) : '08001'
  return new SqlError({
    code,
    message: `the control database cannot be reached: ${first instanceof Error ? first.message : String(first)}`,
    hint: 'Is that server up, and does POSTERN_CONTROL_URL name it rightly? "postern doctor" tests all of it.',
  })
}

async function bringUpToDate(connection: string, mayMigrate: boolean): Promise<readonly string[]> {
  const owner = openControlPool({ connection, as: 'owner', sizeMax: 1 })
  try {
    if (mayMigrate) {
      const migrated = await migrate(owner)
      await migrateQueue(owner)
      return migrated
    }
    const pending = await pendingMigrations(owner)
    if (pending.length === 0) return []
    throw new SqlError({
      code: '55000',
      message: `the control database lacks ${pending.join(', ')}`,
      hint: 'Run "postern migrate".',
    })
  } finally {
    await owner.end()
  }
}

/** A database of the embedded cluster that no gate may enter. Answers its address. */
async function makeControlDatabase(cluster: EmbeddedCluster): Promise<string> {
  if (!cluster.joined) {
    await asSuperuser(cluster, 'postgres', async client => {
      const found = await client.query('select from pg_catalog.pg_database where datname = $1', [controlDatabase])
      if (found.rowCount === 0) await client.query(`create database ${controlDatabase}`)
      await client.query(`revoke connect on database postgres, template1, ${controlDatabase} from public`)
    })
  }
  return databaseUrl(cluster, controlDatabase)
}

/** The superuser's address of a database of the embedded cluster. */
export function databaseUrl(cluster: EmbeddedCluster, database: string): string {
  const url = new URL(cluster.url)
  url.pathname = `/${encodeURIComponent(database)}`
  return url.href
}

/** Runs `work` on a connection of the embedded cluster's superuser, and closes it. */
export async function asSuperuser<T>(
  cluster: EmbeddedCluster,
  database: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl(cluster, database), application_name: 'postern' })
  client.on('error', () => undefined) // the next statement fails with the reason
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
