/** Items of a FROM clause other than plain relations: what they add to the scope. */
import { type Judgement, refuse } from './judgement.ts'
import { judgeOperator } from './operators.ts'
import type { Query, Scope } from './scope.ts'
import { type Fields, isFields, listOf, locationOf, namesOf, textOf, unwrap } from './tree.ts'

export function judgeRangeSubselect(judgement: Judgement, fields: Fields, scope: Scope): void {
  judgement.walkFields('RangeSubselect', fields, scope)
  const { name, columns } = aliasOf(fields)
  const query: Query = { scope: scope.children.at(-1), columns: [] }
  scope.items.push({ type: 'query', name, query, renamed: columns })
}

/** One function, or ROWS FROM of several. */
export function judgeRangeFunction(judgement: Judgement, fields: Fields, scope: Scope): void {
  judgement.walkFields('RangeFunction', fields, scope)
  const calls = listOf(fields.functions).map(entry => listOf(unwrap(entry, 'List')?.items)[0])
  const spliced = calls.find(call => isFields(call) && judgement.changes.has(call))
  if (spliced !== undefined) {
    refuse(judgement, 'splice', {
      code: '0A000',
      message: 'pg_backend_pid() is not supported in FROM',
      hint: 'Write (select pg_backend_pid()).',
      at: locationOf(unwrap(spliced, 'FuncCall') ?? fields),
    })
  }
  const alias = aliasOf(fields)
  const [call] = calls
  const name = alias.name !== '' ? alias.name : (namesOf(unwrap(call, 'FuncCall')?.funcname).at(-1) ?? '')
  const declared = listOf(fields.coldeflist).concat(
    listOf(fields.functions).flatMap(entry => listOf(unwrap(listOf(unwrap(entry, 'List')?.items)[1], 'List')?.items)),
  )
  const columns = declared.map(entry => textOf(unwrap(entry, 'ColumnDef')?.colname))
  scope.items.push({
    type: 'other',
    name,
    source: calls.length === 1 && isFields(call) ? call : undefined,
    ordinality: fields.ordinality === true,
    renamed: alias.columns.length > 0 ? alias.columns : columns,
    declared: [name, ...alias.columns, ...columns],
  })
}

/** XMLTABLE and JSON_TABLE. */
export function judgeRangeTable(
  judgement: Judgement,
  kind: 'RangeTableFunc' | 'JsonTable',
  fields: Fields,
  scope: Scope,
): void {
  judgement.walkFields(kind, fields, scope)
  const alias = aliasOf(fields)
  const columns = columnNames(fields.columns)
  scope.items.push({
    type: 'other',
    name: alias.name,
    source: undefined,
    ordinality: false,
    renamed: alias.columns.length > 0 ? alias.columns : columns,
    declared: [...alias.columns, ...columns],
  })
}

function columnNames(columns: unknown): readonly string[] {
  return listOf(columns).flatMap(entry => {
    const column = unwrap(entry, 'RangeTableFuncCol') ?? unwrap(entry, 'JsonTableColumn')
    if (column === undefined) return []
    return [textOf(column.colname), textOf(column.name), ...columnNames(column.columns)].filter(name => name !== '')
  })
}

/** Sampling methods are functions too: only the built-in ones. */
export function judgeTableSample(judgement: Judgement, fields: Fields, scope: Scope): void {
  const method = namesOf(fields.method)
  const name = method.at(-1) ?? ''
  if (
    method.length > 2 ||
    (method.length === 2 && method[0] !== 'pg_catalog') ||
    !/^(?:system|bernoulli)$/.test(name)
  ) {
    refuse(judgement, 'function', {
      code: '42704',
      message: `tablesample method ${method.join('.')} does not exist`,
      at: locationOf(fields),
    })
  }
  judgement.walkFields('RangeTableSample', fields, scope)
}

/** With an alias a join hides what it joins. */
export function judgeJoin(judgement: Judgement, fields: Fields, scope: Scope): void {
  const before = scope.items.length
  judgement.walkFields('JoinExpr', fields, scope)
  if (fields.isNatural === true || listOf(fields.usingClause).length > 0) judgeOperator(judgement, ['='], undefined)
  const using = isFields(fields.join_using_alias) ? textOf(fields.join_using_alias.aliasname) : ''
  if (using !== '')
    scope.items.push({ type: 'other', name: using, source: undefined, ordinality: false, renamed: [], declared: [] })
  const alias = aliasOf(fields)
  if (alias.name === '') return
  const items = scope.items.splice(before)
  scope.items.push({ type: 'join', name: alias.name, items, renamed: alias.columns })
}

function aliasOf(fields: Fields): { readonly name: string; readonly columns: readonly string[] } {
  const alias = isFields(fields.alias) ? fields.alias : undefined
  return alias === undefined
    ? { name: '', columns: [] }
    : { name: textOf(alias.aliasname), columns: namesOf(alias.colnames) }
}
