/** The output columns of a query: what an outer query may call them, and the expression behind each. */
import type { Query, Scope, ScopeItem } from './scope.ts'
import { isFields, kindOf, listOf, namesOf, unwrap } from './tree.ts'

export interface Output {
  readonly value: unknown
  readonly scope: Scope
}

/** Following columns through subqueries and CTEs can multiply: each look costs a step, and nothing is known once they are spent. */
export interface Budget {
  steps: number
}

export function openBudget(): Budget {
  return { steps: 500 }
}

export function spend(budget: Budget): boolean {
  budget.steps -= 1
  return budget.steps >= 0
}

/** The outputs of that name (one per arm of a set operation); none if there is no such column; undefined: cannot be told. */
export function findOutputs(
  query: Query,
  renamed: readonly string[],
  name: string,
  budget: Budget,
): readonly Output[] | undefined {
  if (query.scope === undefined) return undefined
  const given = renamed.indexOf(name)
  if (given >= 0) return outputsAt(query.scope, given, budget)
  const own = query.columns.indexOf(name)
  if (own >= 0) return own < renamed.length ? [] : outputsAt(query.scope, own, budget)
  return outputsNamed(query.scope, name, Math.max(renamed.length, query.columns.length), budget)
}

/** The outputs at a place in the target list; undefined: cannot be told. */
export function outputsAt(scope: Scope, index: number, budget: Budget): readonly Output[] | undefined {
  const { select } = scope
  if (select === undefined || !spend(budget)) return undefined
  if (scope.arms.length > 0) {
    const outputs: Output[] = []
    for (const arm of scope.arms) {
      const found = outputsAt(arm, index, budget)
      if (found === undefined) return undefined
      outputs.push(...found)
    }
    return outputs
  }
  const targets = listOf(select.targetList).slice(0, index + 1)
  const target = unwrap(targets[index], 'ResTarget')
  if (target === undefined || targets.some(entry => starQualifier(entry) !== undefined)) return undefined
  return [{ value: target.val, scope }]
}

function outputsNamed(scope: Scope, name: string, renamedCount: number, budget: Budget): readonly Output[] | undefined {
  const [first] = scope.arms
  const named = first === undefined ? scope : leftmost(first)
  const targets = listOf(named.select?.targetList)
  if (targets.length === 0 || !spend(budget)) return undefined
  const outputs: Output[] = []
  for (const [at, entry] of targets.entries()) {
    const star = starQualifier(entry)
    if (star !== undefined && (first !== undefined || renamedCount > 0)) return undefined
    const target = unwrap(entry, 'ResTarget')
    const isNamed = at >= renamedCount && target !== undefined && outputName(target.name, target.val) === name
    const found =
      star !== undefined ? expandStar(scope, star, name, budget) : isNamed ? outputsAt(scope, at, budget) : []
    if (found === undefined) return undefined
    outputs.push(...found)
  }
  return outputs
}

function leftmost(scope: Scope): Scope {
  const [first] = scope.arms
  return first === undefined ? scope : leftmost(first)
}

const anyComposite = '\0'

/** A target `*` → '', `t.*` → 't', `(x).*` → a name that nothing has; undefined: no star. */
function starQualifier(entry: unknown): string | undefined {
  const value = unwrap(entry, 'ResTarget')?.val
  const column = namesOf(unwrap(value, 'ColumnRef')?.fields)
  if (column.at(-1) === '*') return column.at(-2) ?? ''
  return namesOf(unwrap(value, 'A_Indirection')?.indirection).at(-1) === '*' ? anyComposite : undefined
}

/** Two of one name could not be named from outside, so what has it for certain is what is meant. */
function expandStar(scope: Scope, qualifier: string, name: string, budget: Budget): readonly Output[] | undefined {
  const items = qualifier === '' ? scope.items : scope.items.filter(item => item.name === qualifier)
  const having = items.filter(item => hasColumn(item, name, budget) === true)
  if (having.length > 0) return having.map(item => ({ value: columnOf(item.name, name), scope }))
  return items.length > 0 && items.every(item => hasColumn(item, name, budget) === false) ? [] : undefined
}

function columnOf(item: string, column: string): unknown {
  return { ColumnRef: { fields: [{ String: { sval: item } }, { String: { sval: column } }] } }
}

/** The column name that Postgres gives (FigureColname in parse_target.c), for what can be followed further; else ''. */
export function outputName(given: unknown, value: unknown): string {
  if (typeof given === 'string') return given
  if (!isFields(value)) return ''
  switch (kindOf(value)) {
    case 'ColumnRef':
      return namesOf(unwrap(value, 'ColumnRef')?.fields).at(-1) ?? ''
    case 'FuncCall':
      return namesOf(unwrap(value, 'FuncCall')?.funcname).at(-1) ?? ''
    case 'A_Indirection': {
      const indirection = unwrap(value, 'A_Indirection')
      const names = namesOf(indirection?.indirection).filter(name => name !== '' && name !== '*')
      return names.at(-1) ?? outputName(undefined, indirection?.arg)
    }
    case 'TypeCast': {
      const cast = unwrap(value, 'TypeCast')
      const inner = outputName(undefined, cast?.arg)
      return inner !== '' ? inner : lastTypeName(cast?.typeName)
    }
    case 'CollateClause':
      return outputName(undefined, unwrap(value, 'CollateClause')?.arg)
    default:
      return ''
  }
}

function lastTypeName(typeName: unknown): string {
  return isFields(typeName) ? (namesOf(typeName.names).at(-1) ?? '') : ''
}

/** Whether a FROM item has a column of this name; undefined: cannot be told. */
export function hasColumn(item: ScopeItem, name: string, budget: Budget): boolean | undefined {
  if (item.renamed.includes(name)) return item.type === 'join' ? undefined : true
  switch (item.type) {
    case 'relation':
      return item.renamed.length === 0 ? item.columns.has(name) : undefined
    case 'query': {
      const outputs = findOutputs(item.query, item.renamed, name, budget)
      return outputs === undefined ? undefined : outputs.length > 0
    }
    case 'join': {
      if (item.renamed.length > 0 || !spend(budget)) return undefined
      const answers = item.items.map(part => hasColumn(part, name, budget))
      if (answers.includes(true)) return true
      return answers.includes(undefined) ? undefined : false
    }
    case 'other':
      return undefined
  }
}
