/**
 * The simple protocol: a Query message of one or more statements. All are judged before any runs. What goes upstream goes
 * together, one Query for as many statements as possible; a statement that changes what later ones mean ends such a group.
 */
import { SqlError, type SqlErrorFields } from '../errors.ts'
import type { Verdict } from '../guard/verdict.ts'
import { encodeBind, encodeDescribe, encodeExecute, encodeParse } from '../wire/extended-query.ts'
import { decodeQuery, emptyQueryResponse, sync } from '../wire/query.ts'
import { makeSchema } from './create-schema.ts'
import { changesContext } from './effects.ts'
import type { Judged, JudgedStatement } from './judgement.ts'
import type { Plan } from './plan.ts'
import { planTransaction } from './plan-transaction.ts'
import { planAnswer, planRun } from './planning.ts'
import { charactersBefore, type TextSource } from './position.ts'
import { RefusedStatement, refusalOf } from './refused.ts'
import { StatementRun } from './run.ts'
import type { SessionState } from './state.ts'

const separator = '\n;'

/** @returns a promise where the message has to wait for something before it is through */
export function runQuery(state: SessionState, body: Buffer): Promise<void> | undefined {
  const text = decodeQuery(body)
  state.statements.delete('')
  state.portals.delete('')
  const judged = state.judge.judge(text, [])
  if (judged instanceof Promise) return judged.then(known => runJudged(state, text, known))
  return runJudged(state, text, judged)
}

function runJudged(state: SessionState, text: string, judged: Judged): Promise<void> | undefined {
  if (judged.error !== undefined) throw refusalOf(text, judged.error)
  if (judged.statements.length === 0) {
    state.answer(emptyQueryResponse)
    state.localReady()
    return undefined
  }
  for (const statement of judged.statements) checkVerdict(state, text, statement)
  return runFrom(state, text, judged, 0, false)
}

/** @throws RefusedStatement, its position led to the whole message */
export function checkVerdict(state: SessionState, text: string, statement: JudgedStatement): void {
  const { verdict } = statement
  if (verdict.kind !== 'refuse') return
  // In an aborted transaction Postgres looks no further than the grammar.
  if (state.isAborted) throw new RefusedStatement(statement.text, state.failedError().fields(), verdict)
  const { position } = verdict.error
  const error =
    position === undefined
      ? verdict.error
      : { ...verdict.error, position: position + charactersBefore(text, statement.start) }
  throw new RefusedStatement(statement.text, error, verdict)
}

interface Planned {
  readonly statement: JudgedStatement
  readonly plan: Plan
}

/** Runs the statements from `index` on, group by group. `wrapped`: in a transaction of ours. */
function runFrom(
  state: SessionState,
  text: string,
  judged: Judged,
  index: number,
  wrapped: boolean,
  made?: readonly SqlErrorFields[],
): Promise<void> | undefined {
  const plans = planGroup(state, judged, index, made)
  const [first] = plans
  if (first?.plan.effect.type === 'create-schema' && made === undefined && !state.isAborted) {
    return makeSchema(state, first.statement.text, first.plan.effect).then(notices =>
      runFrom(state, text, judged, index, wrapped, notices),
    )
  }
  const next = index + plans.length
  const last = next >= judged.statements.length
  const begins = !wrapped && !last && index === 0 && isOneTransaction(state, judged)
  const within = wrapped || begins
  const held = state.hold(plans[0]?.statement.text ?? text)
  const send = (): Promise<void> | undefined => {
    const group = [
      ...(begins ? [unseen(state, 'begin')] : []),
      ...plans,
      ...(within && last ? [unseen(state, 'commit')] : []),
    ]
    sendGroup(state, text, judged.statements.length === 1, group, last && !within)
    if (last && !within) return undefined
    return state.whenDrained(() => continueAfter(state, text, judged, next, within))
  }
  return held === undefined ? send() : held.then(send)
}

/** As many statements as can be planned now. */
function planGroup(state: SessionState, judged: Judged, index: number, made?: readonly SqlErrorFields[]): Planned[] {
  const plans: Planned[] = []
  for (const statement of judged.statements.slice(index)) {
    const plan = planFor(state, statement, state.failed && plans.length === 0)
    // RESET ALL looks at the transaction, FETCH at how much its cursor has given: both are known once all before is through.
    // CREATE SCHEMA is made elsewhere, once what stands before it has run.
    const alone = plan.effect.type === 'reset-all' || plan.effect.type === 'create-schema'
    const late = alone || plan.effect.type === 'fetch'
    if (late && plans.length > 0) break
    plans.push({ statement, plan: made === undefined ? plan : { ...plan, notices: made } })
    if (alone || changesContext(plan.effect, state.settings)) break
  }
  return plans
}

/** On Postgres the statements of a message are one transaction, unless they control it themselves. Those that we send in groups need a BEGIN. */
function isOneTransaction(state: SessionState, judged: Judged): boolean {
  if (state.inTransaction || state.explicitTransaction) return false
  return judged.statements.every(({ verdict }) => {
    const type = verdict.kind === 'answer' ? verdict.answer.type : ''
    return type !== 'transaction' && type !== 'reset-all' && type !== 'discard'
  })
}

/** Transaction control that the client did not ask for and does not see. */
function unseen(state: SessionState, op: 'begin' | 'commit' | 'rollback'): Planned {
  const plan = { ...planTransaction({ type: 'transaction', op }, state.isBuilder), unseen: true }
  return { statement: { text: '', start: 0, verdict: noVerdict }, plan }
}

