/**
 * Column references and field selections. `t.name` and `(x).name` are calls too where no column has the name:
 * Postgres then looks for a function of one argument, or a type to cast to (ParseFuncOrColumn; `('f'::text).pg_read_file`
 * read a file, `(10::oid).regrole` named a role: tried).
 */
import { judgeSelectedName, mayCall } from './functions.ts'
import type { Judgement } from './judgement.ts'
import { hasColumn, openBudget } from './outputs.ts'
import { findItems, type Scope } from './scope.ts'
import { spliceColumnSchema } from './splice-relations.ts'
import { type Fields, locationOf, namesOf, noFields, unwrap } from './tree.ts'

export function judgeColumnRef(judgement: Judgement, fields: Fields, scope: Scope): void {
  const names = namesOf(fields.fields)
  const column = names.at(-1)
  const qualifier = names.at(-2)
  if (column === undefined || qualifier === undefined) return
  if (names.length > 2 && isFilteredItem(scope, names.at(-3), qualifier)) spliceColumnSchema(judgement, fields)
  if (column === '*') return
  if (!mayCall(judgement, column) || isColumn(scope, qualifier, column)) return
  judgeSelectedName(judgement, column, locationOf(fields))
}

/**
 * Whether `qualifier.column` is a column whichever FROM item of that name is meant: which of them a subquery in FROM or a
 * join condition sees depends on LATERAL, so all must have it.
 */
function isColumn(scope: Scope, qualifier: string, column: string): boolean {
  const items = findItems(scope, qualifier)
  const budget = openBudget()
  return items.length > 0 && items.every(item => hasColumn(item, column, budget) === true)
}

/** The schema-qualified name of an unaliased catalog that has been spliced to its filtered view. */
function isFilteredItem(scope: Scope, schema: string | undefined, relation: string): boolean {
  for (let level: Scope | undefined = scope; level !== undefined; level = level.parent) {
    const found = level.items.some(
      item =>
        item.type === 'relation' &&
        item.filtered &&
        !item.aliased &&
        item.schema === schema &&
        item.relation === relation,
    )
    if (found) return true
  }
  return false
}

/** `(x).name`: whether x is a column or a relation's row cannot be told, so no column is taken for known. */
export function judgeIndirection(judgement: Judgement, fields: Fields, scope: Scope): void {
  const at = locationOf(unwrap(fields.arg, 'ColumnRef') ?? unwrap(fields.arg, 'FuncCall') ?? noFields)
  for (const name of namesOf(fields.indirection)) {
    if (name !== '' && name !== '*' && mayCall(judgement, name)) judgeSelectedName(judgement, name, at)
  }
  judgement.walkFields('A_Indirection', fields, scope)
}
