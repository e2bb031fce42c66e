/**
 * A real Postgres with nothing installed: for the first start, for demonstrations and for tests. It listens on the
 * loopback address and on a Unix socket in a private folder, asks for SCRAM on both, and ends when we do.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SqlError } from '../errors.ts'
import { type Account, findServerAccount } from './account.ts'
import { bundledMajor, defaultMajorsDir, findBinaries, type Major } from './binaries.ts'
import { systemFailure } from './failures.ts'
import * as folders from './folder.ts'
import { initializeData } from './initialize.ts'
import { processCommand } from './processes.ts'
import { startWatchdog, type Watchdog } from './watchdog.ts'

export interface ClusterOptions {
  /** Absent: temporary, removed at stop, and fast instead of durable. */
  readonly dataDir?: string | undefined
  /** Absent: the one used last time if it is free, else any free one. */
  readonly port?: number | undefined
  /** Absent: 18. The others are fetched by scripts/fetch-majors.sh. */
  readonly major?: Major | undefined
  /** Where the other majors lie; absent: .postern/majors. */
  readonly majorsDir?: string | undefined
  /** Server settings for this run, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined
  /** The superuser's, for a folder that has none yet; absent: a random one. */
  readonly password?: string | undefined
}

export interface Cluster {
  /** The superuser's, over TCP, to the database postgres. */
  readonly url: string
  readonly superuser: string
  readonly password: string
  readonly host: '127.0.0.1'
  readonly port: number
  /** Absolute; a client takes it in place of a host name. */
  readonly socketDir: string
  readonly major: Major
  /** Where the data really lies. */
  readonly dataDir: string
  /** The postmaster's. */
  readonly processId: number
  /** A fast shutdown: connections are ended. Safe to call twice. */
  stop(): Promise<void>
}

interface Plan {
  readonly folder: folders.Folder
  readonly account: Account | undefined
  readonly binaries: string
  readonly pgdata: string
  readonly socketDir: string
  readonly log: { path: string; descriptor: number }
  readonly watchdog: Watchdog
}

const superuser = 'postgres'
const startTimeoutMs = 60_000
const stopTimeoutMs = 10_000
const portAttempts = 5

const commonSettings = {
  listen_addresses: '127.0.0.1',
  max_connections: 200,
  log_min_error_statement: 'panic', // texts of statements do not belong in a file that nobody redacts
}
const temporarySettings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

/**
 * Starts one, making its data first where there are none.
 * Throws SqlError: 55006 the folder or the port is in use, 0A000 the data are of another major, 28P01 the folder has
 * another password, 58000 anything else that the system refuses.
 */
export async function startCluster(o: ClusterOptions = {}): Promise<Cluster> {
  const major = o.major ?? bundledMajor
  const account = findServerAccount()
  const folder = folders.openFolder(o.dataDir, account)
  folders.claimFolder(folder)
  const pgdata = join(folder.path, 'pgdata')
  try {
    await endOrphan(pgdata)
    return await runCluster({ ...o, major }, folder, account, pgdata)
  } catch (error) {
    if (folder.temporary) fs.rmSync(folder.path, { recursive: true, force: true })
    folders.releaseFolder(folder)
    throw error
  }
}

