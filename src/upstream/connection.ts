import type net from 'node:net'
import { SqlError } from '../errors.ts'
import { type Frame, FrameReader } from '../wire/framing.ts'
import { backendType } from '../wire/message-types.ts'
import { encodeQuery, terminate } from '../wire/query.ts'
import { decodeReport, type ServerReport } from '../wire/reports.ts'
import { decodeParameterStatus, type ParameterStatus } from '../wire/session-start.ts'
import { sendCancel } from './cancel.ts'
import { type DialOptions, dial, type TlsSettings, unreachable } from './dial.ts'
import { type Login, login, ProtocolRefused } from './login.ts'
import { OwnQuery } from './own-query.ts'
import { checkPins, readMajor } from './pins.ts'
import { StatementLru } from './statements.ts'
import type { UpstreamOptions } from './upstream-options.ts'

/** Who has the connection now: gets everything that comes while it is the owner. */
export interface UpstreamOwner {
  data(chunk: Buffer): void
  /** Everything written is gone. */
  drain(): void
  /** Called once, when the connection has ended under its owner. */
  closed(error: SqlError): void
}

const IDLE_FRAME_BYTES_MAX = 64 * 1024
const ANSWER_FRAME_BYTES_MAX = 64 * 1024 * 1024
const QUERY_TIMEOUT_MS = 30_000
const FAREWELL_TIMEOUT_MS = 1000

let lastId = 0

/**
 * Opens a pinned connection: UTF8, standard_conforming_strings, read only. Protocol 3.2 where the server has it.
 *
 * @throws SqlError: 08001 unreachable or TLS, 28000 login, 3D000, 53300, 57P03 as the server says, 08P01 a server that
 *   breaks the protocol; the cause is for the log. Secrets are in none of it.
 */
export async function connectUpstream(options: UpstreamOptions, signal?: AbortSignal): Promise<Upstream> {
  const { connectTimeoutMs } = options
  const deadline = AbortSignal.timeout(connectTimeoutMs)
  const either = signal ? AbortSignal.any([signal, deadline]) : deadline
  try {
    return await attempt(options, 2, either)
  } catch (error) {
    if (deadline.aborted && !signal?.aborted) {
      throw unreachable(`the database server did not answer within ${connectTimeoutMs} ms`, { cause: error })
    }
    if (!(error instanceof ProtocolRefused)) throw error
    return await attempt(options, 0, either)
  }
}

async function attempt(options: UpstreamOptions, minor: number, signal: AbortSignal): Promise<Upstream> {
  const line = await dial(options, signal)
  try {
    const session = await login(line, options, minor, signal)
    // A cancel request goes to the machine that we reached, under the name that we asked for, and with TLS if this has it.
    const { mode } = options.tls
    const cancelTls: TlsSettings = {
      ...options.tls,
      mode: mode === 'prefer' ? (line.secure ? 'require' : 'disable') : mode,
      serverName: options.tls.serverName ?? options.host,
    }
    const route = { host: line.address, port: options.port, tls: cancelTls }
    return new Upstream(line.socket, session, { route, cancelTimeoutMs: options.connectTimeoutMs })
  } catch (error) {
    line.socket.destroy()
    // What ends this connection must not end the client's.
    throw error instanceof SqlError ? new SqlError({ ...error.fields(), severity: 'ERROR' }) : error
  }
}

interface CancelRoute {
  readonly route: DialOptions
  readonly cancelTimeoutMs: number
}

/** One connection to a database, logged in and pinned; opened by {@link connectUpstream}. */
export class Upstream {
  readonly id = ++lastId
  /** What the server reported, kept current through {@link report}. */
  readonly parameters: Map<string, string>
  /** The server's process; 0 where it gave none. */
  readonly processId: number
  /** Major version, such as 18. */
  readonly major: number
  readonly createdAtMs = Date.now()
  lastUsedAtMs = this.createdAtMs

  owner: UpstreamOwner | undefined
  /** Called once: at once when the connection was destroyed, when the server has let go of it where it was retired. The pool's. */
  onDestroyed: (() => void) | undefined

  /** State that the session keeps here between borrowers. */
  readonly statements = new StatementLru()
  unnamedStatement: string | undefined
  settings: ReadonlyMap<string, string> = new Map()
  /** Equal keys: equal `settings`. */
  settingsKey = ''
  dirty = false
  catalogVersion = ''

  readonly #socket: net.Socket
  readonly #login: Login
  readonly #cancelRoute: CancelRoute
  #cancelling: Promise<unknown> | undefined
  #query: { answer: OwnQuery; reader: FrameReader; settle: (error?: SqlError) => void } | undefined
  #destroyed = false
  /** Why it ended, as far as is known: for the log, as the cause. */
  #reason: unknown

