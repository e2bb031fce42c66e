/** Walks one chain of the audit log, a page of records in memory, up to its first break. */
import type { ClientBase } from 'pg'
import { genesisOf, hashRecord } from './chain.ts'
import { toBody } from './encode.ts'
import { type LogRow, readChain } from './log-rows.ts'
import { type Checkpoint, checkpointText, type Head, headText, type Signatures } from './signing.ts'
import { keptApart } from './spool-folder.ts'

export type BreakKind = 'missing' | 'changed' | 'out of order' | 'inserted' | 'truncated' | 'not signed'

export interface ChainBreak {
  readonly kind: BreakKind
  /** Of the record at fault; of what is missing the first. */
  readonly sequence: number
  /** Of what is missing the last. */
  readonly lastSequence: number
  /** Milliseconds since the epoch: of the record at fault, or of the one next to what is missing. Undefined: there is none. */
  readonly time: number | undefined
  readonly message: string
}

export interface ChainReport {
  readonly instance: string
  /** Records that are there and whose hashes hold. */
  readonly records: number
  /** Records that retention dropped, as its signed checkpoints say. */
  readonly dropped: number
  /** Lines that the log could not take and that the instance keeps apart, as a record says. */
  readonly keptApart: number
  /** Records from before there was a chain, at its beginning: nothing vouches for them. */
  readonly unchained: number
  readonly first: number | undefined
  readonly last: number | undefined
  readonly break: ChainBreak | undefined
}

interface WalkOptions {
  readonly signatures: Signatures
  /** Ends there, and does not ask for the chain's end. */
  readonly upTo?: number | undefined
  /** It goes at least so far. */
  readonly seen?: number | undefined
  /** A record that holds, the hash it goes on from, and whether a checkpoint lies between it and the record before. */
  readonly visit?: (row: LogRow, previous: string, afterCheckpoint: boolean) => void
}

/** One chain, up to its first break. */
export async function walkChain(db: ClientBase, instance: string, options: WalkOptions): Promise<ChainReport> {
  const walk = new Walk(db, instance, options)
  const found = await walk.run()
  return { ...walk.report, break: found }
}

/** 'unsigned': there is one, and its signature is not ours. */
type KnownHead = Head | 'unsigned' | undefined

class Walk {
  private readonly db: ClientBase
  private readonly instance: string
  private readonly options: WalkOptions
  private readonly counts = { records: 0, dropped: 0, keptApart: 0, unchained: 0 }
  /** Where the chain stands: the hash that the next record goes on from, and the number of what has it. */
  private hash: string
  private sequence = 0
  private begun = false
  private first: number | undefined
  private lastTime: number | undefined
  private afterCheckpoint = false
  private unsignedCheckpoint: Checkpoint | undefined

  constructor(db: ClientBase, instance: string, options: WalkOptions) {
    this.db = db
    this.instance = instance
    this.options = options
    this.hash = genesisOf(instance)
  }

  get report(): Omit<ChainReport, 'break'> {
    const { instance, counts, first, sequence } = this
    return { instance, ...counts, first, last: this.begun ? sequence : undefined }
  }

  async run(): Promise<ChainBreak | undefined> {
    const rows = readChain(this.db, this.instance, this.options.upTo)
    try {
      return await this.follow(rows)
    } finally {
      await rows.return()
    }
  }

  private async follow(rows: AsyncGenerator<LogRow, void, undefined>): Promise<ChainBreak | undefined> {
    const { upTo } = this.options
    const head = upTo === undefined ? await this.readHead() : undefined
    for (let next = await rows.next(); next.done !== true; next = await rows.next()) {
      const row = next.value
      if (row.hash === null && !this.begun) {
        this.counts.unchained++
        this.sequence = row.sequence
        continue
      }
      if (!(await this.take(row))) return this.diagnose(row, (await rows.next()).value ?? undefined, head)
      const beyond = this.comparedWith(head, row.time)
      if (beyond !== undefined) return beyond
    }
    if (upTo !== undefined) return undefined
    while (await this.passCheckpoint(Number.MAX_SAFE_INTEGER));
    return this.checkEnd(head)
  }

  /** False: the record does not go on from where the chain stands. */
  private async take(row: LogRow): Promise<boolean> {
    if (row.hash === null) return false
    const body = toBody(row)
    while (hashRecord(this.hash, body) !== row.hash) {
      if (!(await this.passCheckpoint(row.sequence)) && !(await this.passKeptApart(row.sequence))) return false
    }
    this.options.visit?.(row, this.hash, this.afterCheckpoint)
    this.afterCheckpoint = false
    this.counts.records++
    this.lastTime = row.time
    this.goOn(row.sequence, row.hash)
    return true
  }

  private goOn(sequence: number, hash: string): void {
    this.begun = true
    this.first ??= sequence
    this.sequence = sequence
    this.hash = hash
  }

  /** Over what retention dropped, where it left a signed checkpoint. */
  private async passCheckpoint(before: number): Promise<boolean> {
    const place = [this.instance, this.hash, this.sequence, before]
    const checkpoint = (await this.db.query<Checkpoint & Signed>(checkpointBetween, place)).rows[0]
    if (checkpoint === undefined) return false
    const { key, signature } = checkpoint
    if (!this.options.signatures(key, checkpointText(checkpoint), signature)) {
      this.unsignedCheckpoint = checkpoint
      return false
    }
    this.counts.dropped += checkpoint.records
    this.afterCheckpoint = true
    this.first ??= checkpoint.firstSequence
    this.goOn(checkpoint.lastSequence, checkpoint.hash)
    return true
  }

