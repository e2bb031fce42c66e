/** The same facts of a table as lines of text. */
import { sqlName } from '../../catalog/sql-text.ts'
import { cells, counted } from './lines.ts'
import type { ColumnFacts, TableFacts } from './table-facts.ts'

type Key = NonNullable<TableFacts['foreign_keys']>[number]

export function tableText(table: TableFacts): string {
  const name = `${sqlName(table.schema)}.${sqlName(table.name)}`
  const rows = table.rows_estimate === undefined ? 'rows unknown' : `about ${counted(table.rows_estimate, 'row')}`
  const fresh = [table.materialized_at && `loaded ${table.materialized_at}`, table.freshness].filter(Boolean).join(', ')
  return [
    cells(name, table.kind, `${rows} (${table.size_class})`, fresh, table.pipeline && `pipeline ${table.pipeline}`),
    ...lines('', table.description === undefined ? [] : [table.description]),
    ...lines('', partitionWords(table)),
    ...lines(
      '',
      table.columns_total === undefined ? [] : [`${table.columns.length} of ${table.columns_total} columns:`],
    ),
    'column\ttype\tnull\tdefault\tnotes',
    ...table.columns.map(columnLine),
    ...lines('primary key: ', [names(table.primary_key ?? [])]),
    ...lines('unique: ', (table.unique_keys ?? []).map(names)),
    ...lines(
      'foreign key: ',
      (table.foreign_keys ?? []).map(key => keyLine(key)),
    ),
    ...lines('referenced by: ', (table.referenced_by ?? []).map(referringLine)),
    ...lines('index: ', (table.indexes ?? []).map(indexLine)),
    ...lines(
      'check: ',
      (table.checks ?? []).map(check => cells(sqlName(check.name), check.definition)),
    ),
    ...knowledgeLines(table.knowledge),
    ...lines('', table.note === undefined ? [] : [table.note]),
  ].join('\n')
}

/** One column, with everything that is known of it. */
function columnLine(column: ColumnFacts): string {
  const filled = column.generated ? `computed: ${column.default ?? ''}` : column.identity ? 'identity' : column.default
  const type = column.base_type === undefined ? column.type : `${column.type} (${column.base_type})`
  return cells(sqlName(column.name), type, column.nullable ? 'null' : 'not null', filled, columnNotes(column))
}

function columnNotes(column: ColumnFacts): string {
  return [
    column.description,
    column.note,
    column.unit && `unit ${column.unit}`,
    column.aggregation && `aggregate by ${column.aggregation}`,
    column.synonyms && `also called ${column.synonyms.join(', ')}`,
    column.enum_values && `one of ${column.enum_values.map(quoted).join(' | ')}`,
    column.enum_values_total && `… ${column.enum_values_total} values in all`,
    column.pii && 'sensitive (pii)',
    column.masked && 'masked',
    column.samples && `e.g. ${column.samples.map(quoted).join(' | ')}`,
  ]
    .map(note => (note === undefined || note === false ? '' : String(note)))
    .reduce((told, note) =>
      told === '' || note === '' ? told + note : told + (/[.!?]$/.test(told) ? ' ' : '; ') + note,
    )
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}

function keyLine(key: Key): string {
  return `${names(key.columns)} -> ${sqlName(key.schema)}.${sqlName(key.table)} ${names(key.to_columns)}`
}

function referringLine(key: Key): string {
  return `${sqlName(key.schema)}.${sqlName(key.table)} ${names(key.columns)} -> ${names(key.to_columns)}`
}

function indexLine(index: NonNullable<TableFacts['indexes']>[number]): string {
  return cells(sqlName(index.name), `${index.unique ? 'unique ' : ''}${index.definition}`)
}

function names(columns: readonly string[]): string {
  return columns.length === 0 ? '' : `(${columns.map(sqlName).join(', ')})`
}

function partitionWords(table: TableFacts): string[] {
  return [
    table.partition_key && `partitioned by ${table.partition_key}`,
    table.partition_of && `partition of ${table.partition_of}`,
    table.inherits && `inherits ${table.inherits.join(', ')}`,
  ].filter(words => words !== undefined)
}

function knowledgeLines(knowledge: TableFacts['knowledge']): string[] {
  if (knowledge === undefined) return []
  return [
    ...lines('use: ', knowledge.use_cases ?? []),
    ...lines('quality: ', [knowledge.quality_notes ?? '']),
    ...lines('owner: ', [knowledge.owner ?? '']),
    ...lines('refreshed: ', [knowledge.refresh_frequency ?? '']),
    ...lines('join: ', knowledge.join_hints ?? []),
  ]
}

function lines(label: string, texts: readonly string[]): string[] {
  return texts.filter(text => text !== '').map(text => `${label}${text}`)
}
