import type { Server, Socket } from 'node:net'
import type { AuditSink } from '../audit/record.ts'
import { SqlError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import { encodeErrorResponse } from '../wire/reports.ts'
import { Admission } from './admission.ts'
import type { LoginService } from './authenticate.ts'
import { CancelRegistry } from './cancel-registry.ts'
import type { Conversation, ConversationAbout } from './conversation.ts'
import { Deadlines, type Expiring } from './deadlines.ts'
import { type HandshakeHost, type OpenSession, shakeHands } from './handshake.ts'
import type { GatewayLimits } from './limits.ts'
import { LoginConnection } from './login-connection.ts'
import { TurnOutbox } from './outbox.ts'
import { prepareTls, type ServerTls } from './tls.ts'

export interface GatewayParts {
  /** PEM; null: TLS is declined. */
  readonly tls: { readonly key: string | Buffer; readonly cert: string | Buffer } | null
  /** Connections over TCP must be encrypted. */
  readonly requireTls: boolean
  /** Names of startup parameters that are dropped unread, as in PgBouncer. */
  readonly ignoreStartupParameters: readonly string[]
  readonly limits: GatewayLimits
  readonly logins: LoginService
  readonly openSession: OpenSession
  readonly audit: AuditSink
  readonly log: Log
  /** Milliseconds since the epoch, for records; what must not jump is timed by the monotonic clock. */
  readonly clock: () => number
  /** The tenant that a TLS server name (SNI) stands for; undefined: none. */
  readonly tenantOf: (serverName: string) => string | undefined
}

export interface GatewayStats {
  readonly connections: number
  readonly unauthenticated: number
  /** Since the start. */
  readonly loginsAccepted: number
  readonly loginsRefused: number
  /** Turned away because too many were logging in. */
  readonly turnedAway: number
  readonly slowReadersCut: number
}

const sweepIntervalMs = 250

/** Everything of door 1 but the listening: who is connected, who is logging in, and when each has to go. */
export class Gateway implements HandshakeHost {
  readonly tls: ServerTls | null
  readonly requireTls: boolean
  readonly ignoredParameters: ReadonlySet<string>
  readonly limits: GatewayLimits
  readonly logins: LoginService
  readonly openSession: OpenSession
  readonly audit: AuditSink
  readonly clock: () => number
  readonly tenantOf: (serverName: string) => string | undefined
  readonly outbox: TurnOutbox
  readonly cancels: CancelRegistry
  private readonly log: Log
  private readonly admission: Admission
  private readonly unauthenticated = new Set<LoginConnection>()
  private readonly loggingIn: Deadlines<LoginConnection>
  private readonly lingering: Deadlines<Expiring>
  private readonly conversations = new Map<number, Conversation>()
  /** Conversations whose clients have bytes to take: how many they had taken, and when that changed last. */
  private readonly waiting = new Map<Conversation, { takenBytes: number; sinceMs: number }>()
  private readonly sweeper: NodeJS.Timeout
  private readonly servers: Server[] = []
  private closing = false
  private emptied: (() => void) | undefined
  private readonly counts = { loginsAccepted: 0, loginsRefused: 0, turnedAway: 0, slowReadersCut: 0 }

  constructor(parts: GatewayParts) {
    this.tls = parts.tls === null ? null : prepareTls(parts.tls.key, parts.tls.cert)
    this.requireTls = parts.requireTls
    this.ignoredParameters = new Set(parts.ignoreStartupParameters.map(name => name.toLowerCase()))
    this.limits = parts.limits
    this.logins = parts.logins
    this.openSession = parts.openSession
    this.audit = parts.audit
    this.log = parts.log
    this.clock = parts.clock
    this.tenantOf = parts.tenantOf
    this.outbox = new TurnOutbox(() => parts.audit.flush())
    this.cancels = new CancelRegistry(parts.limits.cancelsPerSecond)
    this.admission = new Admission(parts.limits.unauthenticatedPerAddressMax, parts.limits.unauthenticatedMax)
    this.loggingIn = new Deadlines(parts.limits.loginTimeoutMs)
    this.lingering = new Deadlines(parts.limits.lingerMs)
    this.sweeper = setInterval(() => this.sweep(), sweepIntervalMs)
    this.sweeper.unref()
  }

  /** Serves what `server`, which listens already, accepts. */
  serve(server: Server, isLocal: boolean): void {
    this.servers.push(server)
    // Out of file descriptors, for one: those who are connected go on.
    server.on('error', error => this.log.error({ error }, 'a connection could not be accepted'))
    server.on('connection', socket => this.accept(socket, isLocal))
  }

  /** TCP port that is listened on; undefined: none. */
  get port(): number | undefined {
    const address = this.servers
      .map(server => server.address())
      .find(where => where !== null && typeof where === 'object')
    return typeof address === 'object' ? address?.port : undefined
  }

  sessions(): ConversationAbout[] {
    return [...this.conversations.values()].map(conversation => conversation.about)
  }

  stats(): GatewayStats {
    return { ...this.counts, connections: this.conversations.size, unauthenticated: this.admission.count }
  }

  /** Ends the sessions that match with FATAL: revocation, expiry, an operator's kill. @returns how many */
  end(matches: (about: ConversationAbout) => boolean, error: SqlError): number {
    const ending = [...this.conversations.values()].filter(conversation => matches(conversation.about))
    for (const conversation of ending) conversation.terminate(error)
    return ending.length
  }

  /** Cancels what the session with this virtual pid is running. @returns false: there is no such session */
  async cancel(virtualPid: number): Promise<boolean> {
    const conversation = this.conversations.get(virtualPid)
    await conversation?.cancel()
    return conversation !== undefined
  }

  /** Stops accepting; sends 57P01 at each session's transaction boundary, and to all at the deadline; then closes. */
  async close(deadlineMs: number): Promise<void> {
    this.closing = true
    const closed = this.servers.map(server => new Promise<void>(resolve => server.close(() => resolve())))
    for (const connection of this.unauthenticated) connection.socket.destroy()
    const error = new SqlError({
      code: '57P01',
      severity: 'FATAL',
      message: 'terminating connection due to administrator command',
    })
    for (const conversation of this.conversations.values()) conversation.drain(error)
    await this.untilEmpty(deadlineMs)
    for (const conversation of this.conversations.values()) conversation.terminate(error)
    await this.untilEmpty(this.limits.lingerMs)
    for (const conversation of this.conversations.values()) conversation.destroy()
    this.loggingIn.clear()
    this.lingering.clear()
    clearInterval(this.sweeper)
    await Promise.all(closed)
  }

  authenticated(connection: LoginConnection): void {
    this.leave(connection)
    if (this.conversations.size < this.limits.connectionsMax) return
    throw new SqlError({
      code: '53300',
      severity: 'FATAL',
      message: 'sorry, too many clients already',
      hint: 'Try again later, or use fewer connections.',
    })
  }

  began(conversation: Conversation, connection: LoginConnection): void {
    this.loggingIn.delete(connection)
    this.conversations.set(conversation.about.virtualPid, conversation)
    this.counts.loginsAccepted += 1
    if (this.closing)
      conversation.drain(
        new SqlError({ code: '57P01', message: 'terminating connection due to administrator command' }),
      )
  }

  refused(connection: LoginConnection, words: Buffer): void {
    this.loggingIn.delete(connection)
    this.counts.loginsRefused += 1
    this.lingering.add(connection, performance.now())
    this.outbox.add({
      writeOut: () => connection.end(words),
      abandon: error => connection.end(encodeErrorResponse(error.fatal().fields())),
    })
  }

  watch(conversation: Conversation): void {
    if (this.waiting.has(conversation)) return
    this.waiting.set(conversation, { takenBytes: conversation.takenBytes, sinceMs: performance.now() })
  }

  closed(conversation: Conversation): void {
    const { virtualPid } = conversation.about
    this.waiting.delete(conversation)
    this.conversations.delete(virtualPid)
    this.cancels.release(virtualPid)
    if (this.conversations.size === 0) this.emptied?.()
  }

  failed(conversation: Conversation, error: unknown): void {
    this.log.error({ error, session: conversation.about.virtualPid }, 'a wire session failed')
  }

  report(error: unknown, address: string): void {
    this.log.error({ error, address }, 'a login failed for a reason of our own')
  }

  private accept(socket: Socket, isLocal: boolean): void {
    const address = isLocal ? 'local' : (socket.remoteAddress ?? '')
    if (this.closing || address === '') {
      socket.destroy()
      return
    }
    const refusal = this.admission.enter(address)
    if (refusal !== undefined) {
      this.turnAway(socket, refusal)
      return
    }
    const connection = new LoginConnection(socket, address, isLocal, this.forget)
    this.unauthenticated.add(connection)
    this.loggingIn.add(connection, performance.now())
    void shakeHands(connection, this)
  }

  private turnAway(socket: Socket, refusal: SqlError): void {
    this.counts.turnedAway += 1
    socket.on('error', () => {})
    if (this.lingering.size >= this.limits.lingeringMax) {
      socket.destroy()
      return
    }
    socket.end(encodeErrorResponse(refusal.fields()))
    socket.resume()
    this.lingering.add({ expire: () => socket.destroy() }, performance.now())
  }

  /** The socket closed before the login was over. */
  private readonly forget = (connection: LoginConnection): void => {
    this.leave(connection)
    this.loggingIn.delete(connection)
    this.lingering.delete(connection)
  }

  private leave(connection: LoginConnection): void {
    if (this.unauthenticated.delete(connection)) this.admission.leave(connection.address)
  }

  private sweep(): void {
    const nowMs = performance.now()
    this.loggingIn.sweep(nowMs)
    this.lingering.sweep(nowMs)
    for (const [conversation, seen] of this.waiting) {
      if (!conversation.waitsForClient) this.waiting.delete(conversation)
      else if (conversation.takenBytes !== seen.takenBytes)
        this.waiting.set(conversation, { takenBytes: conversation.takenBytes, sinceMs: nowMs })
      else if (nowMs - seen.sinceMs >= this.limits.slowReaderTimeoutMs) this.cut(conversation)
    }
  }

  private cut(conversation: Conversation): void {
    this.counts.slowReadersCut += 1
    const { virtualPid, login } = conversation.about
    this.log.warn(
      { session: virtualPid, principal: login },
      'a client took nothing of its answer for too long and was cut off',
    )
    conversation.destroy()
  }

  private untilEmpty(timeoutMs: number): Promise<void> {
    if (this.conversations.size === 0) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(resolve, timeoutMs)
      this.emptied = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
