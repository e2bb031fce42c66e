/** SQL in what people and agents write down: parsed, so that it is no nonsense, and never run from here. */
import { SqlError, toSqlError } from '../errors.ts'
import type { ParsedText, Parser } from '../guard/parse.ts'
import { isFields, listOf, namesOf, unwrap } from '../guard/tree.ts'

/** The columns that an expression names: `[column]` or `[table, column]`. */
export type ColumnNames = readonly (readonly string[])[]

export type ExpressionReader = Pick<Parser, 'parseNow'>

const textMaxBytes = 64 * 1024

/** Of `sum(total)`. @throws SqlError 22023 where it is not one expression of SQL */
export function readExpression(parser: ExpressionReader, expression: string): ColumnNames {
  const select = selectOf(parser, `select ${expression}\n`, expression)
  const [target, second] = listOf(select.targetList)
  const own = unwrap(target, 'ResTarget')
  const extra = Object.keys(select).some(field => !['targetList', 'limitOption', 'op'].includes(field))
  if (own === undefined || second !== undefined || own.name !== undefined || extra) throw notOne(expression)
  return columnsOf(own.val)
}

/** Of `status <> 'cancelled'`. @throws SqlError 22023 where it is not one condition of SQL */
export function readCondition(parser: ExpressionReader, condition: string): ColumnNames {
  const select = selectOf(parser, `select where ${condition}\n`, condition)
  const extra = Object.keys(select).some(field => !['whereClause', 'limitOption', 'op'].includes(field))
  if (extra || select.whereClause === undefined) throw notOne(condition)
  return columnsOf(select.whereClause)
}

/** @throws SqlError 42601 and kin with the position in the text; 22023 where it is not exactly one statement */
export async function checkStatement(parser: Pick<Parser, 'parse'>, text: string): Promise<void> {
  const parsed = await parser.parse(text, textMaxBytes)
  if (parsed.statements.length === 1) return
  throw new SqlError({
    code: '22023',
    message: `the corrected SQL must be one statement, and is ${parsed.statements.length}`,
  })
}

function selectOf(parser: ExpressionReader, text: string, written: string): Readonly<Record<string, unknown>> {
  let parsed: ParsedText
  try {
    parsed = parser.parseNow(text, textMaxBytes)
  } catch (thrown) {
    const { code, message } = toSqlError(thrown)
    if (code === 'XX000') throw thrown
    throw new SqlError({ code: '22023', message: `${JSON.stringify(written)} is no SQL: ${message}` })
  }
  const [statement, second] = parsed.statements
  const select = unwrap(statement?.node, 'SelectStmt')
  if (select === undefined || second !== undefined) throw notOne(written)
  return select
}

function notOne(written: string): SqlError {
  return new SqlError({ code: '22023', message: `${JSON.stringify(written)} is not one expression of SQL` })
}

/** Those of subqueries belong to other tables: they are left out. */
function columnsOf(node: unknown): ColumnNames {
  const found: string[][] = []
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(walk)
    if (!isFields(value) || unwrap(value, 'SubLink') !== undefined) return
    const reference = unwrap(value, 'ColumnRef')
    if (reference === undefined) return Object.values(value).forEach(walk)
    const names = namesOf(reference.fields)
    if (names.at(-1) !== '*' && names.length > 0) found.push(names)
  }
  walk(node)
  return found
}
