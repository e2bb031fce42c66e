/** All that a session knows of its client, and the few moves that its parts share. */
import { SqlError } from '../errors.ts'
import type { UpstreamOwner } from '../upstream/connection.ts'
import { encodeQuery, encodeReadyForQuery, flush, sync } from '../wire/query.ts'
import { encodeErrorResponse } from '../wire/reports.ts'
import { awaitReplay } from './await-replay.ts'
import type { SessionOptions } from './context.ts'
import type { ClientState } from './effects.ts'
import { Expectations, type Undo } from './expectation.ts'
import { narrowPolicy, SessionJudge } from './judging.ts'
import { Lease } from './lease.ts'
import { quoteIfNeeded } from './plan.ts'
import type { PlanContext } from './planning.ts'
import { StatementRecords } from './records.ts'
import { refusalOf } from './refused.ts'
import type { StatementRun } from './run.ts'
import { ClientSettings, initialSettings } from './settings.ts'
import { encodeBounded } from './simple.ts'
import { type ClientCursor, type ClientPortal, type ClientStatement, dropPortals } from './statements.ts'
import { Unanswered } from './unanswered.ts'

/** Transaction status as ReadyForQuery gives it. */
export const statusIdle = 0x49
export const statusInTransaction = 0x54
export const statusFailed = 0x45

export class SessionState implements ClientState {
  readonly options: SessionOptions
  readonly expectations = new Expectations()
  readonly settings: ClientSettings
  readonly statements = new Map<string, ClientStatement>()
  readonly portals = new Map<string, ClientPortal>()
  readonly cursors = new Map<string, ClientCursor>()
  readonly lease: Lease
  readonly records: StatementRecords
  readonly judge: SessionJudge
  /** A run's: it writes, keeps its upstream, and nobody has that after it. */
  readonly isBuilder: boolean
  /** ParameterStatus as the client knows it. */
  readonly parameters: Map<string, string>
  /** A lost connection had reported what is undone now. */
  parametersInDoubt = false
  failed = false
  explicitTransaction = false
  settingsInDoubt = false
  spoiled = false
  settingsReset = false
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
  /** Query messages that the server has not answered to the end. */
  queriesPending = 0
  /** Something failed upstream in it: what was set in it is undone. */
  seriesErrored = false
  /** When the request at hand began, and the last one ended; 0: none. */
  requestSince = 0
  idleSince = 0
  transactionSince = 0
  /** The message at hand was counted against the rates. */
  counted = false
  /** Before the login is answered: the client is told nothing yet. */
  starting = false
  /** Why the open transaction is gone (said to the client once), or what failed while starting. */
  lost: SqlError | undefined
  readonly unanswered = new Unanswered(this.expectations)
  private drainWaiters: (() => void)[] = []

  constructor(options: SessionOptions, owner: UpstreamOwner) {
    const { principal, database, services } = options
    const policy = database.policyOf(principal)
    const { limits } = options.limits === undefined ? policy : narrowPolicy(policy, options.limits)
    const schemas = options.searchPath ?? policy.schemas
    this.options = options
    this.isBuilder = policy.builder !== undefined
    this.settings = new ClientSettings(initialSettings(limits, schemas, options.settings ?? []))
    this.judge = new SessionJudge(options, this.settings)
    this.parameters = new Map([
      ...database.parameters(),
      ['session_authorization', principal.login],
      ['is_superuser', 'off'],
    ])
    if (this.parameters.has('search_path')) this.parameters.set('search_path', schemas.map(quoteIfNeeded).join(', '))
    this.records = new StatementRecords(options)
    this.lease = new Lease({
      owner,
      expectations: this.expectations,
      settings: this.settings,
      database,
      now: services.now,
      claim: () => this.claim(),
    })
  }

  private claim() {
    const { principal, database } = this.options
    const { upstreamsPerPrincipal, upstreamsPerTenant } = this.judge.policy.limits
    return { tenant: database.tenant, principal: principal.id, upstreamsPerPrincipal, upstreamsPerTenant }
  }

  /** Cursors and portals share their names: FETCH takes from either. */
  counterOf(name: string): ClientCursor | ClientPortal | undefined {
    return this.cursors.get(name) ?? this.portals.get(name)
  }

  /** Every statement is refused up to the end of the transaction block: by us, or by the server. */
  get isAborted(): boolean {
    return this.failed || this.status === statusFailed
  }

  get inTransaction(): boolean {
    return this.failed || this.status !== statusIdle
  }

  emit(bytes: Buffer): void {
    this.options.sink.write(bytes)
  }

  /** Frames of ours for the client, behind what it is still owed. */
  answer(bytes: Buffer, undo?: Undo): void {
    if (this.expectations.length === 0) this.emit(bytes)
    else this.expectations.add({ type: 'local', bytes, undo })
  }

  /** The upstream has settings that are not the client's: it hears nothing of them, nor does the next borrower. */
  spoil(): void {
    this.spoiled = true
    this.settingsInDoubt = true
  }

  /** An ErrorResponse of ours, in turn. */
  fail(error: SqlError): void {
    if (this.inTransaction || this.explicitTransaction) this.failed = true
    else if (this.settings.inFlux) {
      // On Postgres the series' own transaction ends with the error, and what was set in it.
      this.seriesErrored = true
      this.spoil()
    }
    this.refusedInSeries = true
    this.answer(encodeErrorResponse(error.fields()))
  }

