/** A result as compact text: the same facts as its data. */
import type { Column } from './result-rows.ts'
import { oneLine } from './tools/lines.ts'

interface Result {
  readonly columns: readonly Column[]
  readonly rows?: readonly (readonly unknown[])[] | undefined
  readonly csv?: string | undefined
  readonly markdown?: string | undefined
  readonly row_count: number
  readonly truncated: boolean
  readonly next_step?: string | undefined
  readonly cursor?: string | undefined
  readonly sql_executed: string
  readonly tables_accessed: readonly string[]
}

export function renderResult(result: Result): string {
  const { columns, rows, row_count, truncated, next_step, cursor, tables_accessed } = result
  const lines = [
    `columns: ${columns.map(({ name, type }) => `${JSON.stringify(name)} ${type}`).join(', ')}`,
    result.csv ?? result.markdown ?? (rows ?? []).map(row => JSON.stringify(row)).join('\n'),
    `${row_count} row${row_count === 1 ? '' : 's'}${truncated ? `, TRUNCATED. ${next_step ?? ''}` : ''}`,
  ]
  if (cursor !== undefined) lines.push(`cursor: ${cursor}`)
  if (tables_accessed.length > 0) lines.push(`tables: ${tables_accessed.map(table => oneLine(table)).join(', ')}`)
  return lines.filter(line => line !== '').join('\n')
}
