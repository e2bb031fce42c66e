/** The extended protocol, message by message: manual, section 54.2.3. */
import { SqlError } from '../errors.ts'
import { decodeBind, decodeClose, decodeDescribe, decodeExecute, decodeParse, encodeClose, encodeDescribe, encodeExecute, encodeParameterDescription, encodeParse, bindComplete, closeComplete, noData, parseComplete } from '../wire/extended-query.ts'
import { frontendType } from '../wire/message-types.ts'
import { emptyQueryResponse, encodeCommandComplete, flush, sync } from '../wire/query.ts'
import { changesContext } from './effects.ts'
import { type Judged, upstreamKeyOf } from './judgement.ts'
import type { Plan } from './plan.ts'
import { StatementRun } from './run.ts'
import type { Session } from './session.ts'
import { checkVerdict, planFor, wholeText } from './simple.ts'
import type { ClientPortal, ClientStatement } from './statements.ts'

type Waiting = Promise<void> | undefined

/** @returns a promise where the message has to wait for something. @throws SqlError: the series is skipped up to Sync */
export function handleExtended(session: Session, type: number, body: Buffer): Waiting {
  if (type === frontendType.sync) return onSync(session)
  if (session.skipping) return undefined
  session.seriesOpen = true
  switch (type) {
    case frontendType.parse:
      return onParse(session, body)
    case frontendType.bind:
      return onBind(session, body)
    case frontendType.describe:
      return onDescribe(session, body)
    case frontendType.execute:
      return onExecute(session, body)
    case frontendType.close:
      return onClose(session, body)
    case frontendType.flush:
      if (session.seriesSent) session.lease.write(flush)
      return undefined
    default:
      throw new SqlError({ code: '08P01', message: `invalid frontend message type ${type}`, severity: 'FATAL' })
  }
}

function onSync(session: Session): Waiting {
  session.skipping = false
  session.seriesOpen = false
  if (session.seriesSent) {
    session.seriesSent = false
    session.expectations.add({ type: 'sync' })
    session.lease.write(sync)
  } else session.localReady()
  return undefined
}

function onParse(session: Session, body: Buffer): Waiting {
  const { name, text, parameterTypes } = decodeParse(body)
  if (name !== '' && session.statements.has(name)) {
    throw new SqlError({ code: '42P05', message: `prepared statement "${name}" already exists` })
  }
  const { preparedStatementsMax } = session.policy.limits
  if (session.statements.size >= preparedStatementsMax) {
    throw new SqlError({ code: '54000', message: `a session may keep at most ${preparedStatementsMax} prepared statements`, hint: 'Close or DEALLOCATE those that are not needed.' })
  }
  const judged = session.judge(text, parameterTypes)
  const go = (known: Judged): Waiting => parseJudged(session, name, text, parameterTypes, known)
  return judged instanceof Promise ? judged.then(go) : go(judged)
}

function parseJudged(session: Session, name: string, text: string, parameterTypes: readonly number[], judged: Judged): Waiting {
  const statement = makeStatement(session, name, text, parameterTypes, judged)
  session.statements.set(name, statement)
  if (statement.plan.text === '') {
    session.answer(parseComplete)
    return undefined
  }
  return whenHeld(session, () => {
    if (!sendParse(session, statement, true)) session.answer(parseComplete)
  })
}

/** @throws SqlError for what is refused, recorded */
function makeStatement(session: Session, name: string, text: string, parameterTypes: readonly number[], judged: Judged): ClientStatement {
  if (judged.error !== undefined) {
    session.records.refused(text, judged.error, undefined)
    throw judged.error
  }
  if (judged.statements.length > 1) throw new SqlError({ code: '42601', message: 'cannot insert multiple commands into a prepared statement' })
  const only = judged.statements[0]
  const contextKey = session.contextKey
  if (only === undefined) {
    return { name, text, parameterTypes, judged, contextKey, plan: emptyPlan, source: undefined, upstreamKey: '', cached: false, statementText: '' }
  }
  checkVerdict(session, text, only)
  const plan = planFor(session, only.verdict, session.failed)
  const upstreamText = wholeText(text, only, plan)
  return {
    name,
    text,
    parameterTypes,
    judged,
    contextKey,
    plan: { ...plan, text: upstreamText },
    source: plan.splices === undefined ? undefined : { clientText: text, upstreamText, clientStart: only.start, upstreamStart: only.start, splices: plan.splices },
    upstreamKey: upstreamKeyOf(judged, upstreamText, session.settings.parseKey),
    cached: name !== '' && plan.splices !== undefined,
    statementText: only.text,
  }
}

