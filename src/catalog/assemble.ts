/**
 * What the catalog says, cut to what the policy lets through, with what people wrote. The semantic layer's description
 * wins over COMMENT ON, and either over none; a key of the database over one of the semantic layer's.
 */
import type { CatalogSnapshot } from '../guard/catalog.ts'
import type { Policy } from '../guard/policy.ts'
import { tableRulesOf, whyNotReadable } from '../guard/table-rules.ts'
import type { Annotations, EntityNote, RelationshipNote, TableKnowledge } from './annotations.ts'
import type { RawForeignKey, RawTable, SchemaContents } from './introspection.ts'
import type {
  ColumnMetadata,
  ForeignKey,
  Relationship,
  SchemaMetadata,
  SizeClass,
  TableKind,
  TableMetadata,
  TableName,
} from './metadata.ts'
import { driftWarning, validateSemantics } from './semantic-drift.ts'
import type { IsSensitive } from './sensitive.ts'
import { createTypes, type Types } from './type-display.ts'

export interface Assembly {
  /** The database's alias. */
  readonly database: string
  readonly schema: string
  /** What annotations know the schema by. */
  readonly logicalSchema: string
  readonly version: string
  readonly generatedAt: Date
  readonly contents: SchemaContents
  readonly policy: Policy
  readonly catalog: CatalogSnapshot
  readonly annotations: Annotations
  readonly isSensitive: IsSensitive
}

/** What the parts of one schema's metadata are made with. */
interface Making extends Assembly {
  readonly types: Types
  readonly byName: ReadonlyMap<string, RawTable>
  readonly foreignKeys: readonly ForeignKey[]
  /** By name of the table in this schema. */
  readonly outgoing: ReadonlyMap<string, readonly ForeignKey[]>
  readonly incoming: ReadonlyMap<string, readonly ForeignKey[]>
  readonly estimates: ReadonlyMap<string, number>
  readonly isReadable: (name: TableName) => boolean
}

export function assemble(assembly: Assembly): SchemaMetadata {
  const { contents, schema, annotations, catalog, policy } = assembly
  const rules = tableRulesOf(policy)
  const isReadable = (name: TableName) => {
    const relation = catalog.relations.get(`${name.schema}\0${name.name}`)
    return relation !== undefined && whyNotReadable(rules, catalog, relation) === undefined
  }
  const raw = contents.tables.filter(({ name }) => isReadable({ schema, name }))
  const byName = new Map(raw.map(table => [table.name, table]))
  const foreignKeys = contents.foreignKeys
    .map(foreignKeyOf)
    .filter(({ table, to }) => isReadable(table) && isReadable(to))
  const types = createTypes(contents.types, schema)
  const making: Making = {
    ...assembly,
    types,
    byName,
    foreignKeys,
    outgoing: groupIn(schema, foreignKeys, key => key.table),
    incoming: groupIn(schema, foreignKeys, key => key.to),
    estimates: estimateRows(contents.tables, schema),
    isReadable: name => isReadable(name) && (name.schema !== schema || byName.has(name.name)),
  }
  const tables = raw.map(table => assembleTable(making, table)).sort((a, b) => compare(a.name, b.name))
  const shown = raw.flatMap(table => table.columns.filter(column => column.readable))
  return {
    database: assembly.database,
    schema,
    description: contents.description,
    generatedAt: assembly.generatedAt,
    version: assembly.version,
    tables,
    enums: types.enumsOf(shown.map(column => column.typeOid)),
    relationships: relationshipsOf(making),
    metrics: annotations.metrics.filter(({ table }) => byName.has(table)),
    knowledge: annotations.general,
    learnings: annotations.learnings.filter(
      learning => learning.tables.length === 0 || learning.tables.some(name => isNamed(assembly, byName, name)),
    ),
    warnings: driftWarned(assembly, types),
  }
}

/** `table`, or `schema.table` with this schema's name or logical name. */
function isNamed({ schema, logicalSchema }: Assembly, byName: ReadonlyMap<string, RawTable>, written: string): boolean {
  const own = [schema, logicalSchema].find(name => written.startsWith(`${name}.`))
  return byName.has(written) || (own !== undefined && byName.has(written.slice(own.length + 1)))
}

