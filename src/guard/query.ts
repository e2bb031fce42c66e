/** A statement that is a query, and what queries inside other statements share with it. */
import { SqlError } from '../errors.ts'
import { type Judgement, refuse } from './judgement.ts'
import type { PushedLimit } from './limit.ts'
import { pushLimit } from './limit.ts'
import { openScope } from './scope.ts'
import { judgeSelect } from './select.ts'
import { applySplices, isExactly, sortSplices } from './splice.ts'
import { type Fields, listOf, namesOf, textOf, unwrap } from './tree.ts'
import type { RunEffect, RunVerdict, Splice, StatementKind, Verdict } from './verdict.ts'

export function judgeQuery(judgement: Judgement, select: Fields): Verdict {
  const unlock = unlockColumn(select)
  if (unlock !== undefined) {
    return {
      kind: 'answer',
      statementKind: 'select',
      relations: [],
      functions: ['pg_catalog.pg_advisory_unlock_all'],
      answer: { type: 'advisory-unlock-all', column: unlock },
    }
  }
  judgement.runsOnce = isTargetListAlone(select)
  judgeReading(judgement, select)
  const limit = pushLimit(judgement, select, judgement.statement.text.length)
  return runVerdict(judgement, 'select', { type: 'rows' }, limit)
}

/** Judges the query of a statement, whatever statement it is. */
export function judgeReading(judgement: Judgement, select: Fields): void {
  judgement.topTargets = select.op === 'SETOP_NONE' ? listOf(select.targetList) : []
  judgeSelect(judgement, select, openScope(undefined, undefined))
}

/** `select pg_advisory_unlock_all()` and nothing else: pool resets end with it. */
function unlockColumn(select: Fields): string | undefined {
  const targets = listOf(select.targetList)
  if (targets.length !== 1 || !isTargetListAlone(select)) return undefined
  const target = unwrap(targets[0], 'ResTarget')
  const call = unwrap(target?.val, 'FuncCall')
  const names = namesOf(call?.funcname)
  if (names.at(-1) !== 'pg_advisory_unlock_all' || call?.args !== undefined || call?.over !== undefined)
    return undefined
  if (names.length > 2 || (names.length === 2 && names[0] !== 'pg_catalog')) return undefined
  return target?.name === undefined ? 'pg_advisory_unlock_all' : textOf(target.name)
}

function isTargetListAlone(select: Fields): boolean {
  for (const field in select) {
    if (field !== 'targetList' && field !== 'limitOption' && field !== 'op') return false
  }
  return true
}

/** The verdict of a judged query: its splices applied, and the spliced text's own tree compared. */
export function runVerdict(
  judgement: Judgement,
  statementKind: StatementKind,
  effect: RunEffect,
  limit: PushedLimit | undefined,
): RunVerdict {
  const limited = limit?.splice === undefined ? undefined : applyLimit(judgement, limit, limit.splice)
  const spliced = limited ?? applyAll(judgement, judgement.splices, judgement.changes)
  if (spliced === undefined) {
    refuse(judgement, 'splice', {
      code: '0A000',
      message: 'the statement cannot be rewritten safely to read filtered catalogs',
      hint: 'Write plain names: schema.relation, without unicode escapes, with an alias for the relation.',
    })
  }
  return {
    kind: 'run',
    statementKind,
    relations: [...judgement.relations],
    functions: [...judgement.functions],
    text: spliced.text,
    splices: spliced.splices,
    effect,
    limitPushed: limited !== undefined || limit?.splice === undefined ? limit?.rows : undefined,
    sets: judgement.sets,
    dirties: judgement.calls.size > 0,
    examines: [...judgement.examines],
  }
}

interface Spliced {
  readonly text: string
  readonly splices: readonly Splice[]
}

function applyLimit(judgement: Judgement, limit: PushedLimit, splice: Splice): Spliced | undefined {
  const changes = new Map(judgement.changes)
  if (limit.changed !== undefined) changes.set(limit.changed, limit.change)
  return applyAll(judgement, [...judgement.splices, splice], changes)
}

/** undefined: the spliced text would not be the judged statement with these changes. */
function applyAll(
  judgement: Judgement,
  unsorted: readonly Splice[],
  changes: ReadonlyMap<object, unknown>,
): Spliced | undefined {
  const { statement, context } = judgement
  if (unsorted.length === 0) return { text: statement.text, splices: [] }
  const splices = sortSplices(unsorted)
  if (splices === undefined) return undefined
  const text = applySplices(statement.text, splices)
  try {
    return isExactly(context.parse(text), statement.node, changes) ? { text, splices } : undefined
  } catch (thrown) {
    if (thrown instanceof SqlError) return undefined
    throw thrown
  }
}