const emptyPlan: Plan = {
  kind: 'empty', text: '', splices: undefined, effect: { type: 'none' }, tag: undefined, notices: [], limitPushed: undefined, dirties: false, relations: [], exits: true,
}

/** Runs `then` holding an upstream. */
function whenHeld(session: Session, then: () => void): Waiting {
  const held = session.hold()
  if (held !== undefined) return held.then(then)
  then()
  return undefined
}

/** Makes the upstream know the statement. False: it does already, nothing was sent. `shown`: the client waits for the answer. */
function sendParse(session: Session, statement: ClientStatement, shown: boolean): boolean {
  const upstream = session.lease.upstream!
  const key = statement.upstreamKey
  if (upstream.statements.has(key) || upstream.unnamedStatement === key) return false
  if (statement.cached) {
    for (const evicted of upstream.statements.add(key)) {
      session.expectations.add({ type: 'close', ours: true })
      session.lease.write(encodeClose({ kind: 'S', name: evicted }))
    }
  } else upstream.unnamedStatement = key
  session.expectations.add({ type: 'parse', statement: shown ? statement : undefined, key, source: statement.source })
  session.seriesSent = true
  session.lease.write(encodeParse({ name: statement.cached ? key : '', text: statement.plan.text, parameterTypes: [...statement.parameterTypes] }))
  return true
}

function nameUpstream(session: Session, statement: ClientStatement): string {
  return session.lease.upstream!.statements.has(statement.upstreamKey) ? statement.upstreamKey : ''
}

