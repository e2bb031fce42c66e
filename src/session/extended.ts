/** The extended protocol, message by message: manual, section 54.2.3. */
import { SqlError } from '../errors.ts'
import { isShown } from '../guard/settings.ts'
import type { StatementKind } from '../guard/verdict.ts'
import {
  bindComplete,
  closeComplete,
  decodeBind,
  decodeClose,
  decodeDescribe,
  decodeParse,
  encodeClose,
  encodeDescribe,
  encodeParameterDescription,
  noData,
  parseComplete,
} from '../wire/extended-query.ts'
import { frontendType } from '../wire/message-types.ts'
import { flush, sync } from '../wire/query.ts'
import { refuseExtendedCopy } from './copy-in.ts'
import { cursorPortal, executePortal, withPortal } from './execute.ts'
import type { Undo } from './expectation.ts'
import type { Judged } from './judgement.ts'
import { declaredTypes } from './parameter-types.ts'
import { currentStatement, makeStatement, sendParse, upstreamName } from './prepare.ts'
import { refusalOf } from './refused.ts'
import type { SessionState } from './state.ts'
import type { ClientPortal, ClientStatement } from './statements.ts'

type Waiting = Promise<void> | undefined

/** What an aborted transaction does not describe. */
const givesRows: ReadonlySet<StatementKind> = new Set(['select', 'explain', 'fetch', 'show'])

/** The place of what was answered at once. */
const answered = -1

/** @returns a promise where the message has to wait for something. @throws SqlError: the series is skipped up to Sync */
export function handleExtended(state: SessionState, type: number, body: Buffer): Waiting {
  if (type === frontendType.sync) return onSync(state)
  if (state.skipping) return undefined
  state.seriesOpen = true
  switch (type) {
    case frontendType.parse:
      return onParse(state, body)
    case frontendType.bind:
      return onBind(state, body)
    case frontendType.describe:
      return onDescribe(state, body)
    case frontendType.execute:
      return executePortal(state, body)
    case frontendType.close:
      return onClose(state, body)
    case frontendType.flush:
      if (state.seriesSent) state.lease.write(flush)
      return undefined
    default:
      throw new SqlError({ code: '08P01', message: `invalid frontend message type ${type}`, severity: 'FATAL' })
  }
}

function onSync(state: SessionState): Waiting {
  state.skipping = false
  state.seriesOpen = false
  if (state.seriesSent) {
    state.seriesSent = false
    state.unanswered.endSeries()
    state.expectations.add({ type: 'sync', ours: false, refused: state.refusedInSeries })
    state.refusedInSeries = false
    state.lease.write(sync)
  } else state.localReady()
  // What the series has set is undone if it fails: nothing is judged under it before that is known.
  return state.settings.inFlux && !state.explicitTransaction ? state.whenDrained(() => undefined) : undefined
}

function onParse(state: SessionState, body: Buffer): Waiting {
  const { name, text, parameterTypes: asked } = decodeParse(body)
  if (state.unanswered.isUncertain(name)) return whenCertain(state, () => onParse(state, body))
  const parameterTypes = declaredTypes(asked)
  const { preparedStatementsMax } = state.judge.policy.limits
  if (name !== '' && state.statements.size >= preparedStatementsMax) {
    throw new SqlError({
      code: '54000',
      message: `a session may keep at most ${preparedStatementsMax} prepared statements`,
      hint: 'Close or DEALLOCATE those that are not needed.',
    })
  }
  const { contextKey } = state.judge
  const judged = state.judge.judge(text, parameterTypes)
  const go = (known: Judged): Waiting =>
    keepStatement(state, makeStatement(state, name, text, parameterTypes, known, contextKey))
  return judged instanceof Promise ? judged.then(go) : go(judged)
}

function keepStatement(state: SessionState, statement: ClientStatement): Waiting {
  if (state.skipping) return undefined
  const { statements } = state
  if (state.isAborted && !statement.plan.exits) throw refusalOf(statement.text, state.failedError())
  if (statement.name !== '' && statements.has(statement.name)) {
    throw new SqlError({ code: '42P05', message: `prepared statement "${statement.name}" already exists` })
  }
  const keep = (): Undo => {
    state.unanswered.touch(statement.name)
    const before = statements.get(statement.name)
    statements.set(statement.name, statement)
    return () => (before === undefined ? statements.delete(statement.name) : statements.set(statement.name, before))
  }
  refuseExtendedCopy(statement.plan.effect.type)
  if (statement.plan.text === '') {
    state.answer(parseComplete, keep())
    return undefined
  }
  return whenHeld(state, statement, () => {
    const undo = keep()
    if (!sendParse(state, statement, undo)) state.answer(parseComplete, undo)
  })
}

/** Runs `then` holding an upstream, unless the series has failed meanwhile. */
function whenHeld(state: SessionState, statement: ClientStatement, then: () => void): Waiting {
  const unlessFailed = (): void => {
    if (!state.skipping) then()
  }
  const held = state.hold(statement.statementText)
  if (held !== undefined) return held.then(unlessFailed)
  unlessFailed()
  return undefined
}

function whenCertain(state: SessionState, then: () => Waiting): Waiting {
  return state.whenDrained(() => (state.skipping ? undefined : then()))
}

function findStatement(state: SessionState, name: string): ClientStatement {
  const statement = state.statements.get(name)
  if (statement !== undefined) return statement
  throw new SqlError({
    code: '26000',
    message: name === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${name}" does not exist`,
  })
}

