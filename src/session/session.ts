/**
 * One caller's conversation, whichever door it came through: judge → checkout → run → count → audit. It takes frontend
 * messages and gives backend frames (manual, chapter 54); nothing else reaches a tenant database with a caller's SQL.
 *
 * A message is handled at once where nothing stands in its way; else it waits in the inbox, in order.
 */
import { SqlError, type SqlErrorFields, toSqlError } from '../errors.ts'
import type { Policy } from '../guard/policy.ts'
import { frontendType } from '../wire/message-types.ts'
import { encodeQuery, encodeReadyForQuery, flush as flushMessage } from '../wire/query.ts'
import { encodeErrorResponse, type ServerReport } from '../wire/reports.ts'
import { BackendScanner } from '../wire/scanner.ts'
import type { SessionOptions } from './context.ts'
import { applyEffect, type ClientState } from './effects.ts'
import { type Expectation, Expectations } from './expectation.ts'
import { handleExtended } from './extended.ts'
import type { Judged, JudgementContext } from './judgement.ts'
import { canceledByUser, Lease, type LeaseHost } from './lease.ts'
import type { PlanContext } from './plan.ts'
import { StatementRecords } from './records.ts'
import { Replies, type ReplyHost } from './replies.ts'
import type { StatementRun } from './run.ts'
import { ClientSettings, quoteValues, unquoteValues } from './settings.ts'
import { encodeBounded, runQuery } from './simple.ts'
import type { ClientCursor, ClientPortal, ClientStatement } from './statements.ts'

const statusIdle = 0x49
const statusInTransaction = 0x54
const statusFailed = 0x45
const inboxMax = 256
const highWaterBytes = 256 * 1024
/** Parameters that a server reports about its login, not about the client. */
const ownParameters: ReadonlySet<string> = new Set(['session_authorization', 'is_superuser', 'in_hot_standby', 'scram_iterations'])

export class Session implements ReplyHost, LeaseHost, ClientState {
  readonly options: SessionOptions
  readonly expectations = new Expectations()
  readonly settings: ClientSettings
  readonly statements = new Map<string, ClientStatement>()
  readonly portals = new Map<string, ClientPortal>()
  readonly cursors = new Map<string, ClientCursor>()
  readonly lease: Lease
  readonly records: StatementRecords
  readonly replies: Replies
  failed = false
  settingsInDoubt = false
  settingsReset = false
  explicitTransaction = false
  /** The server's last transaction status. */
  status = statusIdle
  /** Extended messages since the last Sync: an upstream that is held stays held. */
  seriesOpen = false
  /** Of those, some went upstream: it owes a ReadyForQuery once it gets the Sync. */
  seriesSent = false
  /** After an error in the extended protocol: everything up to Sync is skipped. */
  skipping = false
  /** An error of ours in the series or message at hand: a transaction that is open ends in 'E'. */
  refusedInSeries = false
  /** Something failed upstream in it: what was set in it is undone. */
  seriesErrored = false
  /** When the request at hand began; 0: none. */
  requestSince = 0
  ended = false
  private readonly parameters: Map<string, string>
  private readonly scanner: BackendScanner
  private inbox: { readonly type: number; readonly body: Buffer }[] = []
  private busy = false
  private idleSince = 0
  private transactionSince = 0
  private paused = false
  private drainWaiters: (() => void)[] = []
  private fatal: ServerReport | undefined
  /** Why the open transaction is gone; said to the client once. */
  private lost: SqlError | undefined
  private policyNow: Policy | undefined
  private contextNow: JudgementContext | undefined
  private contextParseKey = ''
  private contextKeyNow = ''

  constructor(options: SessionOptions) {
    this.options = options
    const policy = options.database.policyOf(options.principal)
    this.policyNow = policy
    this.settings = new ClientSettings(
      new Map([
        ['search_path', quoteValues(policy.schemas)],
        ['statement_timeout', quoteValues([String(policy.limits.statementTimeoutMs)])],
        ['lock_timeout', quoteValues([String(policy.limits.lockTimeoutMs)])],
      ]),
    )
    this.parameters = new Map(options.database.parameters())
    this.parameters.set('session_authorization', options.principal.login)
    this.parameters.set('is_superuser', 'off')
    this.records = new StatementRecords(options)
    this.replies = new Replies(this)
    this.scanner = new BackendScanner(this.replies)
    this.lease = new Lease(this, options.database, () => this.claim(), options.services.now)
    options.services.sweep.add(this)
  }

