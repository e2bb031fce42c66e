import type { Socket } from 'node:net'
import { setImmediate as endOfTurn } from 'node:timers/promises'
import type { SecureContext } from 'node:tls'
import { SqlError } from '../errors.ts'
import type { Expiring } from './deadlines.ts'
import { wrapTls } from './tls.ts'

/** The client is gone: there is nobody to answer. */
export class ClientGone extends Error {}

const nothing = Buffer.alloc(0)

/**
 * A connection that has not logged in. It is read only while somebody waits for bytes, so that a half-open one costs a
 * socket and little more; whatever is waited for ends when the client goes or the deadline comes.
 */
export class LoginConnection implements Expiring {
  readonly address: string
  /** A Unix socket: TLS is neither offered nor asked for. */
  readonly isLocal: boolean
  socket: Socket
  encrypted = false
  /** SNI, inside TLS. */
  serverName: string | undefined
  /** Bytes that came and are not consumed. */
  rest: Buffer = nothing
  /** Answers that leave together with the next one. */
  private held: Buffer[] = []
  private gone = false
  private waiter: { resolve?: (bytes: Buffer) => void; reject: (error: Error) => void } | undefined

  private readonly onData = (bytes: Buffer): void => {
    this.socket.pause()
    const resolve = this.waiter?.resolve
    if (resolve === undefined) {
      this.rest = Buffer.concat([this.rest, bytes])
      return
    }
    this.waiter = undefined
    resolve(bytes)
  }

  private readonly onEnd = (): void => {
    this.gone = true
    this.interrupt(new ClientGone())
  }

  private readonly onClose = (): void => {
    this.onEnd()
    this.closed(this)
  }

  private readonly closed: (connection: LoginConnection) => void

  /** @param closed the socket closed before the login was over */
  constructor(socket: Socket, address: string, isLocal: boolean, closed: (connection: LoginConnection) => void) {
    this.closed = closed
    this.socket = socket
    this.address = address
    this.isLocal = isLocal
    this.attach()
  }

  /** The next bytes from the socket, whatever their number. @throws ClientGone, or the deadline's SqlError. */
  read(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.gone) return reject(new ClientGone())
      this.waiter = { resolve, reject }
      this.socket.resume()
    })
  }

  /** `work`, or an error as soon as the deadline comes; what `work` then still gives is handed to `undo`. */
  within<T>(work: Promise<T>, undo: (value: T) => void = () => {}): Promise<T> {
    return new Promise((resolve, reject) => {
      let late = false
      const interrupt = (error: Error): void => {
        late = true
        reject(error)
      }
      if (this.gone) interrupt(new ClientGone())
      else this.waiter = { reject: interrupt }
      const settle = (): void => {
        if (!late) this.waiter = undefined
      }
      work.then(
        value => {
          settle()
          if (late) undo(value)
          else resolve(value)
        },
        (error: unknown) => {
          settle()
          reject(error)
        },
      )
    })
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  /** `bytes` leave with the next answer: one packet less. */
  hold(bytes: Buffer): void {
    this.held.push(bytes)
  }

  takeHeld(): Buffer[] {
    const held = this.held
    this.held = []
    return held
  }

  /**
   * Whether the client has sent anything that was not asked for yet: in the same chunk, or delivered by the kernel by now.
   * The loop reads sockets once between the two turns.
   */
  async hasUnread(): Promise<boolean> {
    await endOfTurn()
    await endOfTurn()
    return this.rest.length > 0 || this.socket.readableLength > 0
  }

  /** TLS from here on; `rest` is taken for its beginning. @returns the ALPN protocol. @throws ClientGone where it fails. */
  async startTls(context: SecureContext): Promise<string | undefined> {
    const raw = this.socket
    raw.off('data', this.onData)
    raw.off('end', this.onEnd)
    raw.off('close', this.onClose)
    if (this.rest.length > 0) raw.unshift(this.rest)
    this.rest = nothing
    const secure = wrapTls(raw, context)
    this.socket = secure
    this.attach()
    await this.within(new Promise<void>(resolve => secure.once('secure', resolve)))
    this.encrypted = true
    this.serverName = secure.servername === false ? undefined : (secure.servername ?? undefined)
    return secure.alpnProtocol === false ? undefined : (secure.alpnProtocol ?? undefined)
  }

  /** The socket is somebody else's now. */
  detach(): void {
    this.socket.off('data', this.onData)
    this.socket.off('end', this.onEnd)
    this.socket.off('close', this.onClose)
  }

  /** The last words; what the client still sends is not read. */
  end(words: Buffer): void {
    this.socket.off('data', this.onData)
    this.socket.end(words)
    this.socket.resume()
  }

  /** The login's deadline. */
  expire(): void {
    const error = new SqlError({ code: '57014', severity: 'FATAL', message: 'canceling authentication due to timeout' })
    if (!this.interrupt(error)) this.socket.destroy()
  }

  private interrupt(error: Error): boolean {
    const waiter = this.waiter
    this.waiter = undefined
    waiter?.reject(error)
    return waiter !== undefined
  }

  private attach(): void {
    this.socket.on('data', this.onData)
    this.socket.pause()
    this.socket.on('end', this.onEnd)
    this.socket.on('close', this.onClose)
    this.socket.on('error', ignoreError)
  }
}

/** 'close' follows every error, and says all that matters here. */
function ignoreError(): void {}
