/**
 * A cluster's folder:
 *
 *     owner          who runs it: process id and stamp
 *     password       the superuser's, 0600
 *     port           the TCP port last used
 *     postgres.log   and postgres.log.1, of the run before
 *     pgdata/        the data directory
 *     socket/        0700, the Unix socket (in the system's temporary folder where this path is too long)
 *
 * It belongs to us; pgdata and socket belong to the account that the server runs as, which may pass through but not
 * write beside them.
 */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { SqlError } from '../errors.ts'
import { type Account, canReach } from './account.ts'
import { hasCode, systemFailure } from './failures.ts'
import { processStamp } from './processes.ts'

/** Used by root alone, where the account cannot reach the folder that was asked for (a checkout below /root). */
const systemDir = '/var/lib/postern'

/** Bytes of a socket's path, the terminator excluded: sun_path holds 108 on Linux and 104 elsewhere. */
const socketPathMax = 103

/** One of these is there as soon as the folder has been used once. */
const ownNames = ['owner', 'postgres.log', 'password']

export interface Folder {
  readonly path: string
  readonly temporary: boolean
}

/** The folder, made if absent. As root it may come to lie below /var/lib/postern, with a link to it at `dataDir`. */
export function openFolder(dataDir: string | undefined, account: Account | undefined): Folder {
  if (dataDir === undefined) return { path: makeTemporary('postern-pg-', account), temporary: true }
  const wanted = resolve(dataDir)
  fs.mkdirSync(dirname(wanted), { recursive: true })
  if (!fs.existsSync(wanted)) {
    fs.rmSync(wanted, { force: true }) // a link to what is no longer there
    fs.mkdirSync(wanted)
  }
  const path = fs.realpathSync(wanted)
  const entries = fs.readdirSync(path)
  if (entries.length > 0 && !entries.some(name => ownNames.includes(name))) throw notOurs(path)
  setMode(path, account)
  if (canReach(account, path)) return { path, temporary: false }
  if (entries.length > 0) throw unreachable(path)
  const elsewhere = makeBelow(openSystemDir(), 'cluster-', account)
  fs.rmdirSync(path)
  fs.symlinkSync(elsewhere, wanted)
  return { path: elsewhere, temporary: false }
}

/** An empty folder for the socket, 0700 and the account's; `remove` when the server has ended. */
export function openSocketDir(folder: Folder, account: Account | undefined): { path: string; remove: string } {
  const inside = join(folder.path, 'socket')
  const fits = Buffer.byteLength(join(inside, '.s.PGSQL.65535')) <= socketPathMax
  const parent = fits ? folder.path : makeTemporary('postern-', account)
  const path = join(parent, 'socket')
  fs.rmSync(path, { recursive: true, force: true })
  makeOwned(path, account)
  return { path, remove: fits ? path : parent }
}

/** A new folder, 0700, that the account owns. */
export function makeOwned(path: string, account: Account | undefined): void {
  fs.mkdirSync(path)
  fs.chmodSync(path, 0o700)
  if (account !== undefined) fs.chownSync(path, account.uid, account.gid)
}

/**
 * Marks the folder as run by this process. Throws 55006 while another process, or another cluster of this one, runs it.
 * Postgres's own lock (postmaster.pid) stays the last word.
 */
export function claimFolder(folder: Folder): void {
  const path = join(folder.path, 'owner')
  const mine = `${process.pid} ${processStamp(process.pid)}\n`
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      fs.writeFileSync(path, mine, { flag: 'wx', mode: 0o644 })
      return
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
    dropDeadOwner(folder, path)
  }
  throw inUse(folder, 'another process')
}

export function releaseFolder(folder: Folder): void {
  fs.rmSync(join(folder.path, 'owner'), { force: true })
}

function dropDeadOwner(folder: Folder, path: string): void {
  const seen = readText(path)
  if (seen === undefined) return // released meanwhile
  const [pid, stamp] = seen.trim().split(' ')
  const running = processStamp(Number(pid))
  if (running !== undefined && running === stamp) throw inUse(folder, `process ${pid}`)
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    fs.renameSync(path, aside)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  if (readText(aside) !== seen) fs.linkSync(aside, path) // a new owner's, claimed since we looked: give it back
  fs.rmSync(aside)
}

/** What is kept for the next start, `undefined` when absent. */
export function readNote(folder: Folder, name: 'password' | 'port'): string | undefined {
  return readText(join(folder.path, name))?.trim()
}

/** Written aside and renamed; readable by us alone. */
export function writeNote(folder: Folder, name: 'password' | 'port', text: string): void {
  const path = join(folder.path, name)
  fs.writeFileSync(`${path}.new`, `${text}\n`, { mode: 0o600 })
  fs.renameSync(`${path}.new`, path)
}

/** The server's log, opened for appending; the run before's is kept beside it. */
export function openLog(folder: Folder): { path: string; descriptor: number } {
  const path = join(folder.path, 'postgres.log')
  if (fs.existsSync(path)) fs.renameSync(path, `${path}.1`)
  return { path, descriptor: fs.openSync(path, 'ax', 0o600) }
}

export function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function makeTemporary(prefix: string, account: Account | undefined): string {
  const parent = [tmpdir(), '/tmp', '/var/tmp'].find(folder => canReach(account, folder))
  if (parent === undefined) throw unreachable(tmpdir())
  return makeBelow(fs.realpathSync(parent), prefix, account)
}

function makeBelow(parent: string, prefix: string, account: Account | undefined): string {
  const path = fs.mkdtempSync(join(parent, prefix))
  setMode(path, account)
  return path
}

function setMode(path: string, account: Account | undefined): void {
  fs.chmodSync(path, account === undefined ? 0o700 : 0o711)
}

function openSystemDir(): string {
  fs.mkdirSync(systemDir, { recursive: true })
  const stat = fs.lstatSync(systemDir)
  if (!stat.isDirectory() || stat.uid !== 0) throw unreachable(systemDir)
  fs.chmodSync(systemDir, 0o711)
  return systemDir
}

function inUse(folder: Folder, who: string): SqlError {
  return new SqlError({
    code: '55006',
    message: `the Postgres in ${folder.path} is run by ${who}`,
    hint: 'Stop that one, or name another data folder.',
  })
}

function notOurs(path: string): SqlError {
  return systemFailure(`${path} holds something else than an embedded Postgres`, {
    hint: 'Name an empty folder, or one that does not exist yet.',
  })
}

function unreachable(path: string): SqlError {
  return systemFailure(`${path} cannot be reached by the account that Postgres would run as`, {
    hint: 'Name a data folder that it can reach, or start as another user than root.',
  })
}