  private claim() {
    const { principal, database } = this.options
    const { upstreamsPerPrincipal, upstreamsPerTenant } = this.policy.limits
    return { tenant: database.tenant, principal: principal.id, upstreamsPerPrincipal, upstreamsPerTenant }
  }

  get policy(): Policy {
    return this.options.database.policyOf(this.options.principal)
  }

  /** ParameterStatus for the login, with the values in force. */
  parameterStatuses(): ReadonlyMap<string, string> {
    return this.parameters
  }

  /** No transaction open, nothing in flight, no Sync owed: an operator may end the session here without loss. */
  get idle(): boolean {
    return !this.busy && !this.seriesOpen && this.expectations.length === 0 && this.status === statusIdle && !this.failed
  }

  // ---- from the client

  /** One frontend message after login. False: stop reading until `sink.readable()`. */
  receive(type: number, body: Buffer): boolean {
    if (this.ended) return false
    if (this.busy || this.inbox.length > 0) {
      this.inbox.push({ type, body })
      return this.inbox.length < inboxMax
    }
    this.dispatch(type, body)
    return true
  }

  /** A message over the length cap arrived; its body was discarded. */
  oversize(type: number): boolean {
    return this.receive(type === frontendType.query ? oversizeQuery : oversizeOther, emptyBody)
  }

  private dispatch(type: number, body: Buffer): void {
    let pending: Promise<void> | undefined
    try {
      pending = this.handle(type, body)
    } catch (error) {
      this.refuse(error, type)
    }
    if (pending === undefined) return
    this.busy = true
    pending.catch(error => this.refuse(error, type)).finally(() => {
      this.busy = false
      this.readInbox()
    })
  }

  private readInbox(): void {
    const inbox = this.inbox
    let read = 0
    while (!this.busy && !this.ended && read < inbox.length) {
      const message = inbox[read++]!
      this.dispatch(message.type, message.body)
    }
    this.inbox = inbox.slice(read)
    if (this.inbox.length === 0 && !this.busy) this.options.sink.readable()
  }

  private handle(type: number, body: Buffer): Promise<void> | undefined {
    const head = this.expectations.first
    if (head?.type === 'query') return this.whenDrained(() => this.handle(type, body))
    if (this.requestSince === 0) {
      this.requestSince = this.options.services.now()
      this.records.nextRequest()
    }
    switch (type) {
      case frontendType.query:
        if (this.skipping) return undefined
        if (this.expectations.length > 0) return this.whenDrained(() => this.handle(type, body))
        return runQuery(this, body)
      case frontendType.copyData:
      case frontendType.copyDone:
      case frontendType.copyFail:
        return undefined
      case frontendType.functionCall:
        throw new SqlError({ code: '0A000', message: 'the function call protocol is not available here', hint: 'Call the function in a SELECT.' })
      case oversizeQuery:
      case oversizeOther:
        throw new SqlError({ code: '54000', message: 'the message is longer than the limit', hint: 'Send less at once.' })
      default:
        return handleExtended(this, type, body)
    }
  }

  /** Refuses the message at hand in the way of its protocol. */
  private refuse(thrown: unknown, type: number): void {
    const error = toSqlError(thrown)
    if (error.code === 'XX000') this.options.services.log.error({ err: error.cause ?? error, session: this.options.id }, 'a statement met a fault of ours')
    if (error.severity === 'FATAL') return this.expire(error)
    if (type === frontendType.query || type === oversizeQuery || type === frontendType.functionCall) {
      this.fail(error)
      this.localReady()
    } else this.failSeries(error)
  }