/** Against the whole schema: what the policy keeps back has not drifted. */
function driftWarned({ annotations, contents, schema }: Assembly, types: Types): readonly string[] {
  const tables = contents.tables.map(({ name, columns, indexes }) => ({
    name,
    columns: columns.map(column => ({ name: column.name, type: types.display(column.type) })),
    primaryKey: (indexes.find(index => index.primary)?.keys ?? []).flatMap(
      key => columns.find(({ number }) => number === key)?.name ?? [],
    ),
  }))
  const drift = driftWarning(validateSemantics(annotations, { schema, tables }))
  return drift === undefined ? annotations.warnings : [...annotations.warnings, drift]
}

function assembleTable(making: Making, raw: RawTable): TableMetadata {
  const { schema, annotations, estimates, outgoing, incoming } = making
  const note = annotations.entities.get(raw.name)
  const own = { schema, name: raw.name }
  const rowsEstimate = raw.kind === 'v' ? null : (estimates.get(raw.name) ?? null)
  const columns = raw.columns.filter(column => column.readable)
  const parents = raw.parents.filter(making.isReadable)
  return {
    ...own,
    kind: kinds[raw.kind],
    description: note?.description ?? raw.description,
    rowsEstimate,
    sizeClass: sizeClassOf(rowsEstimate),
    partitionOf: raw.isPartition ? (parents[0] ?? null) : null,
    partitionKey: raw.partitionKey,
    inherits: raw.isPartition ? [] : parents,
    columns: columns.map(column => assembleColumn(making, column, note, columns.length < raw.columns.length)),
    ...keysOf(raw, note),
    foreignKeys: outgoing.get(raw.name) ?? [],
    referencedBy: incoming.get(raw.name) ?? [],
    checks: raw.checks
      .filter(check => isAllReadable(raw, check.columns))
      .map(({ name, definition }) => ({ name, definition })),
    knowledge: knowledgeOf(annotations.tables.get(raw.name), new Set(columns.map(({ name }) => name))),
  }
}

function assembleColumn(
  { types, isSensitive }: Making,
  raw: RawTable['columns'][number],
  note: EntityNote | undefined,
  hasHidden: boolean,
): ColumnMetadata {
  const said = note?.columns.get(raw.name)
  return {
    name: raw.name,
    type: types.display(raw.type),
    baseType: types.baseOf(raw.typeOid),
    nullable: !raw.notNull,
    // What it is computed from may be what is kept back.
    default: raw.generated !== '' && hasHidden ? null : raw.default,
    identity: raw.identity !== '',
    generated: raw.generated !== '',
    description: said?.description ?? raw.description,
    enumValues: types.enumValuesOf(raw.typeOid),
    pii: said?.pii === true || isSensitive(raw.name),
    masked: false,
    unit: said?.unit ?? null,
    aggregation: said?.aggregation ?? null,
    synonyms: said?.synonyms ?? [],
    samples: null,
  }
}

const kinds: Readonly<Record<RawTable['kind'], TableKind>> = {
  r: 'table',
  p: 'partitioned table',
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
}

/** Indexes that are unusable, or touch what may not be read, are left out. */
function keysOf(raw: RawTable, note: EntityNote | undefined) {
  const names = new Map(raw.columns.map(column => [column.number, column.name]))
  const hidden = raw.columns.some(column => !column.readable)
  const indexes = raw.indexes.filter(
    index => index.valid && isAllReadable(raw, [...index.keys, ...index.included]) && !(index.computed && hidden),
  )
  const namesOf = (keys: readonly number[]) => keys.flatMap(key => names.get(key) ?? [])
  const primary = indexes.find(index => index.primary)
  const noted = (note?.primaryKey ?? []).filter(name =>
    raw.columns.some(column => column.readable && column.name === name),
  )
  return {
    primaryKey: primary === undefined ? noted : namesOf(primary.keys),
    uniqueKeys: indexes
      .filter(index => index.unique && !index.primary && !index.computed)
      .map(index => namesOf(index.keys)),
    indexes: indexes.map(({ name, definition, unique }) => ({ name, definition, unique })),
  }
}

