/** SELECT, VALUES, TABLE and set operations: their scope, their WITH, and what makes them write. */
import { type Judgement, refuse } from './judgement.ts'
import { openScope, type Query, type Scope } from './scope.ts'
import { type Fields, isFields, listOf, locationOf, namesOf, textOf, unwrap } from './tree.ts'

/** Judges one query level; its scope is kept among the parent's children. */
export function judgeSelect(judgement: Judgement, fields: Fields, parent: Scope): Scope {
  refuseWriting(judgement, fields)
  const scope = openScope(parent, fields)
  const { withClause, fromClause, larg, rarg, ...rest } = fields
  if (isFields(withClause)) judgeWith(judgement, withClause, scope)
  if (isFields(larg)) scope.arms.push(judgeSelect(judgement, larg, scope))
  if (isFields(rarg)) scope.arms.push(judgeSelect(judgement, rarg, scope))
  if (fromClause !== undefined) judgement.walkFields('SelectStmt', { fromClause }, scope)
  judgement.walkFields('SelectStmt', rest, scope)
  return scope
}

function refuseWriting(judgement: Judgement, fields: Fields): void {
  const isBuilder = judgement.context.policy.builder !== undefined
  if (isFields(fields.intoClause)) {
    if (isBuilder) refuseNot(judgement, 'SELECT INTO', 'Write CREATE TABLE … AS.')
    refuseInto(judgement, fields.intoClause)
  }
  const locking = unwrap(listOf(fields.lockingClause)[0], 'LockingClause')
  if (locking === undefined) return
  if (isBuilder) refuseNot(judgement, `SELECT ${lockWord(textOf(locking.strength))}`, 'Leave the locking clause out.')
  refuse(judgement, 'writes', {
    code: '25006',
    message: `cannot execute SELECT ${lockWord(textOf(locking.strength))} in a read-only transaction`,
    hint: 'Leave the locking clause out: nothing here writes what it would protect.',
  })
}

function refuseNot(judgement: Judgement, what: string, hint: string): never {
  refuse(judgement, 'statement', { code: '0A000', message: `${what} is not supported`, hint })
}

function refuseInto(judgement: Judgement, into: Fields): never {
  const relation = isFields(into.rel) ? into.rel : undefined
  const at = relation === undefined ? undefined : locationOf(relation)
  if (relation?.relpersistence === 't') refuseTemporary(judgement, at)
  refuse(judgement, 'writes', { code: '25006', message: 'cannot execute SELECT INTO in a read-only transaction', at })
}

export function refuseTemporary(judgement: Judgement, at: number | undefined): never {
  refuse(judgement, 'writes', {
    code: '42501',
    message: `permission denied to create temporary tables in database "${judgement.context.catalog.database}"`,
    hint: 'Use WITH for what the statement needs in between.',
    at,
  })
}

function lockWord(strength: string): string {
  switch (strength) {
    case 'LCS_FORUPDATE':
      return 'FOR UPDATE'
    case 'LCS_FORNOKEYUPDATE':
      return 'FOR NO KEY UPDATE'
    case 'LCS_FORSHARE':
      return 'FOR SHARE'
    default:
      return 'FOR KEY SHARE'
  }
}

/** Without RECURSIVE a CTE sees those before it; with it, all of the same WITH (manual, 7.8). */
export function judgeWith(judgement: Judgement, withClause: Fields, scope: Scope): void {
  const { ctes, ...rest } = withClause
  judgement.walkFields('WithClause', rest, scope)
  const expressions = listOf(ctes).map(entry => ({ entry, cte: unwrap(entry, 'CommonTableExpr') }))
  if (withClause.recursive === true) {
    for (const { cte } of expressions) if (cte !== undefined) scope.ctes.set(textOf(cte.ctename), queryOf(cte))
  }
  for (const { entry, cte } of expressions) {
    judgement.walk(entry, scope)
    if (cte === undefined) continue
    const name = textOf(cte.ctename)
    const query = withClause.recursive === true ? scope.ctes.get(name) : queryOf(cte)
    if (query === undefined) continue
    query.scope = scope.children.at(-1)
    scope.ctes.set(name, query)
  }
}

function queryOf(cte: Fields): Query {
  return { scope: undefined, columns: namesOf(cte.aliascolnames) }
}