function onBind(state: SessionState, body: Buffer): Waiting {
  const portalEnd = body.indexOf(0)
  const statementEnd = body.indexOf(0, portalEnd + 1)
  if (portalEnd < 0 || statementEnd < 0) throw new SqlError({ code: '08P01', message: 'invalid Bind message' })
  const portalName = body.toString('utf8', 0, portalEnd)
  const name = body.toString('utf8', portalEnd + 1, statementEnd)
  if (state.unanswered.isUncertain(name)) return whenCertain(state, () => onBind(state, body))
  const statement = findStatement(state, name)
  const { portalsMax } = state.judge.policy.limits
  if (portalName !== '' && state.portals.size >= portalsMax)
    throw new SqlError({
      code: '54000',
      message: `a session may keep at most ${portalsMax} portals`,
      hint: 'Close those that are not needed.',
    })
  return currentStatement(state, statement, known => {
    if (state.skipping) return undefined
    const isLocal = known.plan.text === ''
    if (isLocal && state.expectations.length > 0) return whenCertain(state, () => onBind(state, body))
    const taken = portalName === '' ? undefined : state.portals.get(portalName)
    if (state.isAborted && !(known.plan.exits && !isLocal)) throw refusalOf(known.statementText, state.failedError())
    if (taken !== undefined && (isLocal || taken.plan.text === ''))
      throw new SqlError({ code: '42P03', message: `cursor "${portalName}" already exists` })
    const bound = (place: number): ClientPortal => ({
      name: portalName,
      statement: known,
      plan: known.plan,
      parameters: parametersOf(known, body),
      place,
      rows: 0,
      bytes: 0,
      exhausted: false,
    })
    if (isLocal) {
      state.portals.set(portalName, bound(answered))
      state.answer(bindComplete)
      return undefined
    }
    return whenHeld(state, known, () => {
      sendParse(state, known)
      sendBind(state, bound(state.expectations.place), body.subarray(0, portalEnd + 1), body.subarray(statementEnd + 1))
    })
  })
}

function sendBind(state: SessionState, portal: ClientPortal, portalName: Buffer, rest: Buffer): void {
  const name = upstreamName(state, portal.statement)
  const head = Buffer.allocUnsafe(5 + portalName.length + name.length + 1)
  head[0] = frontendType.bind
  head.writeInt32BE(4 + portalName.length + name.length + 1 + rest.length, 1)
  portalName.copy(head, 5)
  head.write(name, 5 + portalName.length, 'latin1')
  head[head.length - 1] = 0
  state.expectations.add({ type: 'bind', portal, before: state.portals.get(portal.name) })
  state.portals.set(portal.name, portal)
  state.seriesSent = true
  state.lease.write(head)
  state.lease.write(rest)
}

/**
 * The parameters as text, where the plan reads them: a set_config takes its value from one, a current_setting its name.
 * @throws SqlError 42501 for the name of a setting that may not be shown
 */
function parametersOf(statement: ClientStatement, body: Buffer): (string | null)[] {
  const { effect, examines } = statement.plan
  const sets = effect.type === 'rows' && effect.sets.length > 0
  if (!sets && examines.length === 0) return []
  const values = decodeBind(body).parameters.map(value => value?.toString('utf8') ?? null)
  for (const number of examines) {
    const name = values[number - 1]
    if (typeof name === 'string' && !isShown(name)) {
      throw new SqlError({
        code: '42501',
        message: `permission denied to examine "${name}"`,
        hint: 'SHOW ALL lists the settings that can be examined.',
      })
    }
  }
  return values
}

function onDescribe(state: SessionState, body: Buffer): Waiting {
  const { kind, name } = decodeDescribe(body)
  if (kind === 'P') {
    return withPortal(state, name, portal => {
      if (state.failed && givesRows.has(portal.plan.kind)) throw state.failedError()
      if (portal.plan.text === '') state.answer(noData)
      else sendDescribe(state, portal.statement, kind, name)
      return undefined
    })
  }
  if (state.unanswered.isUncertain(name)) return whenCertain(state, () => onDescribe(state, body))
  return currentStatement(state, findStatement(state, name), statement => {
    if (state.skipping) return undefined
    if (statement.plan.text === '') {
      state.answer(encodeParameterDescription([]))
      state.answer(noData)
      return undefined
    }
    return whenHeld(state, statement, () => {
      sendParse(state, statement)
      sendDescribe(state, statement, kind, upstreamName(state, statement))
    })
  })
}

function sendDescribe(state: SessionState, statement: ClientStatement, kind: 'S' | 'P', name: string): void {
  state.expectations.add({ type: 'describe', statement })
  state.seriesSent = true
  state.lease.write(encodeDescribe({ kind, name }))
}

function onClose(state: SessionState, body: Buffer): Waiting {
  const { kind, name } = decodeClose(body)
  const { statements, portals, cursors } = state
  if (kind === 'S') {
    if (state.unanswered.isUncertain(name)) return whenCertain(state, () => onClose(state, body))
    state.unanswered.touch(name)
    state.answer(closeComplete, takeOut(statements, name))
    return undefined
  }
  const portal = portals.get(name) ?? cursorPortal(state, name)
  portals.delete(name)
  const undo = takeOut(cursors, name)
  if (portal === undefined || portal.plan.text === '' || state.lease.upstream === undefined) {
    state.answer(closeComplete, undo)
    return undefined
  }
  state.expectations.add({ type: 'close', ours: false, undo })
  state.seriesSent = true
  state.lease.write(encodeClose({ kind, name }))
  return undefined
}

function takeOut<T>(from: Map<string, T>, name: string): Undo | undefined {
  const before = from.get(name)
  if (before === undefined) return undefined
  from.delete(name)
  return () => from.set(name, before)
}