  /** An ErrorResponse of ours, in turn. */
  fail(error: SqlError): void {
    if (this.inTransaction) this.failed = true
    this.refusedInSeries = true
    this.answer(encodeErrorResponse(error.fields()))
  }

  /** The same within the extended protocol: what follows is skipped up to Sync. */
  failSeries(error: SqlError): void {
    this.seriesOpen = true
    this.skipping = true
    this.fail(error)
  }

  /** Frames of ours for the client, behind what it is still owed. */
  answer(bytes: Buffer): void {
    if (this.expectations.length === 0) this.emit(bytes)
    else this.expectations.add({ type: 'local', bytes })
  }

  // ---- judging

  get searchPath(): readonly string[] {
    return unquoteValues(this.settings.get('search_path') ?? '').filter(name => name !== '' && name !== '$user')
  }

  judgementContext(): JudgementContext {
    const policy = this.policy
    const catalog = this.options.database.catalog()
    const parseKey = this.settings.parseKey
    const known = this.contextNow
    if (known !== undefined && known.policy === policy && known.catalog === catalog && this.contextParseKey === parseKey) return known
    this.contextParseKey = parseKey
    this.contextKeyNow = `${policy.version}\u0000${catalog.version}\u0000${parseKey}`
    this.contextNow = { policy, catalog, searchPath: this.searchPath, login: this.options.principal.login }
    return this.contextNow
  }

  /** Changes whenever a verdict might: under which policy, catalog and settings a text is judged now. */
  get contextKey(): string {
    this.judgementContext()
    return this.contextKeyNow
  }

  /** Judged under what is in force now; names that the catalog snapshot does not know are looked for in the database once. */
  judge(text: string, parameterTypes: readonly number[]): Judged | Promise<Judged> {
    this.checkPrincipal()
    const judged = this.options.services.judgement.judge(text, parameterTypes, this.judgementContext())
    if (judged instanceof Promise) return judged.then(known => (missesRelation(known) ? this.judgeAgain(text, parameterTypes) : known))
    return missesRelation(judged) ? this.judgeAgain(text, parameterTypes) : judged
  }

  private async judgeAgain(text: string, parameterTypes: readonly number[]): Promise<Judged> {
    await this.options.database.refreshCatalog()
    return this.options.services.judgement.judge(text, parameterTypes, this.judgementContext())
  }

  private checkPrincipal(): void {
    const { expiresAt } = this.options.principal
    if (expiresAt !== null && this.options.services.now() >= expiresAt) {
      throw new SqlError({ code: '28000', message: 'the login has expired', hint: 'Log in again.', severity: 'FATAL' })
    }
  }

  planContext(): PlanContext {
    return {
      limits: this.policy.limits,
      settings: this.settings,
      login: this.options.principal.login,
      cursorRows: name => this.cursors.get(name)?.rows ?? 0,
    }
  }

  // ---- upstream

  get inTransaction(): boolean {
    return this.failed || this.status !== statusIdle
  }

  /** The error that a statement gets in a transaction that we ended or put in 'E'; undefined where it may go on. */
  failedError(): SqlError {
    const lost = this.lost
    this.lost = undefined
    return lost ?? new SqlError({ code: '25P02', message: 'current transaction is aborted, commands ignored until end of transaction block' })
  }

  /** Holds an upstream with the client's settings afterwards: at once, or once the promise resolves. @throws SqlError */
  hold(): Promise<void> | undefined {
    if (!this.options.services.audit.healthy) {
      throw new SqlError({ code: '57P03', message: 'the audit log cannot be written', hint: 'Nothing runs unrecorded: try again once the operator has mended it.' })
    }
    if (this.lease.upstream === undefined) return this.lease.hold()
    if (this.status === statusIdle && !this.explicitTransaction && this.expectations.length === 0 && !this.settings.inFlux) {
      this.settingsReset = false
      this.lease.align()
    }
    return undefined
  }

