/** One statement → one verdict: pure, synchronous, and the only place that decides what a client's text may do. */
import { judgeBuilding } from './builder.ts'
import { judgeCopy } from './copy.ts'
import { judgeCloseCursor, judgeDeclare, judgeFetch } from './cursor.ts'
import { judgeExplain } from './explain.ts'
import type { JudgeContext, Judgement } from './judgement.ts'
import { openJudgement } from './open-judgement.ts'
import type { ParsedStatement } from './parse.ts'
import { judgeQuery } from './query.ts'
import { Refusal } from './refusal.ts'
import { refuseStatement } from './refused-statements.ts'
import { judgeSet, judgeShowStatement } from './set.ts'
import { judgeTransaction } from './transaction.ts'
import { type Fields, isFields, kindOf, textOf } from './tree.ts'
import { judgeParameterTypes } from './type-names.ts'
import type { Answer, RefuseVerdict, StatementKind, Verdict } from './verdict.ts'

/**
 * Judges one parsed statement for one principal. Every refusal is a verdict; it throws only for a bug, which the caller
 * must take for a refusal.
 */
export function judge(statement: ParsedStatement, context: JudgeContext): Verdict {
  const kind = kindOf(statement.node)
  const fields = kind === undefined ? undefined : statement.node[kind]
  if (kind === undefined || !isFields(fields)) return answer('empty', { type: 'empty' })
  const judgement = openJudgement(statement, context, false)
  try {
    if (context.parameterTypes !== undefined) judgeParameterTypes(judgement, context.parameterTypes)
    return judgeKind(judgement, kind, fields)
  } catch (thrown) {
    return refused(judgement, kind, thrown)
  }
}

function judgeKind(judgement: Judgement, kind: string, fields: Fields): Verdict {
  switch (kind) {
    case 'SelectStmt':
      return judgeQuery(judgement, fields)
    case 'ExplainStmt':
      return judgeExplain(judgement, fields)
    case 'CopyStmt':
      return judgeCopy(judgement, fields)
    case 'DeclareCursorStmt':
      return judgeDeclare(judgement, fields)
    case 'FetchStmt':
      return answer('fetch', judgeFetch(judgement, fields))
    case 'ClosePortalStmt':
      return answer('close', judgeCloseCursor(fields))
    case 'VariableShowStmt':
      return answer('show', judgeShowStatement(judgement, fields))
    case 'VariableSetStmt': {
      const said = judgeSet(judgement, fields)
      return answer(said.type === 'transaction' ? 'transaction' : 'set', said)
    }
    case 'TransactionStmt':
      return answer('transaction', judgeTransaction(judgement, fields))
    case 'DiscardStmt':
      return answer('discard', { type: 'discard', target: discardTarget(textOf(fields.target)) })
    case 'DeallocateStmt':
      return answer('deallocate', { type: 'deallocate', name: typeof fields.name === 'string' ? fields.name : null })
    case 'UnlistenStmt':
      return answer('unlisten', { type: 'unlisten' })
    default:
      return judgeBuilding(judgement, kind, fields) ?? refuseStatement(judgement, kind, fields)
  }
}

function discardTarget(target: string): 'ALL' | 'PLANS' | 'TEMP' | 'SEQUENCES' {
  switch (target) {
    case 'DISCARD_PLANS':
      return 'PLANS'
    case 'DISCARD_TEMP':
      return 'TEMP'
    case 'DISCARD_SEQUENCES':
      return 'SEQUENCES'
    default:
      return 'ALL'
  }
}

function answer(statementKind: StatementKind, said: Answer): Verdict {
  return { kind: 'answer', statementKind, relations: [], functions: [], answer: said }
}

const statementKinds: ReadonlyMap<string, StatementKind> = new Map([
  ['SelectStmt', 'select'],
  ['ExplainStmt', 'explain'],
  ['CopyStmt', 'copy'],
  ['DeclareCursorStmt', 'declare'],
  ['FetchStmt', 'fetch'],
  ['VariableShowStmt', 'show'],
  ['VariableSetStmt', 'set'],
  ['TransactionStmt', 'transaction'],
  ['UnlistenStmt', 'unlisten'],
])

function refused(judgement: Judgement, kind: string, thrown: unknown): RefuseVerdict {
  const verdict = {
    kind: 'refuse',
    statementKind: statementKinds.get(kind) ?? 'other',
    relations: [...judgement.relations],
    functions: [...judgement.functions],
  } as const
  if (thrown instanceof Refusal) return { ...verdict, error: thrown.error, reason: thrown.reason }
  if (!(thrown instanceof RangeError)) throw thrown
  const error = { code: '54001', message: 'statement too complex', hint: 'Nest less, or split the statement.' }
  return { ...verdict, error, reason: 'depth' }
}
