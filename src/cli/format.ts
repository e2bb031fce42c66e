/** A result as people, spreadsheets or programs want it. Values come as Postgres's text forms. */
import { columns } from './terminal.ts'

export interface Result {
  readonly columns: readonly { readonly name: string; readonly typeOid: number }[]
  readonly rows: readonly (readonly (string | null)[])[]
}

const booleanOid = 16
const jsonOids: ReadonlySet<number> = new Set([114, 3802])
/** int2, int4, oid, float4, float8: what JSON's numbers hold without loss. int8 and numeric stay text. */
const numberOids: ReadonlySet<number> = new Set([21, 23, 26, 700, 701])

export function formatTable(result: Result): string {
  const header = result.columns.map(column => column.name)
  const cells = result.rows.map(row => row.map(value => (value ?? '').replaceAll('\n', '↵')))
  const lines = columns([header, ...cells])
  const rule = '-'.repeat(Math.max(...lines.map(line => line.length)))
  return [
    lines[0] ?? '',
    rule,
    ...lines.slice(1),
    `(${result.rows.length} ${result.rows.length === 1 ? 'row' : 'rows'})`,
    '',
  ].join('\n')
}

/** RFC 4180; NULL is an empty field, an empty text a quoted one. */
export function formatCsv(result: Result): string {
  const quote = (value: string | null) => {
    if (value === null) return ''
    return value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
  }
  const rows = [result.columns.map(column => column.name), ...result.rows]
  return rows.map(row => `${row.map(quote).join(',')}\r\n`).join('')
}

/** An array of objects; of columns with the same name the last one counts. */
export function formatJson(result: Result): string {
  const objects = result.rows.map(row =>
    Object.fromEntries(
      result.columns.map((column, index) => [column.name, jsonValue(column.typeOid, row[index] ?? null)]),
    ),
  )
  return `${JSON.stringify(objects, null, 2)}\n`
}

function jsonValue(typeOid: number, value: string | null): unknown {
  if (value === null) return null
  if (typeOid === booleanOid) return value === 't'
  if (jsonOids.has(typeOid)) return JSON.parse(value)
  if (!numberOids.has(typeOid)) return value
  const number = Number(value)
  return Number.isFinite(number) ? number : value
}
