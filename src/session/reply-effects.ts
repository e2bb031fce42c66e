/** What the server's answers mean for the session. */
import { SqlError, type SqlErrorFields } from '../errors.ts'
import { encodeErrorResponse, type ServerReport } from '../wire/reports.ts'
import { encodeParameterStatus } from '../wire/session-start.ts'
import { applyEffect, changesContext } from './effects.ts'
import type { Expectation, Expectations } from './expectation.ts'
import { loseUpstream } from './losses.ts'
import { ownParameters } from './own-parameters.ts'
import type { ReplyHost } from './replies.ts'
import { StatementRun } from './run.ts'
import { type SessionState, statusIdle, statusInTransaction } from './state.ts'
import { type ClientStatement, dropPortals } from './statements.ts'

export class ReplyEffects implements ReplyHost {
  private readonly state: SessionState
  /** After an error of ours in an extended series: nothing passes until its ReadyForQuery. */
  muted = false
  lost = false
  /** The server said why it is about to end the connection. */
  fatal: ServerReport | undefined

  constructor(state: SessionState) {
    this.state = state
  }

  get expectations(): Expectations {
    return this.state.expectations
  }

  get failed(): boolean {
    return this.state.failed
  }

  mayCancel(): boolean {
    const { status, expectations, settings } = this.state
    const head = expectations.first
    // A cancel undoes the transaction, and with it what was set in it.
    if (status !== statusIdle || head === undefined || settings.inFlux) return false
    if (head.type === 'query') return head.runs.length === 1 && expectations.length === 1
    return head.type === 'execute' && expectations.second?.type === 'sync' && expectations.length === 2
  }

  cancelRun(): void {
    this.state.lease.stop()
  }

  emitReady(refused: boolean): void {
    this.state.emitReady(refused)
  }

  emit(bytes: Buffer): void {
    this.state.emit(bytes)
  }

  cutShort(error: SqlError): void {
    const { state } = this
    const { expectations } = state
    const head = expectations.first
    state.seriesErrored = true
    // The server may complete what we refuse here, and keep what was set beside it: in doubt, it is not lent on.
    if (state.lease.upstream !== undefined) state.lease.upstream.dirty = true
    state.emit(encodeErrorResponse(error.fields()))
    if (head?.type === 'query') {
      head.refused = true
      head.failed = true
    } else {
      this.muted = true
      const sync = expectations.nextSync()
      if (sync !== undefined) sync.refused = true
      else {
        state.refusedInSeries = true
        state.skipping = state.seriesOpen
      }
    }
    if (expectations.last === (head?.type === 'query' ? head : (expectations.nextSync() ?? expectations.last)))
      this.cancelRun()
  }

  runCompleted(run: StatementRun, tag: string, unseen: boolean): void {
    const { state } = this
    const { upstream } = state.lease
    const { plan, counter } = run
    if ('exhausted' in counter && run.truncated !== undefined) counter.exhausted = true
    if (plan.effect.type === 'copy-in') run.rows = Number(/^COPY (\d+)$/.exec(tag)?.[1] ?? 0)
    if (plan.dirties && upstream !== undefined) upstream.dirty = true
    // What the client knows nothing of is not its setting; the upstream may have it all the same.
    if (unseen && plan.effect.type !== 'transaction' && changesContext(plan.effect, state.settings)) state.spoil()
    else applyEffect(state, plan.effect, tag, run.parameters)
    if (plan.effect.type === 'transaction' && /^(?:commit|rollback)$/.test(plan.effect.op)) {
      dropPortals(state.portals, state.expectations)
      if (!plan.effect.chain) state.status = statusIdle
    }
    state.records.ended(run, undefined)
  }

  runFailed(run: StatementRun, error: SqlErrorFields): void {
    this.state.records.ended(run, error)
    this.state.seriesErrored = true
  }