const noVerdict: Verdict = {
  kind: 'answer',
  statementKind: 'transaction',
  relations: [],
  functions: [],
  answer: { type: 'empty' },
}

function continueAfter(
  state: SessionState,
  text: string,
  judged: Judged,
  next: number,
  wrapped: boolean,
): Promise<void> | undefined {
  if (state.seriesErrored || next >= judged.statements.length) return rollBack(state, wrapped, () => state.localReady())
  const go = (known: Judged): Promise<void> | undefined => {
    if (known.error !== undefined) throw refusalOf(text, known.error)
    for (const statement of known.statements.slice(next)) checkVerdict(state, text, statement)
    return runFrom(state, text, known, next, wrapped)
  }
  const refused = (error: unknown): Promise<void> | undefined =>
    rollBack(state, wrapped, () => {
      throw error
    })
  try {
    const again = state.judge.judge(text, [])
    const going = again instanceof Promise ? again.then(go) : go(again)
    return wrapped ? going?.catch(refused) : going
  } catch (error) {
    return refused(error)
  }
}

/** Ends the transaction of ours where it is still open, then goes on. */
function rollBack(state: SessionState, wrapped: boolean, then: () => void): Promise<void> | undefined {
  const goOn = (): undefined => {
    if (wrapped) state.failed = false
    then()
    return undefined
  }
  if (!wrapped || !state.explicitTransaction) return goOn()
  sendGroup(state, '', false, [unseen(state, 'rollback')], false)
  return state.whenDrained(goOn)
}

/** @throws RefusedStatement: 25P02 in a transaction that we put in 'E', 25001 for what a transaction block cannot hold */
export function planFor(state: SessionState, statement: JudgedStatement, failed: boolean): Plan {
  try {
    return planVerdict(state, statement.verdict, failed)
  } catch (error) {
    throw refusalOf(statement.text, error)
  }
}

function planVerdict(state: SessionState, verdict: Verdict, failed: boolean): Plan {
  if (verdict.kind === 'refuse') throw new SqlError(verdict.error)
  const plan =
    verdict.kind === 'run' ? planRun(verdict, state.options.virtualPid) : planAnswer(verdict, state.planContext())
  refuseInTransaction(state, plan)
  if (!failed) return plan
  const { effect } = plan
  const lostSavepoint =
    effect.type === 'transaction' && effect.op === 'rollback-to' && state.lease.upstream === undefined
  if (!plan.exits || lostSavepoint) throw state.failedError()
  return effect.type === 'transaction' && effect.op === 'commit'
    ? { ...plan, text: effect.chain ? 'rollback and chain' : 'rollback' }
    : plan
}

/** @throws SqlError 25001 for a reset within a transaction block */
export function refuseInTransaction(state: SessionState, { effect, tag }: Plan): void {
  if (effect.type !== 'reset-all' || !state.explicitTransaction) return
  throw new SqlError({
    code: '25001',
    message: `${tag ?? 'RESET ALL'} cannot run inside a transaction block`,
    hint: 'End the transaction first.',
  })
}

function sendGroup(state: SessionState, text: string, single: boolean, group: readonly Planned[], last: boolean): void {
  const { limits } = state.judge.policy
  const only = group.length === 1 && single ? group[0] : undefined
  const parts: string[] = []
  const starts: number[] = []
  let length = 0
  for (const { statement, plan } of group) {
    const part = only === undefined ? plan.text : wholeText(text, statement, plan)
    starts.push(length + (only === undefined || plan.splices === undefined ? 0 : statement.start))
    parts.push(part)
    length += part.length + separator.length
  }
  const upstreamText = parts.join(separator)
  const runs = group.map(({ statement, plan }, i) => {
    const source: TextSource | undefined =
      plan.splices === undefined
        ? undefined
        : {
            clientText: text,
            upstreamText,
            clientStart: statement.start,
            upstreamStart: starts[i]!,
            splices: plan.splices,
          }
    const cursor = plan.effect.type === 'fetch' ? state.counterOf(plan.effect.cursor) : undefined
    return new StatementRun({
      plan,
      text: statement.text,
      source,
      limits,
      startedAtMs: state.options.services.now(),
      waitMs: state.lease.waitedMs,
      counter: cursor,
    })
  })
  state.sendQuery(
    upstreamText,
    runs,
    last,
    only !== undefined && needsBound(only.plan) ? limits.rowsMax + 1 : undefined,
  )
}

/** A result that no LIMIT bounds is bounded by Execute's row count, so that the server stops by itself. */
function needsBound(plan: Plan): boolean {
  return plan.effect.type === 'rows' && plan.kind === 'select' && plan.limitPushed === undefined
}

/** The client's own message with its one statement as it runs: comments around it stay. */
export function wholeText(text: string, statement: JudgedStatement, plan: Plan): string {
  if (plan.splices === undefined) return plan.text
  if (plan.splices.length === 0) return text
  return text.slice(0, statement.start) + plan.text + text.slice(statement.start + statement.text.length)
}

/** One statement by the extended protocol, as the simple one would have run it, but for the bound on its rows. */
export function encodeBounded(text: string, rowsMax: number): Buffer {
  return Buffer.concat([
    encodeParse({ name: '', text, parameterTypes: [] }),
    encodeBind({ portal: '', statement: '', parameterFormats: [], parameters: [], resultFormats: [] }),
    encodeDescribe({ kind: 'P', name: '' }),
    encodeExecute({ portal: '', rowsMax }),
    sync,
  ])
}
