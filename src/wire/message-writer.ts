import { SqlError } from '../errors.ts'

/** Postgres never takes a message above 1 GB, and a length word must never wrap. */
const MESSAGE_BYTES_MAX = 0x3fffffff
const SCRATCH_BYTES = 16 * 1024
/** Above this the scratch itself is handed out instead of a copy. */
const COPY_BYTES_MAX = 64 * 1024

/** Writes one message from left to right into a scratch buffer that grows. */
class MessageWriter {
  #scratch = Buffer.allocUnsafe(SCRATCH_BYTES)
  #length = 0
  #lengthAt = 0

  begin(type: number): this {
    this.#length = 5
    this.#lengthAt = 1
    this.#scratch[0] = type
    return this
  }

  beginUntyped(): this {
    this.#length = 4
    this.#lengthAt = 0
    return this
  }

  uint8(value: number): this {
    const at = this.#grow(1)
    this.#scratch[at] = value
    return this
  }

  int16(value: number): this {
    const at = this.#grow(2)
    this.#scratch.writeInt16BE(value, at)
    return this
  }

  /** A count or a list's length, at most 65,535. */
  uint16(value: number): this {
    if (value > 0xffff)
      throw new SqlError({ code: '54000', message: `a message holds at most 65535 items, not ${value}` })
    const at = this.#grow(2)
    this.#scratch.writeUInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#grow(4)
    this.#scratch.writeInt32BE(value, at)
    return this
  }

  uint32(value: number): this {
    const at = this.#grow(4)
    this.#scratch.writeUInt32BE(value, at)
    return this
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length)
    this.#scratch.set(value, at)
    return this
  }

  /** A String with its terminator. What Postgres would cut or read differently from what was judged is refused: 22021. */
  text(value: string): this {
    if (value.includes('\0') || !value.isWellFormed()) {
      throw new SqlError({ code: '22021', message: 'a text holds a NUL or half a character, which UTF-8 cannot carry' })
    }
    const count = Buffer.byteLength(value)
    const at = this.#grow(count + 1)
    this.#scratch.write(value, at, 'utf8')
    this.#scratch[at + count] = 0
    return this
  }

  /** A value with its length before it; null is length -1. */
  value(value: Uint8Array | string | null): this {
    if (value === null) return this.int32(-1)
    if (typeof value !== 'string') return this.int32(value.length).bytes(value)
    const count = Buffer.byteLength(value)
    this.int32(count)
    const at = this.#grow(count)
    this.#scratch.write(value, at, 'utf8')
    return this
  }

  end(): Buffer {
    const length = this.#length
    this.#scratch.writeInt32BE(length - this.#lengthAt, this.#lengthAt)
    if (length > COPY_BYTES_MAX) {
      const message = this.#scratch.subarray(0, length)
      this.#scratch = Buffer.allocUnsafe(SCRATCH_BYTES)
      return message
    }
    const message = Buffer.allocUnsafe(length)
    this.#scratch.copy(message, 0, 0, length)
    return message
  }

  #grow(count: number): number {
    const start = this.#length
    const needed = start + count
    if (needed > MESSAGE_BYTES_MAX)
      throw new SqlError({ code: '54000', message: 'a message cannot be larger than 1 GB' })
    if (needed > this.#scratch.length) {
      const wider = Buffer.allocUnsafe(Math.max(needed, this.#scratch.length * 2))
      this.#scratch.copy(wider, 0, 0, start)
      this.#scratch = wider
    }
    this.#length = needed
    return start
  }
}

const writer = new MessageWriter()

/** The shared writer, begun anew. Encoding is synchronous: call `end()` before anything else is encoded. */
export function beginMessage(type: number): MessageWriter {
  return writer.begin(type)
}

/** As {@link beginMessage}, for the packets before login that have no type byte. */
export function beginPacket(): MessageWriter {
  return writer.beginUntyped()
}
