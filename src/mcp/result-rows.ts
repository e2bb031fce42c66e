/** A statement's answer as a tool gives it: columns described, values decoded, not larger than its caller may get. */
import type { CatalogRelation } from '../guard/catalog.ts'
import type { StatementAnswer } from '../session/callers.ts'
import type { ColumnFacts } from './column-facts.ts'
import { formatCsv, formatMarkdown } from './row-formats.ts'
import { decodeCut, decoderOf } from './values.ts'

export interface Column {
  name: string
  type: string
  nullable?: boolean | undefined
  table?: string | undefined
  encoding?: 'base64' | undefined
}

export type RowFormat = 'rows' | 'csv' | 'markdown'

export interface DecodedRows {
  readonly columns: Column[]
  readonly rows: {
    readonly count: number
    readonly shown: { rows: unknown[][] } | { csv: string } | { markdown: string }
  }
  readonly cuts: readonly { row: number; column: number; bytes: number }[]
  /** Rows were left out because the decoded ones would have been too large. */
  readonly overflowed: boolean
}

/** Where one of these stands in a statement, a column may be NULL that its table does not let be. */
const nullMaking = /\b(join|rollup|cube|grouping)\b/i
const byteaOid = 17

/** @param maxBytes of the rows' JSON */
export function decodeRows(
  answer: StatementAnswer,
  facts: ColumnFacts,
  sql: string,
  format: RowFormat,
  maxBytes: number,
): DecodedRows {
  const columns = describeColumns(answer, facts, sql)
  const decoders = answer.columns.map(column => decoderOf(column.typeOid, facts.typeOf))
  const cutAt = new Map(answer.cuts.map(cut => [cut.row * answer.columns.length + cut.column, cut.bytes]))
  const decoded: unknown[][] = []
  let bytes = 0
  for (const [at, row] of answer.rows.entries()) {
    const values = row.map((value, column) => {
      if (value === null) return null
      const cut = cutAt.size === 0 ? undefined : cutAt.get(at * answer.columns.length + column)
      return cut === undefined ? decoders[column]!(value) : decodeCut(value, answer.columns[column]!.typeOid, cut)
    })
    bytes += JSON.stringify(values).length
    if (bytes > maxBytes && at > 0) break
    decoded.push(values)
  }
  return {
    columns,
    rows: { count: decoded.length, shown: show(columns, decoded, format) },
    cuts: answer.cuts.filter(cut => cut.row < decoded.length),
    overflowed: decoded.length < answer.rows.length,
  }
}

function show(columns: readonly Column[], rows: unknown[][], format: RowFormat): DecodedRows['rows']['shown'] {
  const header = columns.map(column => column.name)
  switch (format) {
    case 'rows':
      return { rows }
    case 'csv':
      return { csv: formatCsv(header, rows) }
    case 'markdown':
      return { markdown: formatMarkdown(header, rows) }
  }
}

function describeColumns(answer: StatementAnswer, facts: ColumnFacts, sql: string): Column[] {
  const names = new Set<string>()
  const certain = answer.relations.length === 1 && !nullMaking.test(sql)
  return answer.columns.map((column, at) => {
    const relation = facts.relationOf(column.tableOid)
    const table = facts.tableOf(column.tableOid)
    const mayBeNull = table === undefined || relation === undefined ? undefined : !table.notNull.has(column.column)
    return {
      name: distinct(column.name, at, names),
      type: facts.typeOf(column.typeOid)?.name ?? `type ${column.typeOid}`,
      ...(mayBeNull === undefined || (!mayBeNull && !certain) ? {} : { nullable: mayBeNull }),
      ...(relation === undefined ? {} : { table: nameOf(relation) }),
      ...(column.typeOid === byteaOid ? { encoding: 'base64' as const } : {}),
    }
  })
}

function nameOf({ schema, name }: CatalogRelation): string {
  return `${schema}.${name}`
}

/** `id`, `id_2`: a caller that reads by name must not read one column for another. */
function distinct(name: string, at: number, taken: Set<string>): string {
  const wanted = name === '' ? `column_${at + 1}` : name
  let free = wanted
  for (let copy = 2; taken.has(free); copy += 1) free = `${wanted}_${copy}`
  taken.add(free)
  return free
}
