/** Execute: portals, and the SQL cursors that are portals too. */
import { SqlError } from '../errors.ts'
import { decodeExecute, encodeExecute } from '../wire/extended-query.ts'
import { emptyQueryResponse, encodeCommandComplete } from '../wire/query.ts'
import { makeSchema } from './create-schema.ts'
import { changesContext } from './effects.ts'
import type { Expectation } from './expectation.ts'
import { plain } from './plan.ts'
import { StatementRun } from './run.ts'
import { refuseInTransaction } from './simple.ts'
import type { SessionState } from './state.ts'
import type { ClientPortal, ClientStatement } from './statements.ts'

/** Stands for the DECLARE, which was judged: what is fetched from its cursor needs no statement of its own. */
const cursorStatement: ClientStatement = {
  name: '',
  text: '',
  parameterTypes: [],
  contextKey: '',
  plan: { ...plain, kind: 'fetch', text: 'fetch', effect: { type: 'none' } },
  source: undefined,
  upstreamKey: '',
  cached: false,
  statementText: 'fetch',
  judged: { statements: [], error: undefined, upstreamKeys: new Map() },
}

/** The SQL cursor of this name as the portal that it is; its rows are counted with the cursor. */
export function cursorPortal(state: SessionState, name: string): ClientPortal | undefined {
  if (!state.cursors.has(name)) return undefined
  const plan = { ...cursorStatement.plan, effect: { type: 'fetch' as const, cursor: name, move: false } }
  return { name, statement: cursorStatement, plan, parameters: [], place: 0, rows: 0, bytes: 0, exhausted: false }
}

/** A portal, or the SQL cursor of that name, which is one on Postgres too. @throws SqlError 34000 */
export function withPortal(
  state: SessionState,
  name: string,
  then: (portal: ClientPortal) => Promise<void> | undefined,
): Promise<void> | undefined {
  const portal = state.portals.get(name) ?? cursorPortal(state, name)
  // Of a portal that the server does not know we must know ourselves whether its transaction is over.
  if (portal?.plan.text === '' && state.expectations.length > 0)
    return state.whenDrained(() => (state.skipping ? undefined : withPortal(state, name, then)))
  if (portal !== undefined) return then(portal)
  throw new SqlError({ code: '34000', message: `portal "${name}" does not exist` })
}

export function executePortal(state: SessionState, body: Buffer): Promise<void> | undefined {
  const { portal: name, rowsMax } = decodeExecute(body)
  return withPortal(state, name, portal => {
    if (portal.plan.text === '') state.answer(emptyQueryResponse)
    else if (portal.exhausted) state.answer(encodeCommandComplete('SELECT 0'))
    else return executeWhenCounted(state, portal, rowsMax)
    return undefined
  })
}

/** A cursor's count, and whether RESET ALL stands in a transaction, is known once what came before is through. */
function executeWhenCounted(state: SessionState, portal: ClientPortal, rowsMax: number): Promise<void> | undefined {
  if (state.failed && !portal.plan.exits) throw state.failedError()
  const { effect } = portal.plan
  if (effect.type === 'reset-all' || (effect.type === 'fetch' && state.expectations.some(isExecute))) {
    return state.whenDrained(() => executeNow(state, portal, rowsMax))
  }
  return executeNow(state, portal, rowsMax)
}

function isExecute(item: Expectation): boolean {
  return item.type === 'execute'
}

function executeNow(state: SessionState, portal: ClientPortal, rowsMax: number): Promise<void> | undefined {
  if (state.skipping) return undefined
  refuseInTransaction(state, portal.plan)
  state.requireAudit()
  const { effect } = portal.plan
  if (effect.type === 'create-schema' && !state.isAborted) {
    return state.whenDrained(() => {
      if (state.skipping) return undefined
      const made = makeSchema(state, portal.statement.statementText, effect)
      return made.then(notices => sendExecute(state, { ...portal, plan: { ...portal.plan, notices } }, rowsMax))
    })
  }
  sendExecute(state, portal, rowsMax)
  // What set_config really did shows in the server's reports, which come with ReadyForQuery: nothing runs before they are seen.
  if (effect.type === 'rows' && effect.sets.length > 0) state.endSeries()
  if (!changesContext(effect, state.settings)) return undefined
  return state.whenDrained(() => undefined)
}

function sendExecute(state: SessionState, portal: ClientPortal, rowsMax: number): void {
  const { limits } = state.judge.policy
  const { plan } = portal
  const isCursor = portal.statement === cursorStatement
  const selects = plan.effect.type === 'rows' && plan.kind === 'select'
  const bounded = isCursor || (selects && (plan.limitPushed === undefined || rowsMax > 0))
  const counter = plan.effect.type === 'fetch' ? (state.counterOf(plan.effect.cursor) ?? portal) : portal
  const left = Math.max(0, limits.rowsMax - counter.rows) + 1
  const run = new StatementRun({
    plan,
    text: portal.statement.statementText,
    source: portal.statement.source,
    limits,
    startedAtMs: state.options.services.now(),
    waitMs: state.lease.waitedMs,
    counter,
    parameters: portal.parameters,
  })
  state.expectations.add({ type: 'execute', run, portal })
  state.seriesSent = true
  state.lease.write(
    encodeExecute({
      portal: portal.name,
      rowsMax: bounded ? (rowsMax === 0 ? left : Math.min(rowsMax, left)) : rowsMax,
    }),
  )
}
