/** Audit records on the local disk, until they are shipped: nothing that was flushed is lost when the process is killed. */
import * as fs from 'node:fs'
import { SqlError } from '../errors.ts'
import { hashRecord, toLine } from './chain.ts'
import { encodeRecord } from './encode.ts'
import type { AuditKind, AuditRecord, AuditSink } from './record.ts'
import { lockSpool, recoverSpool, type SpoolFile, spoolFilePath, syncFolder } from './spool-folder.ts'
import { SpoolWriter } from './spool-writer.ts'
import { type Literals, StatementTexts } from './statement-texts.ts'

export interface SpoolOptions {
  readonly dir: string
  readonly literals: Literals
  /** 'batch': fdatasync(2) every `fsyncEveryMs`. 'always': in each flush, which then waits for the disk. */
  readonly fsync: 'batch' | 'always'
  /** Unshipped records on disk; above, nothing new may start. Ends of what has started go on to 1/16 more. */
  readonly spoolMaxBytes: number
  readonly fsyncEveryMs?: number | undefined
  readonly fileMaxBytes?: number | undefined
  /** Appended and not yet flushed. */
  readonly pendingMaxBytes?: number | undefined
  /** The disk refused, or let us write again (undefined): for the log. */
  readonly onFault?: ((fault: SqlError | undefined) => void) | undefined
}

/** Records of what is about to happen: refused as soon as the spool is full. Those of what has happened are not. */
const beginnings: ReadonlySet<AuditKind> = new Set(['statement-start', 'login', 'refusal'])

