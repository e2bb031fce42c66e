/** From a verdict to its plan. */
import { SqlError, type SqlErrorFields } from '../errors.ts'
import type { Limits } from '../guard/policy.ts'
import type { AnswerVerdict, RunVerdict, Splice } from '../guard/verdict.ts'
import { type Effect, type Plan, plain, quoteName } from './plan.ts'
import { planTransaction } from './plan-transaction.ts'
import { type ClientSettings, durationMs, quoteValues } from './settings.ts'

/** Succeeds anywhere, changes nothing for a reader, gives no rows: carries the tag of what we answer ourselves. */
const noOperation = 'discard sequences'

/** @param virtualPid what pg_backend_pid() says to this client */
export function planRun(verdict: RunVerdict, virtualPid: number): Plan {
  const effect: Effect = verdict.effect.type === 'rows' ? { type: 'rows', sets: verdict.sets } : verdict.effect
  const splices = verdict.splices.some(splice => splice.fill !== undefined)
    ? verdict.splices.map(splice => fill(splice, virtualPid))
    : verdict.splices
  return {
    ...plain,
    kind: verdict.statementKind,
    text: splices === verdict.splices ? verdict.text : refill(verdict, splices),
    splices,
    effect,
    limitPushed: verdict.limitPushed,
    dirties: verdict.dirties,
    examines: verdict.examines,
    relations: verdict.relations,
  }
}

function fill(splice: Splice, virtualPid: number): Splice {
  if (splice.fill === undefined) return splice
  return { ...splice, text: splice.text.replace(/\d+/, String(virtualPid)) }
}

/** The verdict's text with the placeholders of its fills replaced, back to front. */
function refill(verdict: RunVerdict, filled: readonly Splice[]): string {
  let text = verdict.text
  let shift = verdict.splices.reduce((sum, splice) => sum + splice.text.length - (splice.end - splice.start), 0)
  for (let i = filled.length - 1; i >= 0; i--) {
    const before = verdict.splices[i]!
    shift -= before.text.length - (before.end - before.start)
    const at = before.start + shift
    text = text.slice(0, at) + filled[i]!.text + text.slice(at + before.text.length)
  }
  return text
}

export interface PlanContext {
  readonly limits: Limits
  readonly settings: ClientSettings
  /** `alice@acme` */
  readonly login: string
  /** Rows that a cursor has already given. */
  readonly cursorRows: (name: string) => number
  readonly hasStatement: (name: string) => boolean
  /** A builder's: its transactions may write. */
  readonly writes: boolean
}

/** @throws SqlError for values that no setting takes. */
export function planAnswer(verdict: AnswerVerdict, context: PlanContext): Plan {
  const answer = verdict.answer
  const base = { ...plain, kind: verdict.statementKind }
  switch (answer.type) {
    case 'empty':
      return { ...base, text: '', effect: { type: 'none' } }
    case 'set':
      return planSet(answer.name, answer.values, answer.local, answer.tag, context)
    case 'show':
      return { ...base, text: showText(answer.name, context.login), effect: { type: 'none' }, tag: 'SHOW' }
    case 'show-all':
      return {
        ...base,
        text: 'select name, setting, short_desc as description from postern_catalog.pg_settings order by 1',
        effect: { type: 'none' },
        tag: 'SHOW',
      }
    case 'reset-all':
      return { ...base, text: noOperation, effect: { type: 'reset-all', discard: false }, tag: 'RESET' }
    case 'role-default':
      return { ...base, text: noOperation, effect: { type: 'none' }, tag: answer.tag }
    case 'discard':
      return planDiscard(answer.target)
    case 'unlisten':
      return { ...base, text: noOperation, effect: { type: 'none' }, tag: 'UNLISTEN' }
    case 'deallocate':
      return planDeallocate(answer.name, context)
    case 'close-cursor':
      return {
        ...base,
        text: answer.cursor === null ? 'close all' : `close ${quoteName(answer.cursor)}`,
        effect: { type: 'close-cursor', cursor: answer.cursor },
      }
    case 'advisory-unlock-all':
      return { ...base, text: `select pg_catalog.void_in('') as ${quoteName(answer.column)}`, effect: { type: 'none' } }
    case 'create-schema':
      return { ...base, text: noOperation, effect: answer, tag: 'CREATE SCHEMA' }
    case 'skip':
      return {
        ...base,
        text: noOperation,
        effect: { type: 'none' },
        tag: answer.tag,
        notices: [{ code: '01000', message: answer.message }],
      }
    case 'fetch':
      return planFetch(answer, context)
    case 'transaction':
      return planTransaction(answer, context.writes)
  }
}

