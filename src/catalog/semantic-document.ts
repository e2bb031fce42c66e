/** A document of the semantic layer → what it defines, or everything that is wrong with it at once. */
import type { z } from 'zod'
import type { SemanticEntry } from '../control/semantic-entries.ts'
import { SqlError } from '../errors.ts'
import type { Scoped, SemanticLayer } from './semantic-layer.ts'
import { type RelationshipDefinition, semanticDocument, writeColumnName } from './semantic-schema.ts'
import { type ExpressionReader, readCondition, readExpression } from './semantic-sql.ts'
import type { Fault, FaultPath } from './strict-yaml.ts'

export interface SemanticFaults {
  /** What the schema found. */
  readonly issues: readonly z.core.$ZodIssue[]
  /** What is wrong beyond it. */
  readonly others: readonly Fault[]
}

export type ReadSemantics =
  | { readonly layer: SemanticLayer; readonly faults: undefined }
  | { readonly layer: undefined; readonly faults: SemanticFaults }

/** @param placeOf where a definition is written: for `Scoped.place` */
export function readSemantics(
  document: unknown,
  parser: ExpressionReader,
  placeOf: (path: FaultPath) => string,
): ReadSemantics {
  const parsed = semanticDocument.safeParse(document)
  if (!parsed.success) return { layer: undefined, faults: { issues: parsed.error.issues, others: [] } }
  const { database = '*', schema = '*', ...defined } = parsed.data
  const scoped =
    (kind: keyof typeof defined) =>
    <Definition extends { database?: string | undefined; schema?: string | undefined }>(
      one: Definition,
      index: number,
    ): Scoped<Definition> => ({
      ...one,
      database: one.database ?? database,
      schema: one.schema ?? schema,
      place: placeOf([kind, index]),
    })
  const layer = {
    entities: defined.entities.map(scoped('entities')),
    relationships: defined.relationships.map(scoped('relationships')),
    metrics: defined.metrics.map(scoped('metrics')),
  }
  const others = [...twins(layer), ...badExpressions(layer, parser)]
  return others.length > 0 ? { layer: undefined, faults: { issues: [], others } } : { layer, faults: undefined }
}

/** @throws SqlError F0000 naming every row that cannot be understood: somebody wrote it past our commands */
export function readSemanticRows(rows: readonly SemanticEntry[], parser: ExpressionReader): SemanticLayer {
  const of = (kind: SemanticEntry['kind']) => rows.filter(row => row.kind === kind)
  const kinds = { entities: of('entity'), relationships: of('relationship'), metrics: of('metric') }
  const document = Object.fromEntries(Object.entries(kinds).map(([kind, entries]) => [kind, entries.map(definitionOf)]))
  const read = readSemantics(document, parser, () => 'row')
  if (read.layer !== undefined) return read.layer
  const faults = [...read.faults.issues, ...read.faults.others].map(({ path, message }) => {
    const [kind, index, ...rest] = path
    const row = kinds[kind === 'entities' || kind === 'relationships' ? kind : 'metrics'][Number(index)]
    return `${row?.kind} ${row?.name}: ${[...rest.map(String), message].join(': ')}`
  })
  throw new SqlError({
    code: 'F0000',
    message: ['The semantic layer in the control database cannot be understood:', ...faults].join('\n  '),
    hint: 'Import it anew: postern semantic import <file> --tenant <name>.',
  })
}

function definitionOf({ database, schema, definition }: SemanticEntry): unknown {
  return typeof definition === 'object' && definition !== null ? { ...definition, database, schema } : definition
}

/** Two that speak of the same thing, so that one of them would be lost. */
function twins(layer: SemanticLayer): Fault[] {
  const faults: Fault[] = []
  const check = <Definition>(
    kind: keyof SemanticLayer,
    all: readonly Scoped<Definition>[],
    nameOf: (one: Definition) => string,
  ) => {
    const seen = new Set<string>()
    for (const [index, one] of all.entries()) {
      const key = JSON.stringify([one.database, one.schema, nameOf(one)])
      if (seen.has(key)) faults.push({ path: [kind, index], message: `${nameOf(one)} is defined twice` })
      seen.add(key)
    }
  }
  check('entities', layer.entities, one => one.table)
  check('relationships', layer.relationships, relationshipName)
  check('metrics', layer.metrics, one => one.name)
  return faults
}

/** `orders.customer_id → customers.id` */
export function relationshipName(
  one: Pick<RelationshipDefinition, 'table' | 'columns' | 'toTable' | 'toColumns'>,
): string {
  const { table, columns, toTable, toColumns } = one
  return `${writeColumnName(table, columns[0] ?? '')} → ${writeColumnName(toTable, toColumns[0] ?? '')}`
}

function badExpressions(layer: SemanticLayer, parser: ExpressionReader): Fault[] {
  return layer.metrics.flatMap(({ expression, filters }, index) => {
    const check = (path: FaultPath, read: () => unknown): Fault[] => {
      try {
        read()
        return []
      } catch (thrown) {
        if (thrown instanceof SqlError && thrown.code === '22023') return [{ path, message: thrown.message }]
        throw thrown
      }
    }
    return [
      ...check(['metrics', index, 'expression'], () => readExpression(parser, expression)),
      ...filters.flatMap((filter, at) => check(['metrics', index, 'filters', at], () => readCondition(parser, filter))),
    ]
  })
}
