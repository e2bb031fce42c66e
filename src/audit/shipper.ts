/** Carries the spool to postern.audit_log, in batches, for as long as it takes. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { linkOf } from './chain.ts'
import { type Head, openSigner, type Sealer, type Signer } from './signing.ts'
import type { Spool } from './spool.ts'
import { keepApart, keptApart, type SpoolFile } from './spool-folder.ts'
import { readBatch } from './spool-reader.ts'
import { announceHead, insertLines, preparePartitions } from './store.ts'

export interface ShipperOptions {
  readonly spool: Spool
  readonly pool: Pool
  /** Opens the key that signs how far the log goes. */
  readonly sealer: Sealer
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  /** Once a process, tell in the chain 'control' how far the log has this one. */
  readonly announces?: boolean | undefined
  readonly batchMaxBytes?: number | undefined
  /** Pause when there is nothing to ship. */
  readonly idleMs?: number | undefined
  readonly retryMinMs?: number | undefined
  readonly retryMaxMs?: number | undefined
  /** The control database is away, or (undefined) it takes records again. */
  readonly onFault?: ((error: Error | undefined) => void) | undefined
}

/** A file that is being written is sealed once so much of it is shipped, so that little is sent twice after a restart. */
const rotateAboveBytes = 1024 * 1024
const dayMs = 86_400_000

/**
 * A batch is on the disk before it is sent, and its file goes only when all of it is in the log. What is sent twice
 * (a crash between the two) is there once: (time, instance, sequence) is the log's key.
 */
export class Shipper {
  private readonly options: ShipperOptions
  private readonly stopping = new AbortController()
  private running: Promise<void> | undefined
  /** How far the oldest file is shipped. */
  private path: string | undefined
  private offset = 0
  private failures = 0
  private signer: Signer | undefined
  private head: Head | undefined
  private announced = false
  private preparedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: ShipperOptions) {
    this.options = options
  }

  start(): void {
    this.running ??= this.run()
  }

  /** Bytes in the spool that are not in the log yet. */
  get lagBytes(): number {
    const { spool } = this.options
    const begun = spool.files()[0]?.path === this.path ? this.offset : 0
    return spool.usedBytes - begun
  }

  /** Ships what is there, for at most `drainMs`, and ends. What is left stays in the spool for the next start. */
  async stop(drainMs: number): Promise<void> {
    const deadlineMs = performance.now() + drainMs
    const { spool } = this.options
    // Files that are shipped go too, else the next start sends them again.
    const isBusy = () => this.lagBytes > 0 || spool.files().length > 1
    while (this.running !== undefined && isBusy() && performance.now() < deadlineMs) await sleep(10)
    this.stopping.abort()
    await this.running
  }

  private async run(): Promise<void> {
    const { idleMs = 200, retryMinMs = 250, retryMaxMs = 30_000, onFault } = this.options
    while (!this.stopping.signal.aborted) {
      let pauseMs = 0
      try {
        await this.prepareMonths()
        if (!(await this.shipNext())) pauseMs = idleMs
        if (this.failures > 0) onFault?.(undefined)
        this.failures = 0
      } catch (error) {
        if (this.failures === 0) onFault?.(error instanceof Error ? error : new Error(String(error)))
        pauseMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(this.failures++, 20))
      }
      if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: this.stopping.signal, ref: false }).catch(() => {})
    }
  }

  /** This month and the next, asked for each day. */
  private async prepareMonths(): Promise<void> {
    const nowMs = this.options.clock()
    if (nowMs - this.preparedAtMs < dayMs) return
    await preparePartitions(this.options.pool, new Date(nowMs), new Date(nowMs + 31 * dayMs))
    this.preparedAtMs = nowMs
  }

  /** False: everything is shipped. */
  private async shipNext(): Promise<boolean> {
    const { spool, batchMaxBytes = 512 * 1024 } = this.options
    const files = spool.files()
    const file = files[0]
    if (file === undefined) return false
    if (file.path !== this.path) {
      this.path = file.path
      this.offset = 0
    }
    const sealed = files.length > 1
    if (this.offset >= file.bytes) return this.finish(file, sealed)
    await spool.sync()
    const batch = await readBatch(file, this.offset, batchMaxBytes)
    if (batch.length > 0) await this.ship(file, batch)
    else if (!sealed) return false
    else this.offset += await this.keepTornEnd(file)
    this.offset += batch.length
    await this.announce()
    return true
  }

  private async announce(): Promise<void> {
    const { pool, clock, sealer, announces = false } = this.options
    if (this.announced || !announces || this.head === undefined) return
    await announceHead(pool, this.head, clock(), sealer)
    this.announced = true
  }

  private finish(file: SpoolFile, sealed: boolean): boolean {
    if (sealed) this.options.spool.remove(file)
    else if (this.offset < rotateAboveBytes || !this.options.spool.rotate()) return false
    return true
  }

  /** Halves a batch that the database cannot take until it is down to the line that is at fault. */
  private async ship(file: SpoolFile, lines: Buffer): Promise<void> {
    const { pool, sealer } = this.options
    this.signer ??= await openSigner(pool, sealer)
    try {
      this.head = (await insertLines(pool, file.instance, lines.toString('utf8'), this.signer)) ?? this.head
    } catch (error) {
      const fault = faultOf(error)
      if (fault === 'away') throw error
      if (fault === 'no partition' && (await this.prepareMonthsOf(lines))) return await this.ship(file, lines)
      const half = lines.indexOf(0x0a, lines.length >> 1) + 1
      const split = half > 0 && half < lines.length ? half : lines.indexOf(0x0a) + 1
      if (split === lines.length) return this.keepLine(file, lines, error)
      await this.ship(file, lines.subarray(0, split))
      await this.ship(file, lines.subarray(split))
    }
  }

  /** For records that waited so long, or clocks so wrong, that their month is not there. False: nothing to be made. */
  private async prepareMonthsOf(lines: Buffer): Promise<boolean> {
    const months = new Map<string, Date>()
    for (const match of lines.toString('utf8').matchAll(/^\{"sequence":\d+,"time":(-?\d+)/gm)) {
      const at = new Date(Number(match[1]))
      if (!Number.isNaN(at.getTime())) months.set(at.toISOString().slice(0, 7), at)
    }
    let made = 0
    for (const at of months.values()) {
      try {
        made += await preparePartitions(this.options.pool, at, at)
      } catch (error) {
        // A month that no calendar has is the record's fault, which comes out when its turn comes.
        if (faultOf(error) === 'away') throw error
      }
    }
    return made > 0
  }

  private keepLine(file: SpoolFile, line: Buffer, cause: unknown): void {
    const { spool } = this.options
    const path = keepApart(spool.dir, `${file.instance}.unreadable.jsonl`, line)
    // With its place in the chain: who verifies it goes on over the gap by this.
    const link = linkOf(line.toString('utf8').trimEnd())
    spool.note(keptApart, { path, bytes: line.length, cause: String(cause), instance: file.instance, ...link })
  }

  private async keepTornEnd(file: SpoolFile): Promise<number> {
    const rest = await readBatch(file, this.offset, file.bytes - this.offset, 'rest')
    this.keepLine(file, rest, 'the line has no end')
    return rest.length
  }
}

type Fault = 'away' | 'no partition' | 'data'

/** SQLSTATE class 22 (data exception) and 23 (constraint violation) are the record's fault, all else is not. */
function faultOf(error: unknown): Fault {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === '23514') return 'no partition'
  return /^2[23][0-9A-Z]{3}$/.test(code) ? 'data' : 'away'
}
