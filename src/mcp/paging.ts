/** Whether a statement's rows come in one order only, so that a next page can begin where this one ended. */
import type { ParsedStatement } from '../guard/parse.ts'

type Fields = { readonly [field: string]: unknown }

/** They give one value for one row, always: a row is not multiplied, as a set-returning function would. */
const scalarFunctions = new Set(
  (
    'abs age array_length btrim cardinality ceil char_length concat concat_ws date_part date_trunc extract floor ' +
    'initcap left length lower ltrim md5 mod now position power replace right round rtrim split_part sqrt strpos ' +
    'substr substring to_char to_date trim trunc upper'
  ).split(' '),
)

const plainFields = new Set(['targetList', 'fromClause', 'whereClause', 'sortClause', 'limitOption', 'op'])

export interface SingleTable {
  /** As the statement names it. */
  readonly name: string
  /** What its columns are qualified by. */
  readonly alias: string
  /** Columns of the table that the statement orders by. */
  readonly orderedBy: ReadonlySet<string>
}

/**
 * The one table that a plain `select … from table [where …] order by …` reads; undefined for anything else, where an
 * order cannot be proven from a key. Its order is total where `orderedBy` holds the table's whole primary key.
 */
export function orderedTableOf(statement: ParsedStatement): SingleTable | undefined {
  const select = fieldsOf(statement.node.SelectStmt)
  if (select === undefined || Object.keys(select).some(field => !plainFields.has(field))) return undefined
  if (select.op !== undefined && select.op !== 'SETOP_NONE') return undefined
  const [from, second] = listOf(select.fromClause)
  const range = fieldsOf(fieldsOf(from)?.RangeVar)
  if (range === undefined || second !== undefined || typeof range.relname !== 'string') return undefined
  const targets = listOf(select.targetList)
  if (targets.some(multiplies)) return undefined
  const alias = textOf(fieldsOf(range.alias)?.aliasname) ?? range.relname
  const orderedBy = new Set<string>()
  for (const item of listOf(select.sortClause)) {
    const column = columnOf(fieldsOf(fieldsOf(item)?.SortBy)?.node, alias)
    if (column !== undefined && !(column.bare && isShadowed(column.name, targets, alias))) orderedBy.add(column.name)
  }
  return { name: range.relname, alias, orderedBy }
}

/** The statement with its first `offset` rows left out: what stands behind it, a comment too, is closed by the line's end. */
export function skipRows(statement: ParsedStatement, offset: number): string {
  return `${statement.text}\noffset ${offset}`
}

/** `order by id` means an output column of that name first. */
function isShadowed(name: string, targets: readonly unknown[], alias: string): boolean {
  return targets.some(target => {
    const named = fieldsOf(fieldsOf(target)?.ResTarget)
    return named?.name === name && columnOf(named.val, alias)?.name !== name
  })
}

function columnOf(node: unknown, alias: string): { readonly name: string; readonly bare: boolean } | undefined {
  const reference = fieldsOf(fieldsOf(node)?.ColumnRef)
  const names = listOf(reference?.fields).map(part => textOf(fieldsOf(fieldsOf(part)?.String)?.sval))
  const [first, second] = names
  if (names.length === 1 && first !== undefined) return { name: first, bare: true }
  if (names.length === 2 && first === alias && second !== undefined) return { name: second, bare: false }
  return undefined
}

/** Whether anything in it may give other than one row for one row. */
function multiplies(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(multiplies)
  const fields = fieldsOf(node)
  if (fields === undefined) return false
  const call = fieldsOf(fields.FuncCall)
  if (call !== undefined) {
    const name = textOf(fieldsOf(fieldsOf(listOf(call.funcname).at(-1))?.String)?.sval)
    if (name === undefined || !scalarFunctions.has(name)) return true
  }
  return Object.values(fields).some(multiplies)
}

function fieldsOf(value: unknown): Fields | undefined {
  return isFields(value) ? value : undefined
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