  /** The same within the extended protocol: what follows is skipped up to Sync. */
  failSeries(error: SqlError): void {
    this.seriesOpen = true
    this.skipping = true
    this.fail(error)
  }

  /** The error that a statement gets in a transaction that we ended or put in 'E'. */
  failedError(): SqlError {
    const { lost } = this
    this.lost = undefined
    return (
      lost ??
      new SqlError({
        code: '25P02',
        message: 'current transaction is aborted, commands ignored until end of transaction block',
      })
    )
  }

  planContext(): PlanContext {
    return {
      limits: this.judge.policy.limits,
      settings: this.settings,
      login: this.options.principal.login,
      hasStatement: name => this.statements.has(name),
      writes: this.isBuilder,
      cursorRows: name => this.counterOf(name)?.rows ?? 0,
    }
  }

  /** Holds an upstream with the client's settings for `text`: at once, or once the promise resolves. @throws RefusedStatement */
  hold(text: string): Promise<void> | undefined {
    try {
      return awaitReplay(this, this.holdAligned())?.catch(error => {
        throw refusalOf(text, error)
      })
    } catch (error) {
      throw refusalOf(text, error)
    }
  }

  /** @throws SqlError where what runs now could not be recorded */
  requireAudit(): void {
    if (this.options.services.audit.healthy) return
    throw new SqlError({
      code: '57P03',
      message: 'the audit log cannot be written',
      hint: 'Nothing runs unrecorded: try again once the operator has mended it.',
    })
  }

  private holdAligned(): Promise<void> | undefined {
    this.requireAudit()
    const { lease, settings } = this
    if (lease.upstream === undefined) return lease.hold()
    if (lease.upstream.settingsKey === settings.wantedKey || settings.inFlux) return undefined
    if (!this.inTransaction && !this.explicitTransaction && this.expectations.length === 0) {
      this.settingsReset = false
      this.endSeries()
      lease.align()
    }
    return undefined
  }

  /**
   * A Query within an extended series goes behind a Sync of ours: without one PostgreSQL 18 forgets to end the implicit
   * transaction at the client's Sync, and the connection's next statement fails with "unexpected state STARTED" (tried).
   */
  endSeries(): void {
    if (!this.seriesSent) return
    this.seriesSent = false
    this.unanswered.endSeries()
    this.expectations.add({ type: 'sync', ours: true, refused: false })
    this.lease.write(sync)
  }

  /** Sends a group of statements as one Query. `rowsMax`: bounds the rows of the one statement in it, by the extended protocol. */
  sendQuery(text: string, runs: readonly StatementRun[], last: boolean, rowsMax: number | undefined): void {
    const { upstream } = this.lease
    if (upstream !== undefined) upstream.unnamedStatement = undefined
    this.endSeries()
    this.expectations.add({ type: 'query', runs, index: 0, last, failed: false, refused: false })
    this.queriesPending++
    this.lease.write(rowsMax === undefined ? encodeQuery(text) : encodeBounded(text, rowsMax))
  }

  /** Runs `then` once nothing is expected from upstream any more; asks it to send what it holds back. */
  whenDrained(then: () => Promise<void> | undefined): Promise<void> | undefined {
    if (this.expectations.length === 0) return then()
    if (this.seriesSent) this.lease.write(flush)
    return new Promise<void>(resolve => this.drainWaiters.push(resolve)).then(then)
  }

  wakeDrained(): void {
    if (this.expectations.length > 0 || this.drainWaiters.length === 0) return
    const waiters = this.drainWaiters
    this.drainWaiters = []
    for (const wake of waiters) wake()
  }

  /** The client's ReadyForQuery is due: what it says, and the upstream goes back where nothing needs it. */
  requestDone(): number {
    const now = this.options.services.now()
    const more = this.expectations.length > 0
    this.seriesErrored = false
    this.requestSince = more || this.seriesOpen ? now : 0
    this.idleSince = now
    const isSessions = this.options.database.pooling === 'session' && !this.settingsInDoubt
    const keep = more || this.seriesOpen || this.status !== statusIdle || isSessions || this.isBuilder
    if (!keep) this.release()
    return this.failed ? statusFailed : this.status
  }

  /** Gives the upstream back, between transactions. */
  release(): void {
    if (this.isBuilder) return this.lease.discard('the session of its run is over')
    if (this.settingsInDoubt && this.lease.upstream !== undefined) this.lease.upstream.dirty = true
    this.settingsInDoubt = false
    this.lease.release()
  }

  /** ReadyForQuery without the server: nothing went upstream. */
  localReady(): void {
    const refused = this.refusedInSeries
    this.refusedInSeries = false
    if (this.expectations.length > 0) this.expectations.add({ type: 'ready', refused })
    else this.emitReady(refused)
  }

  /** @param refused something of the series was refused by us */
  emitReady(refused: boolean): void {
    if (refused && this.status === statusInTransaction) this.failed = true
    if (!this.inTransaction) dropPortals(this.portals, this.expectations)
    const status = this.requestDone()
    this.emit(encodeReadyForQuery(status === statusIdle ? 'I' : status === statusFailed ? 'E' : 'T'))
  }
}