/** Opens the folder and mends what a crash left. @throws SqlError 55006 where another process has it */
export function openSpool(options: SpoolOptions): Spool {
  const lock = lockSpool(options.dir)
  try {
    return new Spool(options, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

export class Spool implements AuditSink {
  readonly dir: string
  readonly instance: string
  private readonly options: SpoolOptions
  private readonly lock: { release(): void }
  private readonly fileMaxBytes: number
  private readonly sealed: SpoolFile[]
  private sealedBytes: number
  private writer: SpoolWriter
  private readonly texts: StatementTexts
  /** Of the next record: its number, and the hash of its predecessor. */
  private sequence: number
  private previous: string
  private fault: SqlError | undefined
  private readonly timer: NodeJS.Timeout
  private syncing: Promise<void> | undefined
  private readonly closing = new Set<Promise<void>>()

  constructor(options: SpoolOptions, lock: { release(): void }) {
    const recovered = recoverSpool(options.dir)
    this.options = options
    this.lock = lock
    this.dir = options.dir
    this.instance = recovered.instance
    this.texts = new StatementTexts(options.literals)
    this.sequence = recovered.nextSequence
    this.previous = recovered.previous
    this.fileMaxBytes = options.fileMaxBytes ?? 16 * 1024 * 1024
    this.sealed = recovered.files.filter(file => file.bytes > 0)
    for (const file of recovered.files) if (file.bytes === 0) fs.rmSync(file.path)
    this.sealedBytes = this.sealed.reduce((sum, file) => sum + file.bytes, 0)
    this.writer = this.openWriter()
    this.timer = setInterval(() => this.tick(), options.fsyncEveryMs ?? 100)
    this.timer.unref()
    if (recovered.begunAfter !== undefined) this.note('audit chain begins anew', { after: recovered.begunAfter })
    if (recovered.torn !== undefined) this.note('audit spool mended', { ...recovered.torn })
  }

  get healthy(): boolean {
    return this.fault === undefined && this.usedBytes < this.options.spoolMaxBytes
  }

  /** Unshipped files in whole, and what waits to be written. */
  get usedBytes(): number {
    return this.sealedBytes + this.writer.writtenBytes + this.writer.pendingBytes
  }

  /** @throws SqlError 57P03 where the spool is full or cannot be written; a record of what has happened is then kept in memory as long as there is room */
  append(record: AuditRecord): void {
    if (!this.healthy && beginnings.has(record.kind)) throw this.refusal()
    const { spoolMaxBytes } = this.options
    if (this.usedBytes > spoolMaxBytes + spoolMaxBytes / 16) throw this.refusal()
    const body = encodeRecord(record, this.sequence, this.texts)
    const hash = hashRecord(this.previous, body)
    if (!this.writer.add(toLine(body, hash))) throw this.refusal()
    this.sequence++
    this.previous = hash
  }

  /** @throws SqlError 57P03; what could not be written stays, and is tried again */
  flush(): void {
    if (this.writer.pendingBytes === 0) {
      if (this.fault !== undefined) throw this.fault
      return
    }
    try {
      this.writer.write()
      if (this.options.fsync === 'always') this.writer.syncNow()
    } catch (cause) {
      this.fail(cause)
      throw this.refusal()
    }
    if (this.fault !== undefined) this.recover()
    if (this.writer.writtenBytes >= this.fileMaxBytes) this.rotate()
  }

  /** What Postern itself has to say about the log, outside of any session. */
  note(act: string, detail: Readonly<Record<string, unknown>>): void {
    const record: AuditRecord = {
      time: Date.now(),
      kind: 'administration',
      door: 'postern',
      session: '',
      requestId: '',
      detail: { act, ...detail },
    }
    try {
      this.append(record)
      this.flush()
    } catch (error) {
      this.options.onFault?.(spoolError(`not in the audit log: ${act}`, error))
    }
  }

  /** All that is to be shipped, oldest first; the last is the file that is being written, with what is written so far. */
  files(): readonly SpoolFile[] {
    return [...this.sealed, this.writer.file]
  }

  /** Everything in {@link files} is on the disk when this resolves. @throws where the disk refuses */
  async sync(): Promise<void> {
    this.syncing ??= this.writer.sync().finally(() => {
      this.syncing = undefined
    })
    await Promise.all([this.syncing, ...this.closing])
  }

  /** Seals the file that is being written, so that it can be removed once shipped. False: not possible just now. */
  rotate(): boolean {
    if (this.writer.writtenBytes === 0 || this.writer.pendingBytes > 0) return false
    let next: SpoolWriter
    try {
      next = this.openWriter()
    } catch (cause) {
      this.options.onFault?.(spoolError('the audit spool cannot begin a new file', cause))
      return false
    }
    const done = this.writer
    this.writer = next
    this.sealed.push(done.file)
    this.sealedBytes += done.writtenBytes
    const closing = done
      .close()
      .catch((cause: unknown) => this.fail(cause))
      .finally(() => this.closing.delete(closing))
    this.closing.add(closing)
    return true
  }

  /** The sealed file is shipped. */
  remove(file: SpoolFile): void {
    const at = this.sealed.findIndex(sealed => sealed.path === file.path)
    if (at === -1) throw new Error(`${file.path} is no sealed file of the spool`)
    this.sealed.splice(at, 1)
    this.sealedBytes -= file.bytes
    fs.rmSync(file.path, { force: true })
  }

  /** Writes what is left, waits for the disk and gives the folder free. */
  async close(): Promise<void> {
    clearInterval(this.timer)
    try {
      this.flush()
      await this.sync()
    } finally {
      await this.writer.close()
      this.lock.release()
    }
  }

  private openWriter(): SpoolWriter {
    const { instance, sequence: firstSequence, previous } = this
    const path = spoolFilePath(this.dir, instance, firstSequence, previous)
    const writer = new SpoolWriter(
      { path, instance, firstSequence, previous, bytes: 0 },
      this.options.pendingMaxBytes ?? 4 * 1024 * 1024,
    )
    syncFolder(this.dir)
    return writer
  }

  /** Records that nobody flushed, disks that refused, and the batches of fsync. */
  private tick(): void {
    try {
      if (this.fault === undefined) this.flush()
      else {
        this.writer.write()
        this.writer.syncNow()
        this.recover()
      }
    } catch (cause) {
      // Told by onFault when it began; tried again at the next tick.
      this.fail(cause)
      return
    }
    if (this.options.fsync === 'batch' && this.writer.dirty) this.sync().catch((cause: unknown) => this.fail(cause))
  }

  private fail(cause: unknown): void {
    const first = this.fault === undefined
    this.fault = spoolError('the audit log cannot be written', cause)
    if (first) this.options.onFault?.(this.fault)
  }

  private recover(): void {
    this.fault = undefined
    this.options.onFault?.(undefined)
  }

  private refusal(): SqlError {
    return this.fault ?? spoolError('the audit log is full')
  }
}

function spoolError(message: string, cause?: unknown): SqlError {
  return new SqlError({
    code: '57P03',
    message,
    hint: 'Nothing runs unseen. Try again later, or tell the operator.',
    cause,
  })
}
