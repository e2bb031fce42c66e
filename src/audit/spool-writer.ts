/** One file of the spool while it is written: appended lines wait in one buffer, which one write(2) empties. */
import * as fs from 'node:fs'
import { promisify } from 'node:util'
import type { SpoolFile } from './spool-folder.ts'

const fdatasync = promisify(fs.fdatasync)
const bufferMinBytes = 64 * 1024
/** UTF-8 takes at most three bytes for a UTF-16 unit. */
const bytesPerChar = 3

export class SpoolWriter {
  private readonly fd: number
  private readonly start: SpoolFile
  private readonly pendingMaxBytes: number
  private buffer = Buffer.allocUnsafe(bufferMinBytes)
  /** Of `buffer`: written up to `from`, filled up to `to`. */
  private from = 0
  private to = 0
  private written = 0
  private synced = 0

  /** @throws where the file exists or cannot be made */
  constructor(file: SpoolFile, pendingMaxBytes: number) {
    this.start = file
    this.pendingMaxBytes = pendingMaxBytes
    this.fd = fs.openSync(file.path, 'ax', 0o600)
  }

  get pendingBytes(): number {
    return this.to - this.from
  }

  get writtenBytes(): number {
    return this.written
  }

  /** Written and not known to be on the disk. */
  get dirty(): boolean {
    return this.synced < this.written
  }

  /** As it stands now. A last line without its end is one that a full disk cut: the rest follows. */
  get file(): SpoolFile {
    return { ...this.start, bytes: this.written }
  }

  /** False: too much waits already. */
  add(line: string): boolean {
    const needed = this.to + line.length * bytesPerChar
    if (needed > this.buffer.length && !this.grow(needed)) return false
    this.to += this.buffer.write(line, this.to, 'utf8')
    return true
  }

  /** @throws where the system refuses; what it took before counts as written, and the rest is what the next call writes */
  write(): void {
    while (this.from < this.to) {
      const bytes = fs.writeSync(this.fd, this.buffer, this.from, this.to - this.from)
      this.from += bytes
      this.written += bytes
    }
    this.from = 0
    this.to = 0
    if (this.buffer.length > bufferMinBytes * 16) this.buffer = Buffer.allocUnsafe(bufferMinBytes)
  }

  syncNow(): void {
    fs.fdatasyncSync(this.fd)
    this.synced = this.written
  }

  async sync(): Promise<void> {
    const { written } = this
    if (this.synced >= written) return
    await fdatasync(this.fd)
    this.synced = Math.max(this.synced, written)
  }

  async close(): Promise<void> {
    try {
      await this.sync()
    } finally {
      fs.closeSync(this.fd)
    }
  }

  private grow(needed: number): boolean {
    const lengthMax = this.pendingMaxBytes + bufferMinBytes
    if (needed > lengthMax) return false
    const larger = Buffer.allocUnsafe(Math.min(lengthMax, Math.max(needed, this.buffer.length * 2)))
    this.buffer.copy(larger, 0, this.from, this.to)
    this.to -= this.from
    this.from = 0
    this.buffer = larger
    return true
  }
}
