/** The spool's folder: its lock, the names of its files, and what a crash left in them. */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SqlError } from '../errors.ts'
import { genesisOf, linkOf } from './chain.ts'

/**
 * `<instance>.<sequence of the first record>.<hash of its predecessor>.jsonl`: the newest file always stays, so all three
 * outlive every restart, whatever was shipped.
 */
export interface SpoolFile {
  readonly path: string
  readonly instance: string
  readonly firstSequence: number
  /** Undefined: written before there was a chain. */
  readonly previous: string | undefined
  readonly bytes: number
}

export interface RecoveredSpool {
  readonly instance: string
  readonly nextSequence: number
  /** The hash of the next record's predecessor. */
  readonly previous: string
  /** The instance whose last records cannot be read, so that its chain has no end to go on from. */
  readonly begunAfter: string | undefined
  /** Oldest first. */
  readonly files: readonly SpoolFile[]
  /** A last line that was never written to its end. */
  readonly torn: TornLine | undefined
}

interface TornLine {
  /** Where it is kept now. */
  readonly path: string
  readonly bytes: number
  /** It begins as our lines do, so that a killed process left it, not a damaged disk. */
  readonly ours: boolean
}

const filePattern = /^(.+?)\.(\d{16})(?:\.([0-9a-f]{64}))?\.jsonl$/
const tailBytes = 1024 * 1024
const lineBegins = '{"sequence":'

export function spoolFilePath(dir: string, instance: string, firstSequence: number, previous: string): string {
  return join(dir, `${instance}.${String(firstSequence).padStart(16, '0')}.${previous}.jsonl`)
}

/** The act in the record that tells of a line that the log could not take. */
export const keptApart = 'audit record kept apart'

/** Where lines go that cannot be shipped. */
export function keptApartFolder(dir: string): string {
  return join(dir, 'kept-apart')
}

/**
 * One process at a time owns a spool. The lock is the kernel's (SQLite takes it), so it ends with the process, however
 * that ends. @throws SqlError 55006
 */
export function lockSpool(dir: string): { release(): void } {
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 })
  const path = join(dir, 'lock')
  fs.closeSync(fs.openSync(path, 'a', 0o600))
  const lock = new DatabaseSync(path, { timeout: 0 })
  try {
    lock.exec('pragma locking_mode = exclusive; begin exclusive')
  } catch (cause) {
    lock.close()
    const hint = 'Give each process a spool folder of its own (audit.dir).'
    throw new SqlError({ code: '55006', message: `another process writes to the audit spool in ${dir}`, hint, cause })
  }
  return { release: () => lock.close() }
}

/** To be called under the lock. Moves a torn last line apart, and finds where sequence and chain go on. */
export function recoverSpool(dir: string): RecoveredSpool {
  const files = listFiles(dir)
  const last = files.at(-1)
  if (last === undefined) return { ...beginChain(1), begunAfter: undefined, files, torn: undefined }
  const torn = moveTornLine(dir, last)
  const left = torn === undefined ? last : { ...last, bytes: last.bytes - torn.bytes }
  const start = left.bytes === 0 && torn?.ours === false ? abandonChain(last) : continueChain(left)
  return { ...start, files: [...files.slice(0, -1), left], torn }
}

type ChainStart = Pick<RecoveredSpool, 'instance' | 'nextSequence' | 'previous'>

function beginChain(nextSequence: number): ChainStart {
  const instance = makeInstance()
  return { instance, nextSequence, previous: genesisOf(instance) }
}

/** Numbers go on, since by them files are in order: by as many as the file could hold. */
function abandonChain(file: SpoolFile): ChainStart & { begunAfter: string } {
  return { ...beginChain(file.firstSequence + file.bytes), begunAfter: file.instance }
}

/** After the last line that can be read; where there are lines and none can, with a chain of its own. */
function continueChain(file: SpoolFile): ChainStart & { begunAfter: string | undefined } {
  const { instance, firstSequence } = file
  const start = { instance, begunAfter: undefined, previous: file.previous ?? genesisOf(instance) }
  if (file.bytes === 0) return { ...start, nextSequence: firstSequence }
  const lines = readTail(file, tailBytes).toString('utf8').split('\n')
  const links = lines.flatMap(line => linkOf(line) ?? []).filter(link => link.sequence >= firstSequence)
  const last = links.at(-1)
  if (last === undefined) return abandonChain(file)
  const hash = links.findLast(link => link.hash !== undefined)?.hash
  return { ...start, nextSequence: last.sequence + 1, previous: hash ?? start.previous }
}

/** Appends bytes to a file of the folder kept-apart, and waits for the disk. @returns the file's path */
export function keepApart(dir: string, name: string, bytes: Uint8Array): string {
  const folder = keptApartFolder(dir)
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, name)
  const fd = fs.openSync(path, 'a', 0o600)
  try {
    fs.writeFileSync(fd, bytes)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  return path
}

/** Makes the names in the folder last (fsync(2) on the folder). */
export function syncFolder(dir: string): void {
  const fd = fs.openSync(dir, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function makeInstance(): string {
  const host = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '-')
    .slice(0, 40)
  return `${host}-${randomBytes(6).toString('hex')}`
}

function listFiles(dir: string): SpoolFile[] {
  const files: SpoolFile[] = []
  for (const name of fs.readdirSync(dir)) {
    const match = filePattern.exec(name)
    if (match === null) continue
    const path = join(dir, name)
    const [, instance, first, previous] = match
    files.push({ path, instance: instance!, firstSequence: Number(first), previous, bytes: fs.statSync(path).size })
  }
  return files.sort((a, b) => a.firstSequence - b.firstSequence)
}

function moveTornLine(dir: string, file: SpoolFile): TornLine | undefined {
  const tail = readTail(file, tailBytes)
  const whole = tail.lastIndexOf(0x0a) + 1
  const torn = tail.subarray(whole)
  if (torn.length === 0) return undefined
  const path = keepApart(dir, `${file.instance}.${file.firstSequence}.torn`, torn)
  const fd = fs.openSync(file.path, 'r+')
  try {
    fs.ftruncateSync(fd, file.bytes - torn.length)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  return { path, bytes: torn.length, ours: lineBegins.startsWith(torn.toString('utf8', 0, lineBegins.length)) }
}

function readTail(file: SpoolFile, bytesMax: number): Buffer {
  const tail = Buffer.alloc(Math.min(file.bytes, bytesMax))
  const fd = fs.openSync(file.path, 'r')
  try {
    fs.readSync(fd, tail, 0, tail.length, file.bytes - tail.length)
  } finally {
    fs.closeSync(fd)
  }
  return tail
}