  statementFailed(statement: ClientStatement, error: SqlErrorFields): void {
    const { judge, lease, options, records } = this.state
    const { plan, source, statementText: text } = statement
    const startedAtMs = options.services.now()
    const { limits } = judge.policy
    records.ended(new StatementRun({ plan, text, source, limits, startedAtMs, waitMs: lease.waitedMs }), error)
  }

  seriesFailed(): void {
    const { state } = this
    state.seriesErrored = true
    const { expectations } = state
    // A Sync that was sent ends the skipping; the client may be in its next series already.
    if (expectations.nextSync() === undefined) state.skipping = state.seriesOpen
    const [failed, ...skipped] = expectations.takeSeries()
    for (const item of skipped.reverse()) {
      this.forget(item)
      if ('undo' in item) item.undo?.()
    }
    if (failed !== undefined) this.forget(failed)
    if (failed?.type === 'parse' && failed.undo !== undefined) state.statements.delete(failed.statement.name)
  }

  /** What never came to be upstream, of a message that failed or was skipped. */
  private forget(item: Expectation): void {
    const { portals, unanswered, lease } = this.state
    const { upstream } = lease
    if (item.type === 'parse' && unanswered.isLatest(item.key, item.place)) {
      upstream?.statements.delete(item.key)
      if (upstream?.unnamedStatement === item.key) upstream.unnamedStatement = undefined
    } else if (item.type === 'close' && item.evicts) {
      // What was to be closed for want of room is still there.
      if (upstream !== undefined) upstream.dirty = true
    } else if (item.type === 'bind' && portals.get(item.portal.name) === item.portal) {
      if (item.before === undefined) portals.delete(item.portal.name)
      else portals.set(item.portal.name, item.before)
    }
  }

  parameterChanged(name: string, value: string): boolean {
    const { parameters, lease, spoiled } = this.state
    // Destroys the connection where a pin is left: what was judged would mean something else there.
    lease.upstream?.report({ name, value })
    if (spoiled || ownParameters.has(name) || parameters.get(name) === value) return false
    parameters.set(name, value)
    return !this.state.starting
  }

  replayed(item: Expectation & { type: 'replay' }): void {
    this.state.lease.settled(item.settings, item.key)
  }

  replayFailed(report: ServerReport): void {
    this.lost = true
    this.state.lease.discard('its settings could not be restored')
    const message = `the session's settings could not be restored: ${report.message}`
    loseUpstream(this.state, new SqlError({ code: report.code, message, hint: 'RESET ALL, then set them again.' }))
  }

  serverFatal(report: ServerReport): void {
    this.fatal = report
  }

  ready(status: number, item: Expectation): number | undefined {
    const { state } = this
    this.muted = false
    state.spoiled = false
    state.status = status
    if (status === statusIdle) this.endTransaction()
    else {
      state.explicitTransaction = true
      if (state.transactionSince === 0) state.transactionSince = state.options.services.now()
    }
    if (item.type === 'query') state.queriesPending--
    const refused = (item.type === 'query' || item.type === 'sync') && item.refused
    if (status === statusInTransaction && refused) state.failed = true
    if ((item.type === 'query' && !item.last) || (item.type === 'sync' && item.ours)) return undefined
    if (state.parametersInDoubt) this.reportParameters()
    return state.requestDone()
  }

  private reportParameters(): void {
    const { state } = this
    state.parametersInDoubt = false
    for (const [name, value] of state.lease.upstream?.parameters ?? [])
      if (this.parameterChanged(name, value)) state.emit(encodeParameterStatus(name, value))
  }

  private endTransaction(): void {
    const { state } = this
    const { settings } = state
    if (state.seriesErrored) settings.rollback()
    else settings.commit()
    state.failed = false
    state.lost = undefined
    state.explicitTransaction = false
    state.transactionSince = 0
    dropPortals(state.portals, state.expectations)
    state.cursors.clear()
    if (!state.settingsReset) state.lease.settled(settings.wanted, settings.wantedKey)
    state.settingsReset = false
  }
}
