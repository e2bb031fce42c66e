/**
 * Whether an expression's value comes from a catalog of this database: what makes helpers that describe roles and
 * objects by number harmless (guard.md: "over a column of a pg_catalog relation in the same query").
 */
import { namesWanted, type Wanted } from './catalog-columns.ts'
import { type Budget, findOutputs, hasColumn, type Output, openBudget, outputsAt, spend } from './outputs.ts'
import { findItems, type Scope, type ScopeItem } from './scope.ts'
import { type Fields, isFields, kindOf, listOf, namesOf, unwrap } from './tree.ts'

/** Functions that only hand on or take apart what they are given. */
const transparent = new Set(['aclexplode', 'unnest', 'quote_ident', 'min', 'max', 'array_agg', 'any_value'])
/** Functions that name the caller's own place. */
const own = new Set(['current_database', 'current_schema', 'pg_my_temp_schema'])
/** Functions of relations that are found from one that was judged itself. */
const ofRelations = new Set(['pg_partition_ancestors', 'pg_partition_root', 'pg_partition_tree'])

/** What is looked for, where a name is being looked up, and how much looking is left. */
interface Trace {
  readonly wanted: Wanted
  readonly budget: Budget
  /** In a target list, which sees all of its own FROM; elsewhere what is seen depends on LATERAL. */
  readonly inTargets: boolean
}

export function comesFromCatalog(node: unknown, wanted: Wanted, scope: Scope): boolean {
  return isTraced(node, scope, { wanted, budget: openBudget(), inTargets: false })
}

function isTraced(node: unknown, scope: Scope, trace: Trace): boolean {
  if (!isFields(node) || !spend(trace.budget)) return false
  const kind = kindOf(node)
  const fields = kind === undefined ? undefined : unwrap(node, kind)
  switch (kind) {
    case 'ColumnRef':
      return isColumnTraced(namesOf(fields?.fields), scope, trace)
    case 'TypeCast':
      return fields !== undefined && isWholeCast(fields) && isTraced(fields.arg, scope, trace)
    case 'CollateClause':
    case 'A_Indirection':
      return isTraced(fields?.arg, scope, trace)
    case 'CoalesceExpr':
      return areTraced(fields?.args, scope, trace)
    case 'A_ArrayExpr':
      return areTraced(fields?.elements, scope, trace)
    case 'FuncCall':
      return isCallTraced(fields, scope, trace)
    case 'SQLValueFunction':
      return trace.wanted !== 'setting'
    case 'SubLink':
      return isSubqueryTraced(fields?.subselect, scope, trace)
    default:
      return false
  }
}

/** Types that hold any number, name or list of them as it is: others cut or round, or are the database's own. */
const keeping: ReadonlySet<string> = new Set([
  'aclitem',
  'int2',
  'int4',
  'int8',
  'name',
  'numeric',
  'oid',
  'regclass',
  'regnamespace',
  'regproc',
  'regprocedure',
  'regrole',
  'regtype',
  'text',
  'varchar',
])

/** A cast that keeps what it is given. */
export function isWholeCast(cast: Fields): boolean {
  if (!isFields(cast.typeName) || listOf(cast.typeName.typmods).length > 0) return false
  const names = namesOf(cast.typeName.names)
  return (names.length === 1 || names[0] === 'pg_catalog') && keeping.has(names.at(-1)?.replace(/^_/, '') ?? '')
}

function areTraced(list: unknown, scope: Scope, trace: Trace): boolean {
  const entries = listOf(list)
  return entries.length > 0 && entries.every(entry => isTraced(entry, scope, trace))
}

function isCallTraced(call: Fields | undefined, scope: Scope, trace: Trace): boolean {
  const names = namesOf(call?.funcname)
  const name = names.at(-1) ?? ''
  if (names.length > 1 && names[0] !== 'pg_catalog') return false
  if (own.has(name)) return trace.wanted !== 'setting'
  if (ofRelations.has(name)) return trace.wanted === 'relation'
  const args = listOf(call?.args)
  return areTraced(name === 'acldefault' ? args.slice(1) : transparent.has(name) ? args : [], scope, trace)
}

/** `(select column from catalog …)`; its scope is known once it has been judged. */
function isSubqueryTraced(subselect: unknown, scope: Scope, trace: Trace): boolean {
  const select = unwrap(subselect, 'SelectStmt')
  const inner = scope.children.find(child => child.select === select)
  return areOutputsTraced(inner === undefined ? undefined : outputsAt(inner, 0, trace.budget), trace)
}

function areOutputsTraced(outputs: readonly Output[] | undefined, trace: Trace): boolean {
  if (outputs === undefined || outputs.length === 0) return false
  return outputs.every(output => isTraced(output.value, output.scope, { ...trace, inTargets: true }))
}

function isColumnTraced(names: readonly string[], scope: Scope, trace: Trace): boolean {
  const column = names.at(-1)
  if (column === undefined || column === '*') return false
  const qualifier = names.at(-2)
  if (qualifier === undefined) return isBareColumnTraced(column, scope, trace)
  const near = scope.items.filter(item => item.name === qualifier)
  const items = trace.inTargets && near.length > 0 ? near : findItems(scope, qualifier)
  return items.length > 0 && items.every(item => isItemColumnTraced(item, column, scope, trace))
}

/** Every column that the name could mean must lead to a catalog; what cannot be told may not come before one that can. */
function isBareColumnTraced(column: string, scope: Scope, trace: Trace): boolean {
  let found = false
  for (let level: Scope | undefined = scope; level !== undefined; level = level.parent) {
    let unsure = false
    for (const item of level.items) {
      const has = mayDeclare(item, column) || hasColumn(item, column, trace.budget)
      if (has === true && !isItemColumnTraced(item, column, level, trace)) return false
      if (has === true) found = true
      if (has === undefined) unsure = true
    }
    if (unsure && !found) return false
    if (found && trace.inTargets && level === scope) return true
  }
  return found
}

/** A name that the text gives a function's column: it may be one, and leads nowhere known. */
function mayDeclare(item: ScopeItem, column: string): boolean {
  if (item.type === 'join') return item.items.some(part => mayDeclare(part, column))
  return item.type === 'other' && item.declared.includes(column)
}

function isItemColumnTraced(item: ScopeItem, column: string, scope: Scope, trace: Trace): boolean {
  switch (item.type) {
    case 'relation':
      return isCatalogSchema(item.schema) && item.columns.has(column) && item.renamed.length === 0
        ? namesWanted(trace.wanted, item.relation, column) && (trace.wanted !== 'setting' || item.filtered)
        : false
    case 'query':
      return areOutputsTraced(findOutputs(item.query, item.renamed, column, trace.budget), trace)
    case 'join': {
      const having = item.items.filter(part => hasColumn(part, column, trace.budget) !== false)
      return having.length > 0 && having.every(part => isItemColumnTraced(part, column, scope, trace))
    }
    case 'other':
      return item.source !== undefined && !isOrdinal(item, column) && isTraced(item.source, scope, trace)
  }
}

/** The number that WITH ORDINALITY counts is nothing that the function gave. */
function isOrdinal(item: ScopeItem & { type: 'other' }, column: string): boolean {
  if (!item.ordinality) return false
  return column === 'ordinality' || item.renamed.indexOf(column) > 0
}

function isCatalogSchema(schema: string): boolean {
  return schema === 'pg_catalog' || schema === 'information_schema'
}
