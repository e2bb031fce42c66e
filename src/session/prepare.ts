/** A client's prepared statements: judged, planned, and known to the upstream under a name of ours. */
import { encodeClose, encodeParse } from '../wire/extended-query.ts'
import type { Undo } from './expectation.ts'
import { type Judged, upstreamKeyOf } from './judgement.ts'
import type { Plan } from './plan.ts'
import { RefusedStatement, refusalOf } from './refused.ts'
import { checkVerdict, planFor, wholeText } from './simple.ts'
import type { SessionState } from './state.ts'
import type { ClientStatement } from './statements.ts'

/** @param contextKey from before it was judged: if that has changed since, it is judged again at Bind. @throws RefusedStatement */
export function makeStatement(
  state: SessionState,
  name: string,
  text: string,
  parameterTypes: readonly number[],
  judged: Judged,
  contextKey: string,
): ClientStatement {
  if (judged.error !== undefined) throw refusalOf(text, judged.error)
  if (judged.statements.length > 1) {
    const message = 'cannot insert multiple commands into a prepared statement'
    throw new RefusedStatement(text, { code: '42601', message })
  }
  const only = judged.statements[0]
  if (only === undefined) {
    return {
      name,
      text,
      parameterTypes,
      judged,
      contextKey,
      plan: emptyPlan,
      source: undefined,
      upstreamKey: '',
      cached: false,
      statementText: '',
    }
  }
  checkVerdict(state, text, only)
  const plan = planFor(state, only, state.failed)
  const upstreamText = wholeText(text, only, plan)
  return {
    name,
    text,
    parameterTypes,
    judged,
    contextKey,
    plan: { ...plan, text: upstreamText },
    source:
      plan.splices === undefined
        ? undefined
        : { clientText: text, upstreamText, clientStart: only.start, upstreamStart: only.start, splices: plan.splices },
    upstreamKey: upstreamKeyOf(judged, upstreamText, state.settings.parseKey),
    cached: name !== '' && plan.splices !== undefined,
    statementText: only.text,
  }
}

const emptyPlan: Plan = {
  kind: 'empty',
  text: '',
  splices: undefined,
  effect: { type: 'none' },
  tag: undefined,
  notices: [],
  limitPushed: undefined,
  dirties: false,
  examines: [],
  relations: [],
  exits: true,
}

/** The statement as it is judged under what is in force now: policy, catalog and settings may have changed since Parse. */
export function currentStatement(
  state: SessionState,
  statement: ClientStatement,
  then: (statement: ClientStatement) => Promise<void> | undefined,
): Promise<void> | undefined {
  const { contextKey } = state.judge
  if (
    statement.contextKey === contextKey &&
    statement.plan.exits === false &&
    !state.failed &&
    statement.plan.splices !== undefined
  )
    return then(statement)
  const judged = state.judge.judge(statement.text, statement.parameterTypes)
  const go = (known: Judged): Promise<void> | undefined => {
    const { name, text, parameterTypes } = statement
    const again = makeStatement(state, name, text, parameterTypes, known, contextKey)
    if (state.statements.get(name) === statement) state.statements.set(name, again)
    return then(again)
  }
  return judged instanceof Promise ? judged.then(go) : go(judged)
}

/** Makes the upstream know the statement. False: it does already, nothing was sent. `undo`: for a Parse of the client's own, which waits for the answer. */
export function sendParse(state: SessionState, statement: ClientStatement, undo?: Undo): boolean {
  const upstream = state.lease.upstream!
  const key = statement.upstreamKey
  const isDoubtful = state.unanswered.mayLack(key) || (undo !== undefined && followsOthers(state))
  if (!isDoubtful && (upstream.statements.has(key) || upstream.unnamedStatement === key)) return false
  if (statement.cached) {
    // One of this name may be there: its Close, or what would have replaced it, may have been skipped.
    for (const name of [key, ...upstream.statements.add(key)]) {
      state.expectations.add({ type: 'close', ours: true, evicts: name !== key })
      state.lease.write(encodeClose({ kind: 'S', name }))
    }
  } else upstream.unnamedStatement = key
  const place = state.unanswered.parse(key)
  state.expectations.add({ type: 'parse', statement, undo, key, source: statement.source, place })
  state.seriesSent = true
  state.lease.write(
    encodeParse({
      name: statement.cached ? key : '',
      text: statement.plan.text,
      parameterTypes: [...statement.parameterTypes],
    }),
  )
  return true
}

/** A Parse of the client's own behind statements that may fail: the server is to refuse it as it refuses all that follows them. */
function followsOthers({ expectations }: SessionState): boolean {
  return expectations.length > (expectations.first?.type === 'replay' ? 1 : 0)
}

export function upstreamName(state: SessionState, statement: ClientStatement): string {
  return state.lease.upstream!.statements.has(statement.upstreamKey) ? statement.upstreamKey : ''
}
