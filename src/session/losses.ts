/** What ends under a session's hands: its upstream, its transaction, its time. */
import { SqlError } from '../errors.ts'
import { encodeErrorResponse } from '../wire/reports.ts'
import type { Expectation } from './expectation.ts'
import type { StatementRun } from './run.ts'
import { type SessionState, statusIdle } from './state.ts'

/** The upstream is gone: the client is told where it waits for an answer, and its transaction is over. */
export function loseUpstream(state: SessionState, error: SqlError): void {
  const pending = state.expectations.clear()
  const told = state.seriesErrored
  if (state.inTransaction) {
    state.failed = true
    if (pending.length === 0) state.lost = error
  }
  if (state.starting) state.lost = error
  state.status = statusIdle
  state.explicitTransaction = false
  state.transactionSince = 0
  state.seriesSent = false
  state.queriesPending = 0
  if (state.settings.inFlux) state.parametersInDoubt = true
  state.settings.rollback()
  state.portals.clear()
  state.cursors.clear()
  state.seriesErrored = true
  for (const run of runsOf(pending)) state.records.lost(run, error)
  for (const item of [...pending].reverse()) if ('undo' in item) item.undo?.()
  if (!state.starting) answerPending(state, pending, error, told)
  state.wakeDrained()
}

/** Each series that waits gets the error, once, and its ReadyForQuery where it asked for it; what we had to say is said in its turn. */
function answerPending(
  state: SessionState,
  pending: readonly Expectation[],
  error: SqlError,
  firstIsTold: boolean,
): void {
  const report = encodeErrorResponse({ ...error.fields(), severity: 'ERROR' })
  let told = firstIsTold
  const tell = (): void => {
    if (!told) state.emit(report)
    told = true
  }
  for (const item of pending) {
    if (item.type === 'replay') continue
    if (item.type === 'local') {
      if (!told) state.emit(item.bytes)
      continue
    }
    if (item.type !== 'ready') tell()
    if (item.type === 'ready' || (item.type === 'sync' && !item.ours) || (item.type === 'query' && item.last)) {
      state.emitReady(false)
      told = false
    }
  }
  if (!state.seriesOpen || state.skipping) return
  tell()
  state.skipping = true
}

/** The statements that had begun. */
export function runsOf(pending: readonly Expectation[]): StatementRun[] {
  return pending.flatMap(item => {
    if (item.type === 'execute') return [item.run]
    const run = item.type === 'query' ? item.runs.slice(item.index).find(({ plan }) => !plan.unseen) : undefined
    return run === undefined ? [] : [run]
  })
}

/** Keeps the clocks of one session: its request's, its transaction's. Ours fire before the server's. @returns what to give the upstream up for */
export function checkClocks(state: SessionState, nowMs: number): SqlError | undefined {
  const { limits } = state.judge.policy
  if (state.requestSince > 0 && nowMs - state.requestSince > limits.wallClockMs)
    return outOfTime(state, nowMs, limits.wallClockMs)
  if (state.status === statusIdle || state.lease.upstream === undefined) return undefined
  if (nowMs - state.transactionSince > limits.transactionTimeoutMs)
    return new SqlError({ code: '25P04', message: 'terminating transaction due to transaction timeout' })
  const contended = state.options.database.pool.waiting > 0
  const idleMaxMs = contended ? limits.idleInTransactionContendedMs : limits.idleInTransactionTimeoutMs
  if (state.requestSince > 0 || nowMs - state.idleSince <= idleMaxMs) return undefined
  return new SqlError({ code: '25P03', message: 'terminating transaction due to idle-in-transaction timeout' })
}

function outOfTime(state: SessionState, nowMs: number, limitMs: number): SqlError | undefined {
  state.requestSince = nowMs
  const message = `canceling statement: the request took longer than ${limitMs} ms`
  const hint = 'Ask for less at once, and send Sync after each request.'
  const error = new SqlError({ code: '57014', message, hint })
  if (state.lease.isWaiting) state.lease.stopWaiting(error)
  return state.lease.upstream === undefined ? undefined : error
}
