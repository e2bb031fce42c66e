/** A table as tools tell of it in data: empty facts are left out. */
import { z } from 'zod'
import type { TableKnowledge } from '../../catalog/annotations.ts'
import type { ColumnMetadata, ForeignKey, TableMetadata, TableName } from '../../catalog/metadata.ts'
import { sqlName } from '../../catalog/sql-text.ts'
import { counted, matchesName, oneLine } from './lines.ts'

const descriptionMaxChars = 2_000
const sampleMaxChars = 100
/** Of a table; what more there is, `note` says. */
const columnsMax = 300
const keysMax = 100
const enumValuesMax = 100

const columnFacts = z.strictObject({
  name: z.string(),
  type: z.string(),
  base_type: z.string().optional(),
  nullable: z.boolean(),
  default: z.string().optional(),
  identity: z.boolean().optional(),
  generated: z.boolean().optional().describe('Computed by default'),
  description: z.string().optional(),
  note: z.string().optional(),
  enum_values: z.array(z.string()).optional(),
  enum_values_total: z.int().optional().describe('Where not all are shown'),
  pii: z.boolean().optional().describe('Personal or secret: never sampled'),
  masked: z.boolean().optional(),
  unit: z.string().optional(),
  aggregation: z.string().optional(),
  synonyms: z.array(z.string()).optional(),
  samples: z.array(z.string()).optional(),
})

const keyFacts = z.strictObject({
  columns: z.array(z.string()),
  schema: z.string(),
  table: z.string(),
  to_columns: z.array(z.string()),
})

export const tableFacts = z.strictObject({
  schema: z.string(),
  name: z.string(),
  kind: z.string(),
  description: z.string().optional(),
  rows_estimate: z.number().optional(),
  size_class: z.string(),
  materialized_at: z.string().optional(),
  freshness: z.string().optional(),
  pipeline: z.string().optional(),
  partition_of: z.string().optional(),
  partition_key: z.string().optional(),
  inherits: z.array(z.string()).optional(),
  columns: z.array(columnFacts),
  columns_total: z.int().optional().describe('Where not all are shown'),
  primary_key: z.array(z.string()).optional(),
  unique_keys: z.array(z.array(z.string())).optional(),
  foreign_keys: z.array(keyFacts).optional(),
  referenced_by: z.array(keyFacts).optional().describe('columns of table refer to to_columns here'),
  indexes: z.array(z.strictObject({ name: z.string(), definition: z.string(), unique: z.boolean() })).optional(),
  checks: z.array(z.strictObject({ name: z.string(), definition: z.string() })).optional(),
  knowledge: z
    .strictObject({
      use_cases: z.array(z.string()).optional(),
      quality_notes: z.string().optional(),
      owner: z.string().optional(),
      refresh_frequency: z.string().optional(),
      join_hints: z.array(z.string()).optional(),
    })
    .optional(),
  note: z.string().optional(),
})

export type TableFacts = z.output<typeof tableFacts>
export type ColumnFacts = z.output<typeof columnFacts>

/**
 * Undefined facts do not appear in JSON.
 * @param column only columns whose names match, see matchesName
 */
