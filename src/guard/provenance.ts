/**
 * Whether an expression's value comes from a catalog of this database: what makes helpers that describe roles and
 * objects by number harmless (guard.md: "over a column of a pg_catalog relation in the same query").
 */
import { type Budget, findOutputs, hasColumn, openBudget, outputsAt, spend } from './outputs.ts'
import { findItems, type Scope, type ScopeItem } from './scope.ts'
import { isFields, kindOf, listOf, namesOf, unwrap } from './tree.ts'

/** Functions that only hand on or take apart what they are given. */
const transparent = new Set(['aclexplode', 'unnest', 'quote_ident', 'min', 'max', 'array_agg', 'any_value'])
/** Functions that name the caller's own place. */
const own = new Set(['current_database', 'current_schema'])

export function comesFromCatalog(node: unknown, scope: Scope, budget: Budget = openBudget()): boolean {
  if (!isFields(node) || !spend(budget)) return false
  const kind = kindOf(node)
  switch (kind) {
    case 'ColumnRef':
      return columnComesFromCatalog(namesOf(unwrap(node, 'ColumnRef')?.fields), scope, budget)
    case 'TypeCast':
      return comesFromCatalog(unwrap(node, 'TypeCast')?.arg, scope, budget)
    case 'CollateClause':
      return comesFromCatalog(unwrap(node, 'CollateClause')?.arg, scope, budget)
    case 'A_Indirection':
      return comesFromCatalog(unwrap(node, 'A_Indirection')?.arg, scope, budget)
    case 'CoalesceExpr':
      return allFromCatalog(unwrap(node, 'CoalesceExpr')?.args, scope, budget)
    case 'A_ArrayExpr':
      return allFromCatalog(unwrap(node, 'A_ArrayExpr')?.elements, scope, budget)
    case 'FuncCall': {
      const call = unwrap(node, 'FuncCall')
      const name = namesOf(call?.funcname)
      if (name.length > 1 && name[0] !== 'pg_catalog') return false
      if (own.has(name.at(-1) ?? '')) return true
      return transparent.has(name.at(-1) ?? '') && allFromCatalog(call?.args, scope, budget)
    }
    case 'SQLValueFunction':
      return true
    case 'SubLink':
      return subqueryComesFromCatalog(unwrap(node, 'SubLink')?.subselect, scope, budget)
    default:
      return false
  }
}

function allFromCatalog(list: unknown, scope: Scope, budget: Budget): boolean {
  const entries = listOf(list)
  return entries.length > 0 && entries.every(entry => comesFromCatalog(entry, scope, budget))
}

/** `(select column from catalog …)`; its scope is known once it has been judged. */
function subqueryComesFromCatalog(subselect: unknown, scope: Scope, budget: Budget): boolean {
  const select = unwrap(subselect, 'SelectStmt')
  const inner = scope.children.find(child => child.select === select)
  const outputs = inner === undefined ? undefined : outputsAt(inner, 0, budget)
  if (outputs === undefined || outputs.length === 0) return false
  return outputs.every(output => comesFromCatalog(output.value, output.scope, budget))
}

/** Which FROM items a name can mean depends on LATERAL: every one that fits must lead to a catalog. */
function columnComesFromCatalog(names: readonly string[], scope: Scope, budget: Budget): boolean {
  const column = names.at(-1)
  if (column === undefined || column === '*') return false
  const qualifier = names.at(-2)
  if (qualifier === undefined) return bareColumnComesFromCatalog(column, scope, budget)
  const items = findItems(scope, qualifier)
  return items.length > 0 && items.every(item => itemColumnComesFromCatalog(item, column, scope, budget))
}

function bareColumnComesFromCatalog(column: string, scope: Scope, budget: Budget): boolean {
  let found = false
  for (let level: Scope | undefined = scope; level !== undefined; level = level.parent) {
    let unsure = false
    for (const item of level.items) {
      const has = hasColumn(item, column, budget)
      if (has === true && !itemColumnComesFromCatalog(item, column, level, budget)) return false
      if (has === true) found = true
      if (has === undefined) unsure = true
    }
    if (unsure && !found) return false
  }
  return found
}

function itemColumnComesFromCatalog(item: ScopeItem, column: string, scope: Scope, budget: Budget): boolean {
  switch (item.type) {
    case 'relation':
      return (
        (item.schema === 'pg_catalog' || item.schema === 'information_schema') &&
        hasColumn(item, column, budget) === true
      )
    case 'query': {
      const outputs = findOutputs(item.query, item.renamed, column, budget)
      if (outputs === undefined || outputs.length === 0) return false
      return outputs.every(output => comesFromCatalog(output.value, output.scope, budget))
    }
    case 'other':
      return item.source !== undefined && comesFromCatalog(item.source, scope, budget)
  }
}
