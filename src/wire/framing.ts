import { SqlError } from '../errors.ts'

/** One typed message: type byte and body without the length word. */
export interface Frame {
  readonly type: number
  /** A view into the chunk where the frame lay in one chunk. */
  readonly body: Buffer
  /** The message was above the cap: its body was discarded. */
  readonly oversize?: true
}

const HEADER_BYTES = 5
const EMPTY = Buffer.alloc(0)

/**
 * Cuts whole typed messages from chunks that split anywhere (manual: "Message Formats").
 *
 * A frame whose body is above `maxBytes` is discarded as it comes and given once, when its end has come, with an empty
 * body. A length word below 4 throws SqlError 08P01 FATAL, each time. Memory is only ever taken for bytes that have come.
 */
export class FrameReader {
  readonly #maxBytes: number
  readonly #queue: Buffer[] = []
  #chunk: Buffer = EMPTY
  #offset = 0
  #unread = 0
  /** A frame that is split over chunks: header bytes first, then its body as it comes. */
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerBytes = 0
  #body: Buffer = EMPTY
  #bodyBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes held: pushed and not yet given out or discarded. */
  get bufferedBytes(): number {
    return this.#unread + this.#headerBytes + this.#bodyBytes
  }

  /** Hands over a chunk; it must not be changed afterwards. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#unread += chunk.length
    if (this.#offset === this.#chunk.length) {
      this.#chunk = chunk
      this.#offset = 0
      return
    }
    this.#queue.push(chunk)
  }

  next(): Frame | undefined {
    if (this.#headerBytes > 0) return this.#assemble()
    const chunk = this.#chunk
    const start = this.#offset + HEADER_BYTES
    if (start > chunk.length) return this.#assemble()
    const bodyBytes = checkLength(chunk.readInt32BE(start - 4))
    const end = start + bodyBytes
    if (bodyBytes > this.#maxBytes || end > chunk.length) return this.#assemble()
    const frame = { type: chunk[this.#offset]!, body: chunk.subarray(start, end) }
    this.#advance(HEADER_BYTES + bodyBytes)
    return frame
  }

  #assemble(): Frame | undefined {
    while (this.#headerBytes < HEADER_BYTES) {
      if (this.#unread === 0) return undefined
      this.#header[this.#headerBytes++] = this.#chunk[this.#offset]!
      this.#advance(1)
    }
    const type = this.#header[0]!
    const bodyBytes = checkLength(this.#header.readInt32BE(1))
    const oversize = bodyBytes > this.#maxBytes
    while (this.#bodyBytes < bodyBytes) {
      if (this.#unread === 0) return undefined
      const count = Math.min(bodyBytes - this.#bodyBytes, this.#chunk.length - this.#offset)
      if (!oversize) this.#append(count, bodyBytes)
      this.#bodyBytes += count
      this.#advance(count)
    }
    const body = this.#body.subarray(0, oversize ? 0 : bodyBytes)
    this.#headerBytes = 0
    this.#bodyBytes = 0
    this.#body = EMPTY
    return oversize ? { type, body, oversize } : { type, body }
  }

  /** Grows with what came, doubling, so that a long frame in tiny chunks stays linear and a length word alone costs nothing. */
  #append(count: number, bodyBytes: number): void {
    const needed = this.#bodyBytes + count
    if (needed > this.#body.length) {
      const wider = Buffer.allocUnsafe(Math.min(bodyBytes, Math.max(needed, 2 * this.#body.length, 64)))
      this.#body.copy(wider, 0, 0, this.#bodyBytes)
      this.#body = wider
    }
    this.#chunk.copy(this.#body, this.#bodyBytes, this.#offset, this.#offset + count)
  }

  #advance(count: number): void {
    this.#offset += count
    this.#unread -= count
    if (this.#offset < this.#chunk.length) return
    this.#chunk = this.#queue.shift() ?? EMPTY
    this.#offset = 0
  }
}

function checkLength(length: number): number {
  if (length >= 4) return length - 4
  throw new SqlError({ code: '08P01', severity: 'FATAL', message: 'invalid message length' })
}