  /** Over a line that the log could not take, where a record of this chain tells of it. That record's turn comes. */
  private async passKeptApart(before: number): Promise<boolean> {
    if (before <= this.sequence + 1) return false
    const { rows } = await this.db.query<{ sequence: number; hash: string }>(keptApartText, [
      this.instance,
      keptApart,
      this.sequence,
      before,
    ])
    const told = rows[0]
    if (told === undefined) return false
    this.counts.keptApart++
    this.goOn(told.sequence, told.hash)
    return true
  }

  private diagnose(row: LogRow, next: LogRow | undefined, head: KnownHead): ChainBreak {
    const { unsignedCheckpoint: forged, sequence: last } = this
    const at = { sequence: row.sequence, lastSequence: row.sequence, time: row.time }
    if (forged !== undefined) {
      const message = `the checkpoint over records ${forged.firstSequence} to ${forged.lastSequence} is not signed by Postern`
      return { ...at, kind: 'not signed', sequence: forged.firstSequence, lastSequence: forged.lastSequence, message }
    }
    if (row.sequence <= last || next?.sequence === row.sequence)
      return { ...at, kind: 'inserted', message: `there is more than one record ${row.sequence}` }
    if (typeof head === 'object' && row.sequence > head.sequence)
      return { ...at, kind: 'inserted', message: `record ${row.sequence} is beyond the signed end of the chain` }
    if (row.sequence > last + 1) {
      const missing = { sequence: last + 1, lastSequence: row.sequence - 1 }
      return { ...at, ...missing, kind: 'missing', message: `${inWords(missing)} missing` }
    }
    if (next !== undefined && hashRecord(this.hash, toBody({ ...next, sequence: row.sequence })) === next.hash)
      return { ...at, kind: 'out of order', message: `records ${row.sequence} and ${next.sequence} changed places` }
    return { ...at, kind: 'changed', message: `record ${row.sequence} is not what it was when it was written` }
  }

  /** Of what stands there now: not beyond the chain's signed end, and at that end the same. */
  private comparedWith(head: KnownHead, time: number | undefined): ChainBreak | undefined {
    if (typeof head !== 'object') return undefined
    const { sequence, hash } = this
    const at = { sequence, lastSequence: sequence, time }
    if (sequence > head.sequence)
      return { ...at, kind: 'inserted', message: `record ${sequence} is beyond the signed end of the chain` }
    if (sequence < head.sequence || hash === head.hash) return undefined
    return { ...at, kind: 'changed', message: `the chain up to record ${sequence} is not the one that was signed` }
  }

  private checkEnd(head: KnownHead): ChainBreak | undefined {
    const { sequence, lastTime: time } = this
    const at = { sequence, lastSequence: sequence, time }
    const lastSequence = Math.max(this.options.seen ?? 0, typeof head === 'object' ? head.sequence : 0)
    if (sequence < lastSequence) {
      const missing = { sequence: sequence + 1, lastSequence }
      return { ...at, ...missing, kind: 'truncated', message: `${inWords(missing)} missing at the chain's end` }
    }
    if (head === undefined) {
      if (!this.begun) return undefined
      return { ...at, kind: 'not signed', message: 'the signature that says where the chain ends is gone' }
    }
    if (head === 'unsigned')
      return { ...at, kind: 'not signed', message: 'the end of the chain is not signed by Postern' }
    return this.comparedWith(head, time)
  }

  private async readHead(): Promise<KnownHead> {
    const { rows } = await this.db.query<Head & Signed>(headOf, [this.instance])
    const head = rows[0]
    if (head === undefined) return undefined
    return this.options.signatures(head.key, headText(head), head.signature) ? head : 'unsigned'
  }
}

interface Signed {
  readonly key: number
  readonly signature: Buffer
}

const headOf = `
  select instance, sequence::double precision as sequence, pg_catalog.encode(hash, 'hex') as hash, key, signature
  from postern.audit_head where instance = $1`

const checkpointBetween = `
  select instance, first_sequence::double precision as "firstSequence", last_sequence::double precision as "lastSequence",
    records::double precision as records, pg_catalog.encode(previous, 'hex') as previous,
    pg_catalog.encode(hash, 'hex') as hash, key, signature
  from postern.audit_checkpoint where instance = $1 and previous = pg_catalog.decode($2, 'hex') and first_sequence > $3 and last_sequence < $4
  order by last_sequence desc limit 1`

const keptApartText = `
  select (detail ->> 'sequence')::double precision as sequence, detail ->> 'hash' as hash
  from postern.audit_log
  where instance = $1 and kind = 'administration' and detail @> pg_catalog.jsonb_build_object('act', $2::text)
    and detail ->> 'hash' ~ '^[0-9a-f]{64}$' and detail ->> 'sequence' ~ '^[0-9]{1,15}$' and detail ->> 'instance' = $1
    and (detail ->> 'sequence')::double precision > $3 and (detail ->> 'sequence')::double precision < $4
  order by 1 limit 1`

function inWords({ sequence, lastSequence }: { sequence: number; lastSequence: number }): string {
  return sequence === lastSequence ? `record ${sequence} is` : `records ${sequence} to ${lastSequence} are`
}