function findStatement(session: Session, name: string): ClientStatement {
  const statement = session.statements.get(name)
  if (statement !== undefined) return statement
  throw new SqlError({ code: '26000', message: name === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${name}" does not exist` })
}

/** The statement as it is judged under what is in force now: policy, catalog and settings may have changed since Parse. */
function current(session: Session, statement: ClientStatement, then: (statement: ClientStatement) => Waiting): Waiting {
  if (statement.contextKey === session.contextKey && statement.plan.exits === false && !session.failed && statement.plan.splices !== undefined) return then(statement)
  const judged = session.judge(statement.text, statement.parameterTypes)
  const go = (known: Judged): Waiting => {
    const { name, text, parameterTypes } = statement
    const again = makeStatement(session, name, text, parameterTypes, known)
    if (session.statements.get(name) === statement) session.statements.set(name, again)
    return then(again)
  }
  return judged instanceof Promise ? judged.then(go) : go(judged)
}

function onBind(session: Session, body: Buffer): Waiting {
  const portalEnd = body.indexOf(0)
  const statementEnd = body.indexOf(0, portalEnd + 1)
  if (portalEnd < 0 || statementEnd < 0) throw new SqlError({ code: '08P01', message: 'invalid Bind message' })
  const portalName = body.toString('utf8', 0, portalEnd)
  const statement = findStatement(session, body.toString('utf8', portalEnd + 1, statementEnd))
  const { portalsMax } = session.policy.limits
  if (portalName !== '' && session.portals.has(portalName)) throw new SqlError({ code: '42P03', message: `cursor "${portalName}" already exists` })
  if (session.portals.size >= portalsMax) throw new SqlError({ code: '54000', message: `a session may keep at most ${portalsMax} portals`, hint: 'Close those that are not needed.' })
  return current(session, statement, known => {
    const portal: ClientPortal = { name: portalName, statement: known, plan: known.plan, parameters: parametersOf(known, body), rows: 0, bytes: 0, exhausted: false }
    session.portals.set(portalName, portal)
    if (known.plan.text === '') {
      session.answer(bindComplete)
      return undefined
    }
    return whenHeld(session, () => sendBind(session, portal, body.subarray(0, portalEnd + 1), body.subarray(statementEnd + 1)))
  })
}

function sendBind(session: Session, portal: ClientPortal, portalName: Buffer, rest: Buffer): void {
  sendParse(session, portal.statement, false)
  const name = nameUpstream(session, portal.statement)
  const head = Buffer.allocUnsafe(5 + portalName.length + name.length + 1)
  head[0] = frontendType.bind
  head.writeInt32BE(4 + portalName.length + name.length + 1 + rest.length, 1)
  portalName.copy(head, 5)
  head.write(name, 5 + portalName.length, 'latin1')
  head[head.length - 1] = 0
  session.expectations.add({ type: 'bind', portal })
  session.seriesSent = true
  session.lease.write(head)
  session.lease.write(rest)
}

/** The parameters as text, where a set_config takes its value from one. */
function parametersOf(statement: ClientStatement, body: Buffer): (string | null)[] {
  const { effect } = statement.plan
  if (effect.type !== 'rows' || effect.sets.length === 0) return []
  return decodeBind(body).parameters.map(value => value?.toString('utf8') ?? null)
}

function onDescribe(session: Session, body: Buffer): Waiting {
  const { kind, name } = decodeDescribe(body)
  if (kind === 'P') {
    const portal = findPortal(session, name)
    if (portal.plan.text === '') session.answer(noData)
    else sendDescribe(session, portal.statement, kind, name)
    return undefined
  }
  return current(session, findStatement(session, name), statement => {
    if (statement.plan.text === '') {
      session.answer(encodeParameterDescription([]))
      session.answer(noData)
      return undefined
    }
    return whenHeld(session, () => {
      sendParse(session, statement, false)
      sendDescribe(session, statement, kind, nameUpstream(session, statement))
    })
  })
}

function sendDescribe(session: Session, statement: ClientStatement, kind: 'S' | 'P', name: string): void {
  session.expectations.add({ type: 'describe', statement })
  session.seriesSent = true
  session.lease.write(encodeDescribe({ kind, name }))
}

function findPortal(session: Session, name: string): ClientPortal {
  const portal = session.portals.get(name)
  if (portal !== undefined) return portal
  throw new SqlError({ code: '34000', message: `portal "${name}" does not exist` })
}

function onExecute(session: Session, body: Buffer): Waiting {
  const { portal: name, rowsMax } = decodeExecute(body)
  const portal = findPortal(session, name)
  const { effect } = portal.plan
  if (portal.plan.text === '') {
    session.answer(emptyQueryResponse)
    return undefined
  }
  if (portal.exhausted) {
    session.answer(encodeCommandComplete('SELECT 0'))
    return undefined
  }
  if (session.failed && !portal.plan.exits) throw session.failedError()
  sendExecute(session, portal, rowsMax)
  if (!changesContext(effect, session.settings)) return undefined
  return session.whenDrained(() => undefined)
}

function sendExecute(session: Session, portal: ClientPortal, rowsMax: number): void {
  const { limits } = session.policy
  const { plan } = portal
  const left = Math.max(0, limits.rowsMax - portal.rows) + 1
  const bounded = plan.effect.type === 'rows' && plan.kind === 'select' && (plan.limitPushed === undefined || rowsMax > 0)
  const counter = plan.effect.type === 'fetch' ? (session.cursors.get(plan.effect.cursor) ?? portal) : portal
  const run = new StatementRun({
    plan,
    text: portal.statement.statementText,
    source: portal.statement.source,
    limits,
    startedAtMs: session.options.services.now(),
    waitMs: session.lease.waitedMs,
    counter,
    parameters: portal.parameters,
  })
  session.expectations.add({ type: 'execute', run, portal })
  session.seriesSent = true
  session.lease.write(encodeExecute({ portal: portal.name, rowsMax: bounded ? (rowsMax === 0 ? left : Math.min(rowsMax, left)) : rowsMax }))
}

function onClose(session: Session, body: Buffer): Waiting {
  const { kind, name } = decodeClose(body)
  const portal = kind === 'P' ? session.portals.get(name) : undefined
  if (kind === 'S') session.statements.delete(name)
  else session.portals.delete(name)
  if (portal === undefined || portal.plan.text === '' || session.lease.upstream === undefined) {
    session.answer(closeComplete)
    return undefined
  }
  session.expectations.add({ type: 'close', ours: false })
  session.seriesSent = true
  session.lease.write(encodeClose({ kind, name }))
  return undefined
}
