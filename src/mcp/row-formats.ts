/** Rows as CSV and as a Markdown table. */
import { stringify } from 'csv-stringify/sync'

/** RFC 4180. NULL is an empty field, an empty text a quoted one. */
export function formatCsv(header: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = rows.map(row => row.map(plainText))
  return stringify([[...header], ...cells], { quoted_match: /^$/ })
}

export function formatMarkdown(header: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const oneCell = (text: string) =>
    text
      .replaceAll('\\', '\\\\')
      .replaceAll('|', '\\|')
      .replace(/\r\n|\r|\n/g, '<br>')
  const body = rows.map(row => line(row.map(value => oneCell(plainText(value) ?? 'NULL'))))
  return [line(header.map(oneCell)), line(header.map(() => '---')), ...body].join('\n')
}

function plainText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