async function runCluster(
  o: ClusterOptions & { major: Major },
  folder: folders.Folder,
  account: Account | undefined,
  pgdata: string,
): Promise<Cluster> {
  const log = folders.openLog(folder)
  const socketDir = folders.openSocketDir(folder, account)
  const remove = folder.temporary ? [folder.path, socketDir.remove] : [socketDir.remove]
  const watchdog = startWatchdog({ signal: folder.temporary ? 'QUIT' : 'INT', remove })
  const cleanUp = () => {
    fs.closeSync(log.descriptor)
    for (const path of remove) fs.rmSync(path, { recursive: true, force: true })
    watchdog.dismiss()
  }
  try {
    const binaries = findBinaries(o.major, account, o.majorsDir ?? defaultMajorsDir, folder.path)
    const plan = { folder, account, binaries, pgdata, socketDir: socketDir.path, log, watchdog }
    const password = await initializeData({ ...plan, major: o.major, superuser, password: o.password })
    const { server, port } = await startServer(plan, o)
    if (!folder.temporary) folders.writeNote(folder, 'port', String(port))
    const stop = async () => {
      await stopServer(server, folder.temporary ? 'SIGQUIT' : 'SIGINT')
      cleanUp()
      folders.releaseFolder(folder)
    }
    let stopping: Promise<void> | undefined
    return {
      url: `postgres://${superuser}:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
      ...{ superuser, password, host: '127.0.0.1', port, socketDir: socketDir.path, major: o.major },
      dataDir: folder.path,
      processId: server.pid ?? 0,
      stop: () => {
        stopping ??= stop()
        return stopping
      },
    }
  } catch (error) {
    cleanUp()
    throw error
  }
}

/** A server of this folder whose owner is gone: its watchdog is stopping it, or died with it. */
async function endOrphan(pgdata: string): Promise<void> {
  const lock = join(pgdata, 'postmaster.pid')
  const pid = Number(folders.readText(lock)?.split('\n')[0])
  if (!(pid > 0)) return
  const isServer = () => processCommand(pid)?.includes(pgdata) === true
  for (let waitedMs = 0; isServer(); waitedMs += 50) {
    if (waitedMs % 1000 === 0) process.kill(pid, waitedMs < stopTimeoutMs ? 'SIGINT' : 'SIGQUIT')
    if (waitedMs > 2 * stopTimeoutMs) throw systemFailure(`an earlier Postgres, process ${pid}, does not end`)
    await sleep(50)
  }
  // Postgres would take any live process of that id and account for its own.
  fs.rmSync(lock, { force: true })
}

async function startServer(plan: Plan, o: ClusterOptions): Promise<{ server: ChildProcess; port: number }> {
  const deadlineMs = performance.now() + startTimeoutMs
  let port = o.port ?? (Number(folders.readNote(plan.folder, 'port')) || (await findFreePort()))
  for (let attempt = 1; ; ) {
    fs.ftruncateSync(plan.log.descriptor)
    const server = launch(plan, port, o.settings ?? {})
    if (await waitUntilReady(server, plan.pgdata, deadlineMs)) return { server, port }
    const log = folders.readText(plan.log.path) ?? ''
    if (log.includes('could not bind')) {
      if (o.port !== undefined || attempt++ >= portAttempts) throw portInUse(port)
      port = await findFreePort()
    } else if (log.includes('is still in use') && performance.now() < deadlineMs) {
      await sleep(200) // backends of a killed server take a moment to notice
    } else {
      throw systemFailure('the embedded Postgres did not start', { log })
    }
  }
}

function launch(plan: Plan, port: number, settings: Readonly<Record<string, string | number>>): ChildProcess {
  const all = {
    ...commonSettings,
    ...(plan.folder.temporary ? temporarySettings : {}),
    ...settings,
    unix_socket_directories: plan.socketDir,
  }
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const command = join(plan.binaries, 'bin', 'postgres')
  const server = plan.watchdog.start(command, ['-D', plan.pgdata, '-p', String(port), ...args], {
    account: plan.account,
    cwd: plan.pgdata,
    log: plan.log.descriptor,
  })
  server.once('exit', () => plan.watchdog.forget())
  return server
}

/** False when it ended instead. The eighth line of postmaster.pid says so (pg_ctl reads the same). */
async function waitUntilReady(server: ChildProcess, pgdata: string, deadlineMs: number): Promise<boolean> {
  const ended = new AbortController()
  server.once('exit', () => ended.abort())
  server.once('error', () => ended.abort())
  while (!ended.signal.aborted) {
    const lines = folders.readText(join(pgdata, 'postmaster.pid'))?.split('\n') ?? []
    if (Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready') {
      server.unref()
      return true
    }
    if (performance.now() > deadlineMs) {
      server.kill('SIGQUIT')
      deadlineMs = Number.POSITIVE_INFINITY
    }
    await sleep(10)
  }
  return false
}

async function stopServer(server: ChildProcess, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  server.ref()
  const exit = once(server, 'exit')
  server.kill(signal)
  const harder = setTimeout(() => server.kill('SIGQUIT'), stopTimeoutMs)
  const hardest = setTimeout(() => server.kill('SIGKILL'), 2 * stopTimeoutMs)
  await exit
  clearTimeout(harder)
  clearTimeout(hardest)
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw systemFailure('no TCP port is free')
  return address.port
}

function portInUse(port: number): SqlError {
  return new SqlError({
    code: '55006',
    message: `port ${port} is in use`,
    hint: 'Name another port, or none: a free one is taken then.',
  })
}
