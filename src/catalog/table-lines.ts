/** One table as compact lines of text, by how much is said of it. Whatever a tenant wrote stays on its line. */
import type { ColumnMetadata, ForeignKey, TableMetadata, TableName } from './metadata.ts'
import { oneLine, roughly, shortType, sqlName } from './sql-text.ts'

/** summary: names and keys; prompt: what writing SQL takes; full: everything. */
export type Format = 'full' | 'summary' | 'prompt'

export interface TableLines {
  readonly name: string
  /** Name, kind, size, description. */
  readonly title: string
  readonly keys: readonly string[]
  readonly columns: readonly string[]
  readonly notes: readonly string[]
  readonly samples: readonly string[]
}

const shortMaxChars = 120
const longMaxChars = 400
const defaultMaxChars = 80
const typeMaxChars = 120
const enumValuesMax = 12
const enumValueMaxChars = 40
const partitionsNamedMax = 3

/** @param partitions names of its partitions, which have no lines of their own */
export function linesOf(table: TableMetadata, format: Format, partitions: readonly string[]): TableLines {
  const full = format === 'full'
  const columns = format === 'summary' ? [] : table.columns.map(column => columnLine(column, table, full))
  return {
    name: sqlName(table.name),
    title: titleOf(table, partitions, full ? longMaxChars : shortMaxChars),
    keys: keyLines(table, full),
    columns,
    notes: full ? noteLines(table) : [],
    samples: format === 'summary' ? [] : sampleLines(table),
  }
}

/** Everything of one table. */
export function describeTable(table: TableMetadata): string {
  const { title, keys, columns, notes, samples } = linesOf(table, 'full', [])
  return [title, ...[...keys, ...columns, ...notes, ...samples].map(line => `  ${line}`)].join('\n')
}

function titleOf(table: TableMetadata, partitions: readonly string[], maxChars: number): string {
  const facts: string[] = table.kind === 'table' ? [] : [table.kind]
  if (table.partitionKey !== null) facts.push(`by ${oneLine(table.partitionKey, shortMaxChars)}`)
  if (partitions.length > 0) {
    const named = partitions.slice(0, partitionsNamedMax).map(sqlName).join(', ')
    facts.push(`${partitions.length} partitions: ${named}${partitions.length > partitionsNamedMax ? ', …' : ''}`)
  }
  if (table.partitionOf !== null) facts.push(`partition of ${nameIn(table.schema, table.partitionOf)}`)
  if (table.inherits.length > 0)
    facts.push(`inherits ${table.inherits.map(parent => nameIn(table.schema, parent)).join(', ')}`)
  const kind = facts.length === 0 ? '' : ` (${facts.join('; ')})`
  const size = table.rowsEstimate === null ? '' : ` ${roughly(table.rowsEstimate)}`
  return `${sqlName(table.name)}${kind}${size}${said(table.description, maxChars)}`
}

function keyLines(table: TableMetadata, full: boolean): readonly string[] {
  const keys: string[] = []
  if (table.primaryKey.length > 0) keys.push(`key ${listed(table.primaryKey)}`)
  for (const unique of table.uniqueKeys) keys.push(`unique ${listed(unique)}`)
  for (const key of table.foreignKeys)
    keys.push(`${listed(key.columns)} → ${nameIn(table.schema, key.to)}.${listed(key.toColumns)}`)
  const lines = keys.length === 0 ? [] : [keys.join('; ')]
  if (full && table.referencedBy.length > 0)
    lines.push(`referenced by ${table.referencedBy.map(key => incoming(table.schema, key)).join(', ')}`)
  return lines
}

function incoming(schema: string, key: ForeignKey): string {
  return `${nameIn(schema, key.table)}.${listed(key.columns)}`
}

function columnLine(column: ColumnMetadata, table: TableMetadata, full: boolean): string {
  const maxChars = full ? longMaxChars : shortMaxChars
  const parts = [
    `${sqlName(column.name)} ${oneLine(shortType(column.type), typeMaxChars)}${column.nullable ? '' : '!'}`,
  ]
  if (column.baseType !== null) parts.push(`(${oneLine(shortType(column.baseType), typeMaxChars)})`)
  if (column.enumValues !== null) parts.push(enumText(column.enumValues))
  if (column.identity && full) parts.push('identity')
  if (column.generated && !full) parts.push('computed')
  if (column.default !== null && full)
    parts.push(`${column.generated ? 'computed as' : 'default'} ${oneLine(column.default, defaultMaxChars)}`)
  if (column.unit !== null) parts.push(`[${oneLine(column.unit, enumValueMaxChars)}]`)
  if (column.aggregation !== null && full) parts.push(`aggregate by ${column.aggregation}`)
  if (column.pii) parts.push('pii')
  if (column.masked) parts.push('masked')
  if (column.synonyms.length > 0) parts.push(`aka ${oneLine(column.synonyms.join(', '), shortMaxChars)}`)
  const note = table.knowledge?.columnNotes.get(column.name) ?? null
  return `${parts.join(' ')}${said(column.description, maxChars)}${said(note, maxChars)}`
}

function enumText(values: readonly string[]): string {
  const shown = values.slice(0, enumValuesMax).map(value => oneLine(value, enumValueMaxChars))
  return `{${shown.join('|')}${values.length > enumValuesMax ? `|… ${values.length} in all` : ''}}`
}

function noteLines(table: TableMetadata): readonly string[] {
  const { knowledge } = table
  // Those behind the keys are told of with the keys.
  const ofKeys = new Set([table.primaryKey, ...table.uniqueKeys].map(key => `btree (${key.map(sqlName).join(', ')})`))
  const lines = table.indexes
    .filter(({ definition, unique }) => !(unique && ofKeys.has(definition)))
    .map(({ definition, unique }) => `index ${unique ? 'unique ' : ''}${oneLine(definition, longMaxChars)}`)
  for (const { definition } of table.checks) lines.push(oneLine(definition, longMaxChars))
  if (knowledge === null) return lines
  const told: readonly (readonly [string, string | null])[] = [
    ...knowledge.useCases.map(text => ['use', text] as const),
    ['quality', knowledge.qualityNotes],
    ...knowledge.joinHints.map(text => ['join', text] as const),
    ['owner', knowledge.owner],
    ['refreshed', knowledge.refreshFrequency],
  ]
  for (const [word, text] of told) if (text !== null) lines.push(`${word}: ${oneLine(text, longMaxChars)}`)
  return lines
}

function sampleLines(table: TableMetadata): readonly string[] {
  return table.columns.flatMap(({ name, samples }) =>
    samples === null || samples.length === 0
      ? []
      : [`${sqlName(name)} e.g. ${samples.map(value => JSON.stringify(oneLine(value, shortMaxChars))).join(', ')}`],
  )
}

function said(text: string | null, maxChars: number): string {
  return text === null || text.trim() === '' ? '' : ` — ${oneLine(text, maxChars)}`
}

function listed(names: readonly string[]): string {
  const [only, second] = names
  return only !== undefined && second === undefined ? sqlName(only) : `(${names.map(sqlName).join(', ')})`
}

/** Without the schema that all of this is about. */
export function nameIn(schema: string, name: TableName): string {
  return name.schema === schema ? sqlName(name.name) : `${sqlName(name.schema)}.${sqlName(name.name)}`
}
