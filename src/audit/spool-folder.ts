/** The spool's folder: its lock, the names of its files, and what a crash left in them. */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SqlError } from '../errors.ts'

/** `<instance>.<sequence of the first record>.jsonl`: the newest file always stays, so both outlive every restart. */
export interface SpoolFile {
  readonly path: string
  readonly instance: string
  readonly firstSequence: number
  readonly bytes: number
}

export interface RecoveredSpool {
  readonly instance: string
  readonly nextSequence: number
  /** Oldest first. */
  readonly files: readonly SpoolFile[]
  /** A last line that was never written to its end, and where it is kept now. */
  readonly torn: { readonly path: string; readonly bytes: number } | undefined
}

const filePattern = /^(.+)\.(\d{16})\.jsonl$/
const tailBytes = 1024 * 1024

export function spoolFilePath(dir: string, instance: string, firstSequence: number): string {
  return join(dir, `${instance}.${String(firstSequence).padStart(16, '0')}.jsonl`)
}

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

/** To be called under the lock. Moves a torn last line apart, and finds where the sequence goes on. */
export function recoverSpool(dir: string): RecoveredSpool {
  const files = listFiles(dir)
  const last = files.at(-1)
  if (last === undefined) return { instance: makeInstance(), nextSequence: 1, files, torn: undefined }
  const torn = moveTornLine(dir, last)
  const left = torn === undefined ? last : { ...last, bytes: last.bytes - torn.bytes }
  return {
    instance: last.instance,
    nextSequence: sequenceAfter(left),
    files: [...files.slice(0, -1), left],
    torn,
  }
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
    files.push({ path, instance: match[1]!, firstSequence: Number(match[2]), bytes: fs.statSync(path).size })
  }
  return files.sort((a, b) => a.firstSequence - b.firstSequence)
}

function moveTornLine(dir: string, file: SpoolFile): { path: string; bytes: number } | undefined {
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
  return { path, bytes: torn.length }
}

/** After the last line that can be read; where none can, after as many as the file could hold. */
function sequenceAfter(file: SpoolFile): number {
  const lines = readTail(file, tailBytes).toString('utf8').split('\n')
  for (const line of lines.reverse()) {
    const sequence = Number(/^\{"sequence":(\d+),/.exec(line)?.[1])
    if (Number.isSafeInteger(sequence) && sequence >= file.firstSequence) return sequence + 1
  }
  return file.firstSequence + file.bytes
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
