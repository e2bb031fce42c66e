/**
 * The semantic layer: what the tables of a tenant mean, in the words of those who know. Never trusted for access
 * control. Where two say different things of one matter, the file `semantic/<tenant>.yml` wins over the rows of the
 * control database, and those win over COMMENT ON; within one source the more specific (this schema, this database)
 * wins over the more general. It goes fact by fact: a file that describes one column leaves the rest as it is. A mark
 * `pii: true` is the exception: it holds wherever it stands.
 */
import type { TableKnowledgeRow } from '../control/table-knowledge.ts'
import type {
  Annotations,
  ColumnNote,
  EntityNote,
  MetricNote,
  RelationshipNote,
  TableKnowledge,
} from './annotations.ts'
import type { EntityDefinition, MetricDefinition, RelationshipDefinition } from './semantic-schema.ts'

/** What is defined, and for which database and schema. */
export interface SemanticLayer {
  readonly entities: readonly Scoped<EntityDefinition>[]
  readonly relationships: readonly Scoped<RelationshipDefinition>[]
  readonly metrics: readonly Scoped<MetricDefinition>[]
}

export type Scoped<Definition> = Definition & {
  /** A database's alias; `*`: any. */
  readonly database: string
  /** A schema's logical name; `*`: any. */
  readonly schema: string
  /** Where it is written: `acme.yml:12`, or `row` of the control database. */
  readonly place: string
}

type Semantics = Pick<Annotations, 'entities' | 'relationships' | 'metrics'>

/** What the layers say of one schema; each layer's facts win over those of the layers before it. */
export function resolveSemantics(layers: readonly SemanticLayer[], database: string, schema: string): Semantics {
  const meant = <Definition>(pick: (layer: SemanticLayer) => readonly Scoped<Definition>[]) =>
    layers.flatMap(layer => pick(layer).filter(isMeant).sort(byScope))
  const isMeant = (one: { database: string; schema: string }) =>
    (one.database === '*' || one.database === database) && (one.schema === '*' || one.schema === schema)

  const entities = new Map<string, EntityNote>()
  for (const one of meant(layer => layer.entities)) {
    const under = entities.get(one.table)
    entities.set(one.table, { ...mergeEntity(under, one), exact: one.schema !== '*' || under?.exact === true })
  }
  const relationships = new Map<string, RelationshipNote>()
  for (const one of meant(layer => layer.relationships)) {
    const { table, columns, toTable, toColumns, type, description } = one
    const key = JSON.stringify([table, columns, toTable, toColumns])
    relationships.set(key, { table, columns, toTable, toColumns, type, description, exact: one.schema !== '*' })
  }
  const metrics = new Map<string, MetricNote>()
  for (const one of meant(layer => layer.metrics)) {
    const { name, description, table, expression, filters, unit, synonyms } = one
    const exact = one.schema !== '*'
    metrics.set(name, { name, description, table, expression, filters, unit, synonyms, exact })
  }
  return { entities, relationships: [...relationships.values()], metrics: [...metrics.values()] }
}

function byScope(a: { database: string; schema: string }, b: { database: string; schema: string }): number {
  const weight = (one: { database: string; schema: string }) =>
    (one.schema === '*' ? 0 : 2) + (one.database === '*' ? 0 : 1)
  return weight(a) - weight(b)
}

export interface EntitySaid extends Partial<Pick<EntityNote, 'description' | 'primaryKey'>> {
  readonly synonyms: readonly string[]
  readonly columns: ReadonlyMap<string, Partial<ColumnNote> & Pick<ColumnNote, 'synonyms'>>
}

/** Fact by fact. */
export function mergeEntity(under: EntitySaid | undefined, over: EntitySaid): Omit<EntityNote, 'exact'> {
  const columns = new Map<string, ColumnNote>()
  for (const name of new Set([...(under?.columns.keys() ?? []), ...over.columns.keys()])) {
    columns.set(name, mergeColumn(under?.columns.get(name), over.columns.get(name)))
  }
  return {
    description: over.description ?? under?.description,
    primaryKey: over.primaryKey ?? under?.primaryKey,
    synonyms: over.synonyms.length > 0 ? over.synonyms : (under?.synonyms ?? []),
    columns,
  }
}

function mergeColumn(under: Partial<ColumnNote> | undefined, over: Partial<ColumnNote> | undefined): ColumnNote {
  const synonyms = over?.synonyms ?? []
  return {
    description: over?.description ?? under?.description,
    type: over?.type ?? under?.type,
    pii: under?.pii === true ? true : (over?.pii ?? under?.pii),
    unit: over?.unit ?? under?.unit,
    aggregation: over?.aggregation ?? under?.aggregation,
    synonyms: synonyms.length > 0 ? synonyms : (under?.synonyms ?? []),
  }
}

/** Rows from the more general to the more specific, as they are listed. */
export function resolveTableKnowledge(rows: readonly TableKnowledgeRow[]): ReadonlyMap<string, TableKnowledge> {
  const tables = new Map<string, TableKnowledge>()
  for (const row of rows) {
    const under = tables.get(row.table)
    tables.set(row.table, {
      useCases: row.useCases.length > 0 ? row.useCases : (under?.useCases ?? []),
      qualityNotes: row.qualityNotes ?? under?.qualityNotes ?? null,
      owner: row.owner ?? under?.owner ?? null,
      refreshFrequency: row.refreshFrequency ?? under?.refreshFrequency ?? null,
      joinHints: row.joinHints.length > 0 ? row.joinHints : (under?.joinHints ?? []),
      columnNotes: new Map([...(under?.columnNotes ?? []), ...Object.entries(row.columnNotes)]),
    })
  }
  return tables
}
