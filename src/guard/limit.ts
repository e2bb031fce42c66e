/**
 * Limit pushdown: a LIMIT of one row more than the cap, so that the server's planner knows that no more is wanted
 * (guard.md, "Limits"). Where none can be had the session bounds Execute and counts.
 */
import type { Judgement } from './judgement.ts'
import { endOfNumeral } from './lexeme.ts'
import { constantOf, type Fields, isFields, listOf, locationOf, numberOf, unwrap } from './tree.ts'
import type { Splice } from './verdict.ts'

export interface PushedLimit {
  /** At most so many rows come. */
  readonly rows: number
  /** What makes it so; undefined: the statement is so by itself. */
  readonly splice: Splice | undefined
  readonly changed: object | undefined
  readonly change: unknown
}

/** `end` is where a LIMIT may be appended, in the statement's text. */
export function pushLimit(judgement: Judgement, select: Fields, end: number): PushedLimit | undefined {
  const { limits } = judgement.context.policy
  const cap = limits.rowsMax + 1
  if (isSingleRow(judgement, select)) return { rows: 1, splice: undefined, changed: undefined, change: undefined }
  if (limits.pushdown === 'off' || select.limitOption === 'LIMIT_OPTION_WITH_TIES') return undefined
  if (select.limitCount !== undefined) return lowerLimit(judgement, select.limitCount, cap)
  if (listOf(select.sortClause).length > 0 && judgement.rowsEstimateMax <= limits.pushdownSortedRowsMin)
    return undefined
  return {
    rows: cap,
    splice: { start: end, end, text: `\nLIMIT ${cap}` },
    changed: select,
    change: { ...select, limitCount: integer(cap), limitOption: 'LIMIT_OPTION_COUNT' },
  }
}

/** Nothing to read, and no function that could return a set. */
function isSingleRow(judgement: Judgement, select: Fields): boolean {
  const isPlain = select.op === 'SETOP_NONE' && select.fromClause === undefined && select.valuesLists === undefined
  return isPlain && judgement.functions.size === 0
}

function lowerLimit(judgement: Judgement, limitCount: unknown, cap: number): PushedLimit | undefined {
  const constant = constantOf(limitCount)
  if (constant?.type !== 'integer' && constant?.type !== 'float') return undefined
  const rows = Number(constant.value)
  if (!Number.isFinite(rows) || rows < 0 || !isFields(limitCount)) return undefined
  if (rows <= cap) return { rows: Math.ceil(rows), splice: undefined, changed: undefined, change: undefined }
  const at = locationOf(unwrap(limitCount, 'A_Const') ?? { location: -1 })
  if (at === undefined) return undefined
  const start = judgement.statement.offsets.toSlice(at)
  const end = endOfNumeral(judgement.statement.text, start)
  if (end === undefined) return undefined
  return { rows: cap, splice: { start, end, text: String(cap) }, changed: limitCount, change: integer(cap) }
}

function integer(value: number): unknown {
  return { A_Const: { ival: value === 0 ? {} : { ival: value } } }
}

/** The lowest place in the text at which the query's closing parenthesis can stand, by what the tree says. */
export function lastLocation(tree: unknown): number {
  let last = -1
  const pending: unknown[] = [tree]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (Array.isArray(next)) {
      pending.push(...next.filter(isFields))
    } else if (isFields(next)) {
      last = Math.max(last, numberOf(next.location))
      for (const field in next) if (isFields(next[field])) pending.push(next[field])
    }
  }
  return last
}