  /** @throws SqlError where what the server reported is not what it was pinned to */
  constructor(socket: net.Socket, session: Login, cancelRoute: CancelRoute) {
    this.#socket = socket
    this.parameters = session.parameters
    this.#login = session
    this.#cancelRoute = cancelRoute
    this.processId = session.cancelKey?.pid ?? 0
    this.major = readMajor(session.parameters)
    checkPins(session.parameters, session.pins)
    socket.on('data', chunk => this.#onData(chunk))
    socket.on('drain', () => this.owner?.drain())
    socket.on('error', error => this.#end(error))
    socket.on('end', () => this.#end('the server closed the connection'))
    socket.on('close', () => this.#onClose())
    for (const frame of session.leftover) this.#takeUnasked(frame)
    socket.resume()
  }

  get destroyed(): boolean {
    return this.#destroyed
  }

  /** While a cancel request is under way: it must not reach the next borrower. Never rejects. */
  get cancelling(): Promise<unknown> | undefined {
    return this.#cancelling
  }

  /** @returns false when the caller should wait for `owner.drain()` */
  write(bytes: Buffer): boolean {
    return !this.#destroyed && this.#socket.write(bytes)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#destroyed) this.#socket.resume()
  }

  /** Takes a ParameterStatus that the owner has read. One that breaks a pin ends the connection. */
  report({ name, value }: ParameterStatus): void {
    this.parameters.set(name, value)
    const pin = this.#login.pins.get(name)
    if (pin !== undefined && pin !== value) this.destroy(`the server reports ${name} = ${value}`)
  }

  /** Ends the connection at once: it is in doubt. `reason` is for the log. */
  destroy(reason: string): void {
    this.#end(reason)
    this.#socket.destroy()
  }

  /** Says goodbye and throws away what still comes: what runs may be something that no cancel stops, and lasts until it has ended. */
  retire(reason: string): void {
    if (this.#destroyed) return
    this.#destroyed = true
    this.#reason = reason
    this.#socket.resume()
    this.#socket.end(terminate)
  }

  /** Ends an idle connection with a goodbye, so that the server has nothing to complain of. */
  close(reason: string): void {
    if (this.owner || this.#query) this.destroy(reason)
    if (this.#destroyed) return
    this.#end(reason)
    this.#socket.resume()
    this.#socket.end(terminate)
    setTimeout(() => this.#socket.destroy(), FAREWELL_TIMEOUT_MS).unref()
  }

  /**
   * Asks the server to cancel what runs here; resolves when the server has taken the request.
   *
   * @throws SqlError 08001 where it could not be delivered. The connection is dirty then: the request may still strike.
   */
  cancel(): Promise<void> {
    const sent = this.#sendCancel()
    const all = Promise.allSettled([this.#cancelling, sent]).then(() => {
      if (this.#cancelling === all) this.#cancelling = undefined
    })
    this.#cancelling = all
    return sent
  }

  async #sendCancel(): Promise<void> {
    if (this.#destroyed) return
    if (!this.#login.cancelKey) {
      this.destroy('it has no cancel key')
      return
    }
    const { route, cancelTimeoutMs } = this.#cancelRoute
    try {
      await sendCancel(route, this.#login.cancelKey, AbortSignal.timeout(cancelTimeoutMs))
    } catch (error) {
      this.dirty = true
      throw error
    }
  }

  /**
   * Runs SQL of our own, by the simple protocol; only while there is no owner.
   *
   * @returns the rows of all its statements, values as text
   * @throws SqlError: the server's own, or 08006 where the connection ended
   */
  query(sql: string, timeoutMs = QUERY_TIMEOUT_MS): Promise<(string | null)[][]> {
    return new Promise((resolve, reject) => {
      if (this.#destroyed) throw this.#lost()
      if (this.owner || this.#query) throw new SqlError({ code: 'XX000', message: 'the connection is in use' })
      const answer = new OwnQuery(status => this.report(status))
      const timer = setTimeout(() => this.destroy(`a query of the gateway took more than ${timeoutMs} ms`), timeoutMs)
      timer.unref()
      const settle = (error = answer.error) => {
        clearTimeout(timer)
        this.#query = undefined
        if (error) reject(error)
        else resolve(answer.rows)
      }
      const bytes = encodeQuery(sql)
      this.#query = { answer, reader: new FrameReader(ANSWER_FRAME_BYTES_MAX), settle }
      this.#socket.write(bytes)
    })
  }

  #onData(chunk: Buffer): void {
    if (this.owner) {
      this.owner.data(chunk)
      return
    }
    if (this.#destroyed) return
    try {
      this.#read(chunk)
    } catch (error) {
      this.destroy(error instanceof Error ? error.message : 'unreadable bytes')
    }
  }

  #read(chunk: Buffer): void {
    const reader = this.#query?.reader ?? new FrameReader(IDLE_FRAME_BYTES_MAX)
    reader.push(chunk)
    for (let frame = reader.next(); frame && !this.#destroyed; frame = reader.next()) {
      if (!this.#query) this.#takeUnasked(frame)
      else if (this.#query.answer.take(frame)) this.#query.settle()
    }
    // Half a frame now would be half a frame too much for the next owner.
    if (!this.#query && reader.bufferedBytes > 0) this.destroy('the server sent part of a message, unasked')
  }

  /** A server may give notice, report a setting, or end us with a FATAL. Anything else belongs to nobody. */
  #takeUnasked({ type, body, oversize }: Frame): void {
    if (type === backendType.noticeResponse && !oversize) return
    if (type === backendType.parameterStatus && !oversize) this.report(decodeParameterStatus(body))
    else if (type === backendType.errorResponse && !oversize) this.destroy(describe(decodeReport(body)))
    else this.destroy('the server sent something unasked')
  }

  #end(reason: unknown): void {
    this.#reason ??= reason
    if (this.#destroyed) return
    this.#destroyed = true
    this.#notify()
  }

  #notify(): void {
    const { onDestroyed } = this
    this.onDestroyed = undefined
    onDestroyed?.()
  }

  #onClose(): void {
    if (!this.#destroyed) this.#end('the connection was closed')
    else this.#notify()
    this.#query?.settle(this.#query.answer.error ?? this.#lost())
    const owner = this.owner
    this.owner = undefined
    owner?.closed(this.#lost())
  }

  #lost(): SqlError {
    const cause = typeof this.#reason === 'string' ? new Error(this.#reason) : this.#reason
    return new SqlError({ code: '08006', message: 'the connection to the database was lost', cause })
  }
}

function describe({ severity, code, message }: ServerReport): string {
  return `${severity} ${code}: ${message}`
}
