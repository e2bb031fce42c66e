/** INSERT, UPDATE, DELETE and MERGE into a run's own relations, alone or in WITH. */
import { requireOwn, unknownColumns } from './builder-targets.ts'
import type { Judgement } from './judgement.ts'
import { openScope, type Scope } from './scope.ts'
import { judgeWith } from './select.ts'
import { type Fields, isFields, listOf, textOf, unwrap } from './tree.ts'

/** The source sees nothing of the target; conflicts and RETURNING do. */
export function judgeInsert(judgement: Judgement, fields: Fields, parent: Scope): void {
  const { relation, withClause, selectStmt, ...rest } = fields
  const scope = openWith(judgement, withClause, parent)
  judgement.walk(selectStmt, scope)
  scope.items.push(requireOwn(judgement, relation), unknownColumns('excluded'))
  addReturned(scope, fields)
  judgement.walkFields('InsertStmt', rest, scope)
}

export function judgeUpdate(judgement: Judgement, fields: Fields, parent: Scope): void {
  const { relation, withClause, fromClause, ...rest } = fields
  const scope = openWith(judgement, withClause, parent)
  scope.items.push(requireOwn(judgement, relation))
  addReturned(scope, fields)
  if (fromClause !== undefined) judgement.walkFields('UpdateStmt', { fromClause }, scope)
  judgement.walkFields('UpdateStmt', rest, scope)
}

export function judgeDelete(judgement: Judgement, fields: Fields, parent: Scope): void {
  const { relation, withClause, usingClause, ...rest } = fields
  const scope = openWith(judgement, withClause, parent)
  scope.items.push(requireOwn(judgement, relation))
  addReturned(scope, fields)
  if (usingClause !== undefined) judgement.walkFields('DeleteStmt', { usingClause }, scope)
  judgement.walkFields('DeleteStmt', rest, scope)
}

export function judgeMerge(judgement: Judgement, fields: Fields, parent: Scope): void {
  const { relation, withClause, sourceRelation, ...rest } = fields
  const scope = openWith(judgement, withClause, parent)
  scope.items.push(requireOwn(judgement, relation))
  addReturned(scope, fields)
  judgement.walk(sourceRelation, scope)
  judgement.walkFields('MergeStmt', rest, scope)
}

function openWith(judgement: Judgement, withClause: unknown, parent: Scope): Scope {
  const scope = openScope(parent, undefined)
  if (isFields(withClause)) judgeWith(judgement, withClause, scope)
  return scope
}

/** RETURNING knows the row by two more names, which it may give itself. */
function addReturned(scope: Scope, fields: Fields): void {
  if (!isFields(fields.returningClause)) return
  const given = listOf(fields.returningClause.options).map(entry => textOf(unwrap(entry, 'ReturningOption')?.value))
  for (const name of ['old', 'new', ...given]) scope.items.push(unknownColumns(name))
}
