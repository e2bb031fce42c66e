import type { Socket } from 'node:net'
import { type SqlError, toSqlError } from '../errors.ts'
import type { Sink } from '../session/sink.ts'
import type { FrameReader } from '../wire/framing.ts'
import { frontendType } from '../wire/message-types.ts'
import { encodeErrorResponse } from '../wire/reports.ts'
import type { OutboxWriter, TurnOutbox } from './outbox.ts'

/** What a conversation asks of a session; see session/ for what each does. */
export interface ConversationSession {
  /** One frontend message. False: no more until {@link Sink.readable}, which is never called from within. */
  receive(type: number, body: Buffer): boolean
  /** A message above the cap, whose body is consumed: 54000. As `receive`. */
  oversize(type: number): boolean
  drained(): void
  cancel(): Promise<void>
  close(): Promise<void>
  /** Writes the FATAL error, and nothing after it. */
  expire(error: SqlError): void
  /** No transaction open, nothing in flight, no unread Sync. */
  readonly idle: boolean
  parameterStatuses(): ReadonlyMap<string, string>
}

/** What conversations share. */
export interface ConversationHost {
  readonly outbox: TurnOutbox
  /** Bytes left in the socket: watch that they move. */
  watch(conversation: Conversation): void
  /** The socket is closed, the session told. */
  closed(conversation: Conversation): void
  failed(conversation: Conversation, error: unknown): void
}

/** Who talks, for lists and revocation. */
export interface ConversationAbout {
  readonly virtualPid: number
  readonly principalId: string
  readonly tenantId: string
  /** What he logged in with; null: his password. */
  readonly credential: string | null
  readonly login: string
  readonly database: string | undefined
  readonly address: string
  readonly applicationName: string
  readonly encrypted: boolean
  readonly startedAtMs: number
}

/** Small writes are joined up to this size: cheaper than a vector of them. */
const joinMaxBytes = 32 * 1024

/**
 * A logged-in connection: bytes from the socket become frontend messages for the session, what the session writes leaves
 * at the end of the turn. Both directions stop when the other side is slower.
 */
export class Conversation implements Sink, OutboxWriter {
  readonly about: ConversationAbout
  private readonly host: ConversationHost
  private readonly socket: Socket
  private readonly reader: FrameReader
  private session: ConversationSession | undefined
  /** Written in this turn. */
  private pieces: Buffer[] = []
  private piecesBytes = 0
  private handedBytes = 0
  /** The session has seen a full socket and waits for `drained`. */
  private full = false
  /** The session takes no messages. */
  private blocked = false
  private pumping = false
  private ending = false
  private over = false
  private draining: SqlError | undefined

  constructor(socket: Socket, reader: FrameReader, host: ConversationHost, about: ConversationAbout) {
    this.socket = socket
    this.reader = reader
    this.host = host
    this.about = about
  }

  /** @param greeting from AuthenticationOk to ReadyForQuery */
  begin(session: ConversationSession, greeting: Buffer): void {
    this.session = session
    const { socket } = this
    socket.on('data', (chunk: Buffer) => this.read(chunk))
    socket.on('drain', () => this.settleDrain())
    socket.on('end', () => this.destroy())
    socket.on('close', () => this.finish())
    this.write(greeting)
    if (socket.destroyed) this.finish()
    else this.pump()
  }

  write(bytes: Buffer): void {
    if (this.over || this.ending) return
    if (this.pieces.push(bytes) === 1) this.host.outbox.add(this)
    this.piecesBytes += bytes.length
  }

  pendingBytes(): number {
    const bytes = this.piecesBytes + this.socket.writableLength
    if (bytes > 0) this.full = true
    return bytes
  }

  readable(): void {
    this.blocked = false
    this.pump()
  }

  /** No more will be written: the socket closes once the client has all. */
  end(): void {
    if (this.ending || this.over) return
    this.ending = true
    if (this.pieces.length === 0) this.host.outbox.add(this)
  }

  writeOut(): void {
    if (this.over) return
    this.handOver()
    if (this.socket.writableLength > 0) this.host.watch(this)
    if (this.ending) {
      this.closeSession()
      this.socket.destroySoon()
      return
    }
    if (this.full && this.socket.writableLength < this.socket.writableHighWaterMark) this.settleDrain()
    if (this.draining !== undefined && this.session?.idle) this.terminate(this.draining)
  }

  abandon(error: SqlError): void {
    this.pieces = []
    this.piecesBytes = 0
    if (this.over) return
    this.ending = true
    this.closeSession()
    this.socket.end(encodeErrorResponse(error.fatal().fields()))
    this.socket.destroySoon()
    this.host.watch(this)
  }

  /** Ends it now, with a FATAL error after what was answered so far. */
  terminate(error: SqlError): void {
    if (this.ending || this.over) return
    this.session?.expire(error.fatal())
    this.end()
  }

  /** Ends it where no transaction is open. */
  drain(error: SqlError): void {
    if (this.session?.idle && this.pieces.length === 0) this.terminate(error)
    else this.draining = error
  }

  destroy(): void {
    this.socket.destroy()
    this.finish()
  }

  cancel(): Promise<void> {
    return this.session?.cancel() ?? Promise.resolve()
  }

  /** Bytes that the socket has taken in all: as long as they grow, the client reads. */
  get takenBytes(): number {
    return this.handedBytes - this.socket.writableLength
  }

  /** Bytes wait for the client. */
  get waitsForClient(): boolean {
    return !this.socket.destroyed && this.socket.writableLength > 0
  }

  private read(chunk: Buffer): void {
    if (this.ending || this.over) return
    this.reader.push(chunk)
    this.pump()
  }

  private pump(): void {
    if (this.pumping) return
    this.pumping = true
    try {
      this.receiveAll()
    } catch (thrown) {
      this.fail(thrown)
    } finally {
      this.pumping = false
    }
    if (this.over) return
    if (this.blocked) this.socket.pause()
    else if (this.socket.isPaused()) this.socket.resume()
  }

  private receiveAll(): void {
    const { session } = this
    while (session !== undefined && !this.blocked && !this.ending && !this.over) {
      const frame = this.reader.next()
      if (frame === undefined) return
      if (frame.type === frontendType.terminate) this.end()
      else if (frame.oversize) this.blocked = !session.oversize(frame.type)
      else this.blocked = !session.receive(frame.type, frame.body)
    }
  }

  /** The protocol was broken, or we were: there is no way to go on. */
  private fail(thrown: unknown): void {
    const error = toSqlError(thrown)
    if (error.code === 'XX000') this.host.failed(this, thrown)
    this.terminate(error)
  }

  /** After the records are in the spool. */
  private handOver(): void {
    const { pieces, piecesBytes, socket } = this
    if (pieces.length === 0) return
    this.pieces = []
    this.piecesBytes = 0
    this.handedBytes += piecesBytes
    if (pieces.length === 1) socket.write(pieces[0]!)
    else if (piecesBytes <= joinMaxBytes) socket.write(Buffer.concat(pieces, piecesBytes))
    else {
      socket.cork()
      for (const piece of pieces) socket.write(piece)
      socket.uncork()
    }
  }

  private settleDrain(): void {
    if (!this.full || this.over) return
    this.full = false
    this.session?.drained()
  }

  /** The socket is closed. */
  private finish(): void {
    if (this.over) return
    this.over = true
    this.pieces = []
    this.closeSession()
    this.host.closed(this)
  }

  private closeSession(): void {
    const { session } = this
    this.session = undefined
    session?.close().catch((error: unknown) => this.host.failed(this, error))
  }
}