  /** Sends a group of statements as one Query. `rowsMax`: bounds the rows of the one statement in it, by the extended protocol. */
  sendQuery(text: string, runs: readonly StatementRun[], last: boolean, rowsMax: number | undefined): void {
    const upstream = this.lease.upstream
    if (upstream !== undefined) upstream.unnamedStatement = undefined
    this.expectations.add({ type: 'query', runs, index: 0, last, failed: false })
    this.lease.write(rowsMax === undefined ? encodeQuery(text) : encodeBounded(text, rowsMax))
  }

  /** Runs `then` once nothing is expected from upstream any more; asks it to send what it holds back. */
  whenDrained(then: () => Promise<void> | undefined): Promise<void> | undefined {
    if (this.expectations.length === 0) return then()
    if (this.seriesSent) this.lease.write(flushMessage)
    return new Promise<void>(resolve => this.drainWaiters.push(resolve)).then(then)
  }

  data(chunk: Buffer): void {
    try {
      this.scanner.push(chunk)
    } catch (error) {
      this.options.services.log.error({ err: error, session: this.options.id }, 'the server broke the protocol')
      this.lease.discard('protocol violation')
      return this.upstreamLost(toSqlError(error))
    }
    const head = this.expectations.first
    const run = head?.type === 'query' ? head.runs[head.index] : head?.type === 'execute' ? head.run : undefined
    if (run !== undefined && run.bytes > 0 && !run.recorded) this.records.started(run)
    if (this.options.sink.pendingBytes() > highWaterBytes && this.lease.upstream !== undefined && !this.paused) {
      this.paused = true
      this.lease.upstream.pause()
    }
    this.wakeDrained()
  }

  /** The sink's reader has caught up. */
  drained(): void {
    if (!this.paused) return
    this.paused = false
    this.lease.upstream?.resume()
  }

  private wakeDrained(): void {
    if (this.expectations.length > 0 || this.drainWaiters.length === 0) return
    const waiters = this.drainWaiters
    this.drainWaiters = []
    for (const wake of waiters) wake()
  }

  /** Backpressure towards the server is the socket's: what is written is bounded by what the client sent. */
  drain(): void {}

  closed(error: SqlError): void {
    this.lease.discard('closed')
    const fatal = this.fatal
    this.fatal = undefined
    this.upstreamLost(fatal === undefined ? error : new SqlError({ code: fatal.code, message: fatal.message, hint: 'The connection to the database was lost; try again.' }))
  }

  /** The upstream is gone: the client is told where it waits for an answer, and its transaction is over. */
  upstreamLost(error: SqlError): void {
    const wasInTransaction = this.status !== statusIdle || this.failed
    const pending = this.expectations.clear()
    this.status = statusIdle
    this.settings.rollback()
    this.portals.clear()
    this.cursors.clear()
    this.seriesSent = false
    this.replies.muted = false
    this.paused = false
    if (wasInTransaction) {
      this.failed = true
      this.transactionSince = 0
      if (pending.length === 0) this.lost = error
    }
    this.tellLoss(pending, error)
    this.wakeDrained()
  }

  private tellLoss(pending: readonly Expectation[], error: SqlError): void {
    const owed = pending.filter(item => item.type === 'sync' || (item.type === 'query' && item.last)).length
    for (const item of pending) {
      const run = item.type === 'execute' ? item.run : item.type === 'query' ? item.runs[item.index] : undefined
      if (run !== undefined) this.records.ended(run, error)
    }
    if (pending.length === 0 && !this.seriesOpen) return
    if (!this.skipping || pending.length > 0) this.emit(encodeErrorResponse({ ...error.fields(), severity: 'ERROR' }))
    if (this.seriesOpen) this.skipping = true
    for (let i = 0; i < owed; i++) this.localReady()
  }

  // ---- ReplyHost: what the server's answers mean

  emit(bytes: Buffer): void {
    this.options.sink.write(bytes)
  }

  mayCancel(): boolean {
    const head = this.expectations.first
    if (this.status !== statusIdle || head === undefined) return false
    if (head.type === 'query') return head.runs.length === 1 && this.expectations.length === 1
    return head.type === 'execute' && this.expectations.second?.type === 'sync' && this.expectations.length === 2
  }

  cancelRun(): void {
    void this.lease.cancel()
  }