function showText(name: string, login: string): string {
  if (name === 'session_authorization') return `select ${quoteValues([login])}::text as session_authorization`
  return `show ${quoteName(name)}`
}

function planDeallocate(name: string | null, context: PlanContext): Plan {
  if (name !== null && !context.hasStatement(name)) {
    throw new SqlError({ code: '26000', message: `prepared statement ${quoteName(name)} does not exist` })
  }
  const tag = name === null ? 'DEALLOCATE ALL' : 'DEALLOCATE'
  return { ...plain, kind: 'deallocate', text: noOperation, effect: { type: 'deallocate', name }, tag }
}

function planDiscard(target: 'ALL' | 'PLANS' | 'TEMP' | 'SEQUENCES'): Plan {
  const effect: Effect = target === 'ALL' ? { type: 'reset-all', discard: true } : { type: 'none' }
  return { ...plain, kind: 'discard', text: noOperation, effect, tag: `DISCARD ${target}` }
}

type Duration = 'statementTimeoutMs' | 'lockTimeoutMs' | 'idleInTransactionTimeoutMs' | 'transactionTimeoutMs'

const capped: ReadonlyMap<string, Duration> = new Map([
  ['statement_timeout', 'statementTimeoutMs'],
  ['lock_timeout', 'lockTimeoutMs'],
  ['idle_in_transaction_session_timeout', 'idleInTransactionTimeoutMs'],
  ['transaction_timeout', 'transactionTimeoutMs'],
])

/** A SET in our own words; a timeout above its cap, or 0 (none), is lowered to it with a notice. */
export function planSet(
  name: string,
  values: readonly string[] | null,
  local: boolean,
  tag: string,
  context: PlanContext,
): Plan {
  const initial = context.settings.initialValue(name)
  const { value, notice } = values === null ? { value: null, notice: undefined } : clamp(name, values, context.limits)
  const scope = local ? 'set local' : 'set'
  const target = value ?? initial
  return {
    ...plain,
    kind: 'set',
    text: target === null ? `${scope} ${name} to default` : `${scope} ${name} to ${target}`,
    effect: { type: 'set', changes: [{ name, value }], local },
    tag,
    notices: notice === undefined ? [] : [notice],
  }
}

function clamp(name: string, values: readonly string[], limits: Limits): { value: string; notice?: SqlErrorFields } {
  const limit = capped.get(name)
  if (limit === undefined) return { value: quoteValues(values) }
  const limitMs = limits[limit]
  const text = values[0] ?? ''
  const askedMs = durationMs(text)
  if (askedMs === undefined) {
    throw new SqlError({
      code: '22023',
      message: `invalid value for parameter "${name}": "${text}"`,
      hint: 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".',
    })
  }
  // The number that was compared, not the client's text: the server rounds in a way of its own, down to 0, which is none.
  if (askedMs > 0 && askedMs <= limitMs) return { value: quoteValues([String(askedMs)]) }
  return {
    value: quoteValues([String(limitMs)]),
    notice: {
      code: '01000',
      message: `${name} is limited to ${limitMs} ms here`,
      hint: 'Ask whoever runs this gateway to raise the limit.',
    },
  }
}

function planFetch(
  answer: { cursor: string; direction: string; count: number | null; move: boolean },
  context: PlanContext,
): Plan {
  const left = Math.max(0, context.limits.rowsMax - context.cursorRows(answer.cursor)) + 1
  const verb = answer.move ? 'move' : 'fetch'
  const stepping = answer.direction === 'forward' || answer.direction === 'backward'
  const wanted =
    answer.count === null
      ? answer.move
        ? 'all'
        : String(left)
      : String(answer.move || !stepping ? answer.count : clampCount(answer.count, left))
  return {
    ...plain,
    kind: 'fetch',
    text: `${verb} ${answer.direction} ${wanted} from ${quoteName(answer.cursor)}`,
    effect: { type: 'fetch', cursor: answer.cursor, move: answer.move },
  }
}

function clampCount(count: number, left: number): number {
  return count < 0 ? Math.max(count, -left) : Math.min(count, left)
}