export function tableFactsOf(
  table: TableMetadata,
  fresh: Pick<TableFacts, 'materialized_at' | 'freshness' | 'pipeline'>,
  column: string | undefined,
): TableFacts {
  const { knowledge } = table
  const matching = table.columns.filter(({ name }) => matchesName(name, column))
  const columns = matching.slice(0, columnsMax)
  const notes = knowledge?.columnNotes ?? new Map<string, string>()
  return {
    schema: table.schema,
    name: table.name,
    kind: table.kind,
    description: flat(table.description),
    rows_estimate: table.rowsEstimate ?? undefined,
    size_class: table.sizeClass,
    ...fresh,
    partition_of: table.partitionOf === null ? undefined : dotted(table.partitionOf),
    partition_key: flat(table.partitionKey),
    inherits: list(table.inherits.map(dotted)),
    columns: columns.map(one => columnFactsOf(one, notes.get(one.name))),
    columns_total: columns.length < table.columns.length ? table.columns.length : undefined,
    primary_key: list(table.primaryKey),
    unique_keys: list(table.uniqueKeys.map(key => [...key])),
    foreign_keys: list(table.foreignKeys.slice(0, keysMax).map(key => keyFactsOf(key, key.to))),
    referenced_by: list(table.referencedBy.slice(0, keysMax).map(key => keyFactsOf(key, key.table))),
    indexes: list(
      table.indexes
        .slice(0, keysMax)
        .map(({ name, definition, unique }) => ({ name, definition: whole(definition), unique })),
    ),
    checks: list(
      table.checks.slice(0, keysMax).map(({ name, definition }) => ({ name, definition: whole(definition) })),
    ),
    knowledge: knowledge === null ? undefined : knowledgeFactsOf(knowledge),
    note: noteOf(table, matching.length, column),
  }
}

/** What is left out, and how to see it. */
function noteOf(table: TableMetadata, matching: number, column: string | undefined): string | undefined {
  const long = Object.entries({
    'foreign keys': table.foreignKeys.length,
    'keys that refer to it': table.referencedBy.length,
    indexes: table.indexes.length,
    checks: table.checks.length,
  }).filter(([, count]) => count > keysMax)
  const notes = long.map(([what, count]) => `${keysMax} of ${count} ${what} are shown.`)
  if (matching > columnsMax)
    notes.unshift(`${columnsMax} of ${matching} columns are shown: give column, a part of a name or a pattern with *.`)
  if (matching === 0 && column !== undefined)
    notes.unshift(`None of ${counted(table.columns.length, 'column')} matches ${oneLine(column)}: leave column out.`)
  return notes.length === 0 ? undefined : notes.join(' ')
}

function columnFactsOf(column: ColumnMetadata, note: string | undefined): ColumnFacts {
  return {
    name: column.name,
    type: column.type,
    base_type: column.baseType ?? undefined,
    nullable: column.nullable,
    default: flat(column.default),
    identity: column.identity || undefined,
    generated: column.generated || undefined,
    description: flat(column.description),
    note: flat(note),
    enum_values: list((column.enumValues ?? []).slice(0, enumValuesMax)),
    enum_values_total: (column.enumValues?.length ?? 0) > enumValuesMax ? column.enumValues?.length : undefined,
    pii: column.pii || undefined,
    masked: column.masked || undefined,
    unit: flat(column.unit),
    aggregation: flat(column.aggregation),
    synonyms: list(column.synonyms.map(whole)),
    samples: list((column.samples ?? []).map(sample => oneLine(sample, sampleMaxChars))),
  }
}

function keyFactsOf(key: ForeignKey, other: TableName): z.output<typeof keyFacts> {
  return { columns: [...key.columns], schema: other.schema, table: other.name, to_columns: [...key.toColumns] }
}

function knowledgeFactsOf(knowledge: TableKnowledge): TableFacts['knowledge'] {
  return {
    use_cases: list(knowledge.useCases.map(whole)),
    quality_notes: flat(knowledge.qualityNotes),
    owner: flat(knowledge.owner),
    refresh_frequency: flat(knowledge.refreshFrequency),
    join_hints: list(knowledge.joinHints.map(whole)),
  }
}

function dotted({ schema, name }: TableName): string {
  return `${sqlName(schema)}.${sqlName(name)}`
}

function whole(words: string): string {
  return oneLine(words, descriptionMaxChars)
}

function flat(words: string | null | undefined): string | undefined {
  return words === null || words === undefined || words === '' ? undefined : whole(words)
}

function list<Value>(values: readonly Value[]): Value[] | undefined {
  return values.length === 0 ? undefined : [...values]
}
