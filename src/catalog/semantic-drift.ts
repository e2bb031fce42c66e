/** Where what is written about a schema is no longer true of it. Reported, and never a reason to refuse anything. */
import type { Annotations, EntityNote, MetricNote, RelationshipNote } from './annotations.ts'
import { type ExpressionReader, readCondition, readExpression } from './semantic-sql.ts'

export interface Drift {
  readonly kind: 'missing table' | 'missing column' | 'changed type' | 'changed key' | 'missing reference'
  /** `orders`, `orders.total`, `metric revenue` */
  readonly subject: string
  /** A sentence. */
  readonly message: string
}

/** A schema as it is: SchemaMetadata's part that matters here. */
export interface LiveSchema {
  readonly schema: string
  readonly tables: readonly LiveTable[]
}

interface LiveTable {
  readonly name: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** Empty where it has none, as every view. */
  readonly primaryKey: readonly string[]
}

type Semantics = Pick<Annotations, 'entities' | 'relationships' | 'metrics'>

/**
 * @param parser for the columns that metrics name; without it their tables alone are looked at
 * @param o.all `live` is the only schema that is meant by those that name none: then a table that is missing is missing,
 * otherwise it may stand in another
 */
export function validateSemantics(
  written: Semantics,
  live: LiveSchema,
  o: { readonly all?: boolean; readonly parser?: ExpressionReader } = {},
): readonly Drift[] {
  const tables = new Map(live.tables.map(table => [table.name, table]))
  const missing = (subject: string, table: string, exact: boolean): Drift[] =>
    exact || o.all === true
      ? [{ kind: 'missing table', subject, message: `Schema ${live.schema} has no table ${table} that may be read.` }]
      : []
  return [
    ...[...written.entities].flatMap(([name, entity]) => {
      const table = tables.get(name)
      return table === undefined ? missing(name, name, entity.exact) : driftOfEntity(table, entity)
    }),
    ...written.relationships.flatMap(one => {
      const table = tables.get(one.table)
      return table === undefined
        ? missing(one.table, one.table, one.exact)
        : driftOfRelationship(table, tables.get(one.toTable), one, live.schema)
    }),
    ...written.metrics.flatMap(metric => {
      const table = tables.get(metric.table)
      const subject = `metric ${metric.name}`
      if (table === undefined) return missing(subject, metric.table, metric.exact)
      return o.parser === undefined ? [] : driftOfMetric(table, metric, subject, o.parser)
    }),
  ]
}

/** For agents, who learn no names from it; undefined: nothing drifted. */
export function driftWarning(drifts: readonly Drift[]): string | undefined {
  if (drifts.length === 0) return undefined
  const kinds = [...new Set(drifts.map(drift => drift.kind))].join(', ')
  const places = drifts.length === 1 ? 'one place' : `${drifts.length} places`
  return `The descriptions no longer fit the schema in ${places} (${kinds}): where they differ, the schema is right.`
}

function driftOfEntity(table: LiveTable, entity: EntityNote): Drift[] {
  const types = new Map(table.columns.map(column => [column.name, column.type]))
  const drifts = [...entity.columns].flatMap(([name, note]): Drift[] => {
    const type = types.get(name)
    const subject = `${table.name}.${name}`
    if (type === undefined) return [missingColumn(subject, table, name)]
    if (note.type === undefined || sameType(note.type, type)) return []
    const message = `Column ${subject} is ${type}, and is described as ${note.type}.`
    return [{ kind: 'changed type', subject, message }]
  })
  const key = entity.primaryKey
  if (key === undefined) return drifts
  const lost = key.filter(name => !types.has(name))
  if (lost.length > 0) return [...drifts, ...lost.map(name => missingColumn(`${table.name}.${name}`, table, name))]
  const isKey = table.primaryKey.length === 0 || [...table.primaryKey].sort().join() === [...key].sort().join()
  if (isKey) return drifts
  const message = `The primary key of ${table.name} is (${table.primaryKey.join(', ')}), and is described as (${key.join(', ')}).`
  return [...drifts, { kind: 'changed key', subject: table.name, message }]
}

function missingColumn(subject: string, table: LiveTable, name: string): Drift {
  return { kind: 'missing column', subject, message: `Table ${table.name} has no column ${name}.` }
}

function driftOfRelationship(
  table: LiveTable,
  to: LiveTable | undefined,
  one: RelationshipNote,
  schema: string,
): Drift[] {
  const has = (live: LiveTable, name: string) => live.columns.some(column => column.name === name)
  const lost = one.columns
    .filter(name => !has(table, name))
    .map(name => missingColumn(`${table.name}.${name}`, table, name))
  const subject = `${table.name}.${one.columns.join(', ')}`
  const reference = (what: string): Drift => {
    return { kind: 'missing reference', subject, message: `${subject} references ${what}.` }
  }
  if (to === undefined) return [...lost, reference(`table ${one.toTable}, which schema ${schema} does not have`)]
  const lostTo = one.toColumns.filter(name => !has(to, name))
  return [...lost, ...lostTo.map(name => reference(`${to.name}.${name}, which does not exist`))]
}

function driftOfMetric(table: LiveTable, metric: MetricNote, subject: string, parser: ExpressionReader): Drift[] {
  const named = [
    ...readExpression(parser, metric.expression),
    ...metric.filters.flatMap(filter => readCondition(parser, filter)),
  ]
  const own = named.filter(names => names.length === 1 || names.at(-2) === table.name).map(names => names.at(-1)!)
  return [...new Set(own)]
    .filter(name => !table.columns.some(column => column.name === name))
    .map(name => missingColumn(subject, table, name))
}

/** Without modifiers in what is written any do: `numeric` is every numeric(p, s). Names as people write them. */
function sameType(written: string, live: string): boolean {
  const [a, b] = [canonicalType(written), canonicalType(live)]
  return (
    a === b ||
    a ===
      b
        .replace(/\([^)]*\)/g, '')
        .replace(/ {2,}/g, ' ')
        .trim()
  )
}

const typeNames: ReadonlyMap<string, string> = new Map([
  ['int', 'integer'],
  ['int4', 'integer'],
  ['int8', 'bigint'],
  ['int2', 'smallint'],
  ['bool', 'boolean'],
  ['float4', 'real'],
  ['float8', 'double precision'],
  ['decimal', 'numeric'],
  ['varchar', 'character varying'],
  ['char', 'character'],
  ['bpchar', 'character'],
  ['timestamptz', 'timestamp with time zone'],
  ['timestamp', 'timestamp without time zone'],
  ['timetz', 'time with time zone'],
  ['time', 'time without time zone'],
])

function canonicalType(type: string): string {
  const [, name = '', rest = ''] = /^(\w+)(.*)$/s.exec(type.trim().toLowerCase().replace(/\s+/g, ' ')) ?? []
  const hasZone = rest.includes('time zone')
  return `${hasZone ? name : (typeNames.get(name) ?? name)}${rest.replaceAll(', ', ',')}` || type
}