  cutShort(error: SqlError): void {
    this.refusedInSeries = true
    this.seriesErrored = true
    this.emit(encodeErrorResponse(error.fields()))
    const head = this.expectations.first
    if (head?.type !== 'query') {
      this.replies.muted = true
      this.skipping = this.seriesOpen
    }
    this.cancelRun()
  }

  runCompleted(run: StatementRun, tag: string): void {
    const counter = run.counter
    if ('exhausted' in counter && run.truncated !== undefined) counter.exhausted = true
    const upstream = this.lease.upstream
    if (run.plan.dirties && upstream !== undefined) upstream.dirty = true
    if (run.plan.effect.type === 'transaction' && run.plan.effect.op === 'commit' && tag === 'COMMIT') this.seriesErrored = false
    applyEffect(this, run.plan.effect, tag, run.parameters)
    this.records.ended(run, undefined)
  }

  runFailed(run: StatementRun, error: SqlErrorFields): void {
    this.seriesErrored = true
    this.records.ended(run, error)
  }

  seriesFailed(): void {
    this.seriesErrored = true
    this.skipping = this.seriesOpen
    for (let head = this.expectations.first; head !== undefined && head.type !== 'sync'; head = this.expectations.first) {
      this.expectations.take()
      this.forgetFailed(head)
    }
  }

  /** What never came to be: statements whose Parse failed or was skipped, portals whose Bind was. */
  private forgetFailed(item: Expectation): void {
    const upstream = this.lease.upstream
    if (item.type === 'parse') {
      upstream?.statements.delete(item.key)
      if (upstream?.unnamedStatement === item.key) upstream.unnamedStatement = undefined
      if (item.statement !== undefined && this.statements.get(item.statement.name) === item.statement) this.statements.delete(item.statement.name)
    } else if (item.type === 'bind' && this.portals.get(item.portal.name) === item.portal) this.portals.delete(item.portal.name)
  }

  parameterChanged(name: string, value: string): boolean {
    this.lease.upstream?.parameters.set(name, value)
    if ((name === 'standard_conforming_strings' && value !== 'on') || (name === 'client_encoding' && value !== 'UTF8') || (name === 'default_transaction_read_only' && value !== 'on')) {
      throw new SqlError({ code: '08P01', message: `the database server changed ${name}` })
    }
    if (ownParameters.has(name) || this.parameters.get(name) === value) return false
    this.parameters.set(name, value)
    return true
  }

  replayed(item: Expectation & { type: 'replay' }): void {
    this.lease.settled(item.settings, item.key)
  }

  replayFailed(report: ServerReport): void {
    this.lease.discard('its settings could not be restored')
    this.upstreamLost(new SqlError({ code: report.code, message: `the session's settings could not be restored: ${report.message}`, hint: 'RESET ALL, then set them again.' }))
  }

  serverFatal(report: ServerReport): void {
    this.fatal = report
  }

  ready(status: number, item: Expectation): number | undefined {
    this.status = status
    if (status === statusIdle) this.endTransaction()
    else if (this.transactionSince === 0) this.transactionSince = this.options.services.now()
    if (status === statusInTransaction && this.refusedInSeries) this.failed = true
    if (item.type === 'query' && !item.last) return undefined
    return this.requestDone()
  }

  private endTransaction(): void {
    if (this.seriesErrored) this.settings.rollback()
    else this.settings.commit()
    this.failed = false
    this.transactionSince = 0
    this.portals.clear()
    this.cursors.clear()
    this.explicitTransaction = false
    if (!this.settingsReset) this.lease.settled(this.settings.wanted, this.settings.wantedKey)
    this.settingsReset = false
  }

  /** The client's ReadyForQuery is due: what it says, and the upstream goes back where nothing needs it. */
  private requestDone(): number {
    const status = this.failed ? statusFailed : this.status
    this.refusedInSeries = false
    this.seriesErrored = false
    const more = this.expectations.length > 0
    this.requestSince = more ? this.options.services.now() : 0
    this.idleSince = this.options.services.now()
    if (!more && !this.seriesOpen && this.status === statusIdle && this.options.database.pooling === 'transaction') {
      if (this.settingsInDoubt && this.lease.upstream !== undefined) this.lease.upstream.dirty = true
      this.settingsInDoubt = false
      this.lease.release()
    }
    return status
  }

