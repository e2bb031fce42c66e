/** The semantic layer as data again: rows for the control database, and the document that both a file and an import take. */
import type { SemanticEntry } from '../control/semantic-entries.ts'
import { relationshipName } from './semantic-document.ts'
import { type EntitySaid, mergeEntity, type Scoped, type SemanticLayer } from './semantic-layer.ts'
import { type MetricDefinition, type RelationshipDefinition, writeColumnName } from './semantic-schema.ts'

type Plain = Record<string, unknown>

export function entriesOf(layer: SemanticLayer): readonly SemanticEntry[] {
  const entry = <Definition>(
    kind: SemanticEntry['kind'],
    one: Scoped<Definition>,
    name: string,
    definition: Plain,
  ): SemanticEntry => ({ kind, database: one.database, schema: one.schema, name, definition })
  return [
    ...layer.entities.map(one => entry('entity', one, one.table, plainEntity(one))),
    ...layer.relationships.map(one => entry('relationship', one, relationshipName(one), plainRelationship(one))),
    ...layer.metrics.map(one => entry('metric', one, one.name, plainMetric(one))),
  ]
}

/** What several layers say together, each over those before it: entities fact by fact, the others whole. */
export function documentOf(layers: readonly SemanticLayer[]): Plain {
  const entities = together<EntitySaid & { readonly table: string }>(
    layers.flatMap(layer => layer.entities),
    one => one.table,
    (under, over) => ({
      ...over,
      ...mergeEntity(under, over),
    }),
  )
  const over = <Definition>(_: Definition, one: Definition) => one
  const relationships = together(
    layers.flatMap(layer => layer.relationships),
    relationshipName,
    over,
  )
  const metrics = together(
    layers.flatMap(layer => layer.metrics),
    one => one.name,
    over,
  )
  const document = {
    entities: entities.map(one => ({ ...scopeOf(one), ...plainEntity(one) })),
    relationships: relationships.map(one => ({ ...scopeOf(one), ...plainRelationship(one) })),
    metrics: metrics.map(one => ({ ...scopeOf(one), ...plainMetric(one) })),
  }
  return Object.fromEntries(Object.entries(document).filter(([, list]) => list.length > 0))
}

/** Those of one name for one place become one. */
function together<Definition>(
  all: readonly Scoped<Definition>[],
  nameOf: (one: Definition) => string,
  merge: (under: Scoped<Definition>, over: Scoped<Definition>) => Scoped<Definition>,
): readonly Scoped<Definition>[] {
  const found = new Map<string, Scoped<Definition>>()
  for (const one of all) {
    const key = JSON.stringify([one.database, one.schema, nameOf(one)])
    const under = found.get(key)
    found.set(key, under === undefined ? one : merge(under, one))
  }
  return [...found.values()]
}

function scopeOf({ database, schema }: { database: string; schema: string }): Plain {
  return { ...(database === '*' ? {} : { database }), ...(schema === '*' ? {} : { schema }) }
}

function plainEntity({ table, description, primaryKey, synonyms, columns }: EntitySaid & { table: string }): Plain {
  const plainColumns = [...columns].map(([name, column]) => [name, said(column)])
  return said({
    table,
    description,
    primary_key: primaryKey?.length === 1 ? primaryKey[0] : primaryKey,
    synonyms,
    columns: plainColumns.length > 0 ? Object.fromEntries(plainColumns) : undefined,
  })
}

function plainRelationship(one: RelationshipDefinition): Plain {
  const { table, columns, toTable, toColumns, type, description } = one
  return said({
    column: writeColumnName(table, columns[0] ?? ''),
    references: writeColumnName(toTable, toColumns[0] ?? ''),
    type,
    description,
  })
}

function plainMetric({ name, description, table, expression, filters, unit, synonyms }: MetricDefinition): Plain {
  return said({ name, description, table, expression, filters, unit, synonyms })
}

/** Without what was left out. */
function said(fields: object): Plain {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)),
  )
}
