/**
 * Walks the frames that a server sends, over chunks split at any byte, without copying rows: what may pass unchanged is
 * handed on as slices of the chunk it came in, as long as possible. Message formats: PostgreSQL manual, section 54.7.
 */
import { SqlError } from '../errors.ts'

export const frameD = 0x44
export const frameCopyData = 0x64

/** What happens to a row frame's bytes: handed on, left out, or collected whole and given to `held`. */
export type RowAction = 'pass' | 'drop' | 'hold'

export interface ScanHandler {
  /** A DataRow or CopyData frame begins. `length`: the whole frame, type byte included. */
  row(type: number, length: number): RowAction
  /** A whole frame of any other type. True: it passes unchanged. False: `handle` is called, after what passed before it. */
  passes(type: number, chunk: Buffer, start: number, end: number): boolean
  /** A frame that does not pass; may emit in its place. */
  handle(type: number, frame: Buffer): void
  /** A row frame is left out; what passed before it has been emitted. */
  dropped(): void
  /** A row frame that was held. */
  held(frame: Buffer): void
  /** Bytes that pass: consecutive frames, or parts of one. */
  emit(bytes: Buffer): void
}

const headerBytes = 5
/** Rows up to this length are handed on whole, so that a reader is seldom left with half a row where a connection ends. */
const wholeRowMaxBytes = 64 * 1024

export class BackendScanner {
  private readonly handler: ScanHandler
  private readonly controlMaxBytes: number
  /** Bytes of an incomplete frame that must be seen whole (or of its header). */
  private partial: Buffer[] = []
  private partialBytes = 0
  /** Bytes of a row frame still to come that pass or drop without being looked at. */
  private streaming = 0
  private streamPasses = false
  /** Whole length of the row frame that is being collected; 0: none. */
  private holding = 0

  /** @param controlMaxBytes longest frame, other than rows, that is accepted: a server is not trusted with our memory. */
  constructor(handler: ScanHandler, controlMaxBytes = 64 * 1024 * 1024) {
    this.handler = handler
    this.controlMaxBytes = controlMaxBytes
  }

  /** A part of a row was handed on, and the rest has not come: nothing else may follow it. */
  get isWithinRow(): boolean {
    return this.streaming > 0 && this.streamPasses
  }

  /** Nothing is half read. */
  get isBetweenFrames(): boolean {
    return this.streaming === 0 && this.partialBytes === 0
  }

  /** Forgets a half read frame: the next bytes are another connection's. */
  reset(): void {
    this.partial = []
    this.partialBytes = 0
    this.streaming = 0
    this.holding = 0
  }

  /** @throws SqlError 08P01 for a length that no frame can have. */
  push(chunk: Buffer): void {
    let position = 0
    if (this.streaming > 0) position = this.stream(chunk, 0)
    if (this.partialBytes > 0 && position < chunk.length) position = this.complete(chunk, position)
    if (position < chunk.length) this.walk(chunk, position)
  }

  private stream(chunk: Buffer, position: number): number {
    const end = Math.min(chunk.length, position + this.streaming)
    this.streaming -= end - position
    if (this.streamPasses && end > position) this.handler.emit(chunk.subarray(position, end))
    return end
  }

  /** Finishes the frame of which a part came earlier; returns where the next one starts. */
  private complete(chunk: Buffer, position: number): number {
    let at = position
    if (this.partialBytes < headerBytes) {
      at = this.collect(chunk, at, headerBytes)
      if (this.partialBytes < headerBytes) return at
      this.partial = [this.join()]
    }
    const head = this.partial[0]!
    const type = head[0]!
    const length = this.frameLength(head, 0, type)
    if (this.holding === 0 && isRow(type) && length > wholeRowMaxBytes) {
      const action = this.handler.row(type, length)
      if (action !== 'hold') return this.beginStream(chunk, at, head, length, action)
      this.holding = length
    }
    at = this.collect(chunk, at, length)
    if (this.partialBytes < length) return at
    const frame = this.join()
    const isHeld = this.holding > 0
    this.reset()
    if (isHeld) this.handler.held(frame)
    else if (isRow(type)) this.takeRow(type, frame)
    else if (this.handler.passes(type, frame, 0, frame.length)) this.handler.emit(frame)
    else this.handler.handle(type, frame)
    return at
  }

  /** Of a row only the header has come; it will be handed on, or left out, as it comes. */
  private beginStream(chunk: Buffer, position: number, head: Buffer, length: number, action: RowAction): number {
    this.reset()
    this.streaming = length - head.length
    this.streamPasses = action === 'pass'
    if (this.streamPasses) this.handler.emit(head)
    else this.handler.dropped()
    return this.stream(chunk, position)
  }

  private takeRow(type: number, frame: Buffer): void {
    const action = this.handler.row(type, frame.length)
    if (action === 'pass') this.handler.emit(frame)
    else if (action === 'drop') this.handler.dropped()
    else this.handler.held(frame)
  }

  private collect(chunk: Buffer, position: number, upTo: number): number {
    const end = Math.min(chunk.length, position + upTo - this.partialBytes)
    if (end > position) {
      this.partial.push(chunk.subarray(position, end))
      this.partialBytes += end - position
    }
    return end
  }

  private join(): Buffer {
    return this.partial.length === 1 ? this.partial[0]! : Buffer.concat(this.partial, this.partialBytes)
  }

  private frameLength(bytes: Buffer, position: number, type: number): number {
    const length = bytes.readInt32BE(position + 1) + 1
    if (length < headerBytes || (!isRow(type) && length > this.controlMaxBytes)) {
      throw new SqlError({ code: '08P01', message: 'the database server sent a message of an impossible length' })
    }
    return length
  }

  /** The hot loop: whole frames that lie in one chunk. */
  private walk(chunk: Buffer, from: number): void {
    const handler = this.handler
    const size = chunk.length
    let position = from
    let runStart = from
    while (position < size) {
      if (size - position < headerBytes) break
      const type = chunk[position]!
      const length = this.frameLength(chunk, position, type)
      const end = position + length
      const row = isRow(type)
      if (end > size && (!row || length <= wholeRowMaxBytes)) break
      if (row) {
        const action = handler.row(type, length)
        if (action === 'pass' && end <= size) {
          position = end
          continue
        }
        if (action === 'pass') {
          this.streaming = end - size
          this.streamPasses = true
          handler.emit(runStart === 0 ? chunk : chunk.subarray(runStart))
          return
        }
        if (position > runStart) handler.emit(chunk.subarray(runStart, position))
        if (action === 'drop') {
          handler.dropped()
          if (end > size) {
            this.streaming = end - size
            this.streamPasses = false
            return
          }
        } else if (end > size) {
          this.holding = length
          this.keep(chunk, position)
          return
        } else handler.held(chunk.subarray(position, end))
        position = end
        runStart = end
        continue
      }
      if (!handler.passes(type, chunk, position, end)) {
        if (position > runStart) handler.emit(chunk.subarray(runStart, position))
        handler.handle(type, chunk.subarray(position, end))
        runStart = end
      }
      position = end
    }
    if (position > runStart)
      handler.emit(runStart === 0 && position === size ? chunk : chunk.subarray(runStart, position))
    if (position < size) this.keep(chunk, position)
  }

  private keep(chunk: Buffer, position: number): void {
    const rest = chunk.subarray(position)
    this.partial = [rest]
    this.partialBytes = rest.length
  }
}

function isRow(type: number): boolean {
  return type === frameD || type === frameCopyData
}