function isAllReadable(raw: RawTable, numbers: readonly number[]): boolean {
  return numbers.every(number => number <= 0 || raw.columns.some(column => column.number === number && column.readable))
}

function isShown(byName: ReadonlyMap<string, RawTable>, table: TableName, columns: readonly string[]): boolean {
  const raw = byName.get(table.name)
  return columns.every(name => raw?.columns.some(column => column.readable && column.name === name) === true)
}

function groupIn(
  schema: string,
  keys: readonly ForeignKey[],
  end: (key: ForeignKey) => TableName,
): ReadonlyMap<string, readonly ForeignKey[]> {
  return Map.groupBy(
    keys.filter(key => end(key).schema === schema),
    key => end(key).name,
  )
}

function foreignKeyOf(raw: RawForeignKey): ForeignKey {
  return {
    table: { schema: raw.schema, name: raw.table },
    columns: raw.columns,
    to: { schema: raw.toSchema, name: raw.toTable },
    toColumns: raw.toColumns,
  }
}

function relationshipsOf({ schema, byName, foreignKeys, annotations }: Making): readonly Relationship[] {
  const declared = foreignKeys
    .filter(({ table }) => table.schema === schema)
    .map(key => ({ ...key, source: 'foreign key' as const, type: null }))
  const known = new Set(declared.map(relationshipKey))
  const noted = annotations.relationships.flatMap(note => {
    const { table, to } = namesIn(note, schema)
    const key = { table, columns: note.columns, to, toColumns: note.toColumns }
    const isThere = isShown(byName, table, key.columns) && isShown(byName, to, key.toColumns)
    if (!isThere || table.schema !== schema || to.schema !== schema || known.has(relationshipKey(key))) return []
    return [{ ...key, source: 'semantic layer' as const, type: note.type }]
  })
  return [...declared, ...noted]
}

function namesIn(note: RelationshipNote, schema: string): { table: TableName; to: TableName } {
  const own = (name: string) => ({ schema, name: name.startsWith(`${schema}.`) ? name.slice(schema.length + 1) : name })
  return { table: own(note.table), to: own(note.toTable) }
}

function relationshipKey({ table, columns, to, toColumns }: ForeignKey): string {
  return JSON.stringify([table.name, columns, to.schema, to.name, toColumns])
}

function knowledgeOf(known: TableKnowledge | undefined, columns: ReadonlySet<string>): TableKnowledge | null {
  if (known === undefined) return null
  return { ...known, columnNotes: new Map([...known.columnNotes].filter(([name]) => columns.has(name))) }
}

/** The table's own estimate, else the sum of its partitions' that have one. */
function estimateRows(tables: readonly RawTable[], schema: string): ReadonlyMap<string, number> {
  const partitions = new Map<string, RawTable[]>()
  for (const table of tables) {
    const [parent] = table.parents
    if (!table.isPartition || parent?.schema !== schema) continue
    const siblings = partitions.get(parent.name) ?? []
    siblings.push(table)
    partitions.set(parent.name, siblings)
  }
  const estimateOf = (table: RawTable): number | undefined => {
    if (table.rows >= 0 && table.kind !== 'f') return table.rows
    if (table.kind === 'f') return table.rows > 0 ? table.rows : undefined
    const parts = (partitions.get(table.name) ?? []).map(estimateOf).filter(rows => rows !== undefined)
    return parts.length === 0 ? undefined : parts.reduce((sum, rows) => sum + rows, 0)
  }
  const estimates = new Map<string, number>()
  for (const table of tables) {
    const rows = estimateOf(table)
    if (rows !== undefined) estimates.set(table.name, Math.round(rows))
  }
  return estimates
}

function sizeClassOf(rows: number | null): SizeClass {
  if (rows === null) return 'unknown'
  if (rows < 10_000) return 'small'
  if (rows < 1_000_000) return 'medium'
  return rows < 100_000_000 ? 'large' : 'huge'
}

/** The same everywhere, whatever the locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