  /** ReadyForQuery without the server: nothing went upstream. */
  localReady(): void {
    const bytes = (status: number) => encodeReadyForQuery(status === statusIdle ? 'I' : status === statusFailed ? 'E' : 'T')
    if (this.expectations.length > 0) {
      this.expectations.add({ type: 'local', bytes: bytes(this.failed ? statusFailed : this.status) })
      return
    }
    this.emit(bytes(this.requestDone()))
  }

  // ---- ends

  /** A cancel request of the client's. */
  async cancel(): Promise<void> {
    this.lease.stopWaiting(canceledByUser())
    if (this.expectations.length > 0) await this.lease.cancel()
  }

  tick(nowMs: number): void {
    const { limits } = this.policy
    const { principal, database } = this.options
    if (principal.expiresAt !== null && nowMs >= principal.expiresAt) return this.expire(new SqlError({ code: '28000', message: 'the login has expired', severity: 'FATAL' }))
    if (this.requestSince > 0 && nowMs - this.requestSince > limits.wallClockMs) return this.outOfTime(limits.wallClockMs)
    if (this.status === statusIdle || this.lease.upstream === undefined) return
    if (nowMs - this.transactionSince > limits.transactionTimeoutMs) {
      return this.loseTransaction(new SqlError({ code: '25P04', message: 'terminating transaction due to transaction timeout' }))
    }
    const idleMaxMs = database.pool.waiting > 0 ? limits.idleInTransactionContendedMs : limits.idleInTransactionTimeoutMs
    if (this.requestSince === 0 && nowMs - this.idleSince > idleMaxMs) {
      this.loseTransaction(new SqlError({ code: '25P03', message: 'terminating transaction due to idle-in-transaction timeout' }))
    }
  }

  private outOfTime(limitMs: number): void {
    this.requestSince = this.options.services.now()
    const error = new SqlError({ code: '57014', message: `canceling statement: the request took longer than ${limitMs} ms`, hint: 'Ask for less at once.' })
    if (this.lease.isWaiting) return this.lease.stopWaiting(error)
    if (this.lease.upstream === undefined) return
    void this.lease.cancel()
    this.lease.discard('over its wall clock')
    this.upstreamLost(error)
  }

  /** Ends the open transaction behind the client's back: it learns so at its next statement. */
  private loseTransaction(error: SqlError): void {
    if (this.expectations.length > 0) void this.lease.cancel()
    this.lease.discard(error.message)
    this.upstreamLost(error)
  }

  /** Ends the session with a FATAL. */
  expire(error: SqlError): void {
    if (this.ended) return
    this.emit(encodeErrorResponse(error.fatal().fields()))
    this.options.sink.end()
    void this.close()
  }

  /** The client is gone: what runs is stopped, what it holds is given up. */
  async close(): Promise<void> {
    if (this.ended) return
    this.ended = true
    this.options.services.sweep.delete(this)
    this.inbox = []
    this.lease.stopWaiting(canceledByUser())
    const running = this.expectations.length > 0
    if (running || this.status !== statusIdle) {
      const cancelled = running ? this.lease.cancel() : undefined
      this.lease.discard('its client left in the middle')
      for (const item of this.expectations.clear()) {
        if (item.type === 'execute') this.records.ended(item.run, canceledByUser())
        else if (item.type === 'query' && item.runs[item.index] !== undefined) this.records.ended(item.runs[item.index]!, canceledByUser())
      }
      await cancelled
    } else this.lease.release()
  }
}

const oversizeQuery = -1
const oversizeOther = -2
const emptyBody = Buffer.alloc(0)

function missesRelation(judged: Judged): boolean {
  return judged.statements.some(({ verdict }) => verdict.kind === 'refuse' && verdict.reason === 'unknown-relation')
}
