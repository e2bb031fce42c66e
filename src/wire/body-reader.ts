import { isUtf8 } from 'node:buffer'
import { SqlError } from '../errors.ts'

/** Reads one message body from left to right. Never reads beyond it, never allocates from a number found in it. */
export class BodyReader {
  readonly #body: Buffer
  readonly #message: string
  #offset = 0

  /** @param message the manual's name of the message, for errors */
  constructor(body: Buffer, message: string) {
    this.#body = body
    this.#message = message
  }

  get remaining(): number {
    return this.#body.length - this.#offset
  }

  uint8(): number {
    return this.#body[this.#skip(1)]!
  }

  int16(): number {
    return this.#body.readInt16BE(this.#skip(2))
  }

  /** Counts: the protocol's Int16 that Postgres itself reads unsigned, so that 65,535 parameters fit. */
  uint16(): number {
    return this.#body.readUInt16BE(this.#skip(2))
  }

  int32(): number {
    return this.#body.readInt32BE(this.#skip(4))
  }

  uint32(): number {
    return this.#body.readUInt32BE(this.#skip(4))
  }

  /** A view, not a copy. */
  bytes(count: number): Buffer {
    if (count < 0) throw this.#malformed('negative length')
    const start = this.#skip(count)
    return this.#body.subarray(start, start + count)
  }

  /** A String: UTF-8 up to its terminator. A byte order mark stays: what is judged must be what is sent. */
  text(): string {
    const end = this.#body.indexOf(0, this.#offset)
    if (end < 0) throw this.#malformed('unterminated string')
    const bytes = this.#body.subarray(this.#offset, end)
    if (!isUtf8(bytes)) throw invalidEncoding()
    this.#offset = end + 1
    return bytes.toString('utf8')
  }

  /** As {@link text}, but bytes that are no UTF-8 become U+FFFD: for what a server says before the encoding is agreed. */
  lossyText(): string {
    const end = this.#body.indexOf(0, this.#offset)
    if (end < 0) throw this.#malformed('unterminated string')
    const text = this.#body.toString('utf8', this.#offset, end)
    this.#offset = end + 1
    return text
  }

  /** Everything that is left: a view. */
  rest(): Buffer {
    return this.bytes(this.remaining)
  }

  /** Call when everything is read: anything left over is a protocol violation. */
  end(): void {
    if (this.remaining > 0) throw this.#malformed(`${this.remaining} bytes after its end`)
  }

  #skip(count: number): number {
    const start = this.#offset
    if (count > this.#body.length - start) throw this.#malformed('it ends too early')
    this.#offset = start + count
    return start
  }

  #malformed(what: string): SqlError {
    return malformed(this.#message, what)
  }
}

export function malformed(message: string, what: string): SqlError {
  return new SqlError({ code: '08P01', message: `invalid ${message} message: ${what}` })
}

function invalidEncoding(): SqlError {
  return new SqlError({
    code: '22021',
    message: 'invalid byte sequence for encoding "UTF8"',
    hint: 'Set client_encoding (or PGCLIENTENCODING) to UTF8 and send UTF-8.',
  })
}
