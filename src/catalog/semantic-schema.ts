/** What may stand in `semantic/<tenant>.yml` and in the rows of the control database: strict, every text with its limit. */
import { z } from 'zod'
import { type TextRule, textFault } from '../control/texts.ts'

export const semanticLimits = {
  /** An identifier of Postgres has at most 63 bytes. */
  nameMaxBytes: 63,
  descriptionMaxBytes: 2 * 1024,
  typeMaxBytes: 127,
  unitMaxBytes: 63,
  synonymMaxBytes: 127,
  synonymsMax: 20,
  keyColumnsMax: 32,
  sqlMaxBytes: 4 * 1024,
  filtersMax: 20,
  /** Per entity. */
  columnsMax: 1_600,
  /** Per tenant, of each kind. */
  entitiesMax: 2_000,
  relationshipsMax: 5_000,
  metricsMax: 1_000,
} as const

const text = (rule: TextRule) =>
  z.string().check(context => {
    const message = textFault(context.value, rule)
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value })
  })
const name = () => text({ maxBytes: semanticLimits.nameMaxBytes })
const description = () => text({ maxBytes: semanticLimits.descriptionMaxBytes, lines: true }).optional()
const sql = () => text({ maxBytes: semanticLimits.sqlMaxBytes, lines: true })
const synonyms = () =>
  z
    .array(text({ maxBytes: semanticLimits.synonymMaxBytes }))
    .max(semanticLimits.synonymsMax)
    .default([])

const column = z.strictObject({
  description: description(),
  type: text({ maxBytes: semanticLimits.typeMaxBytes }).optional(),
  pii: z.boolean().optional(),
  unit: text({ maxBytes: semanticLimits.unitMaxBytes }).optional(),
  aggregation: z.enum(['sum', 'avg', 'min', 'max', 'count', 'count_distinct', 'none']).optional(),
  synonyms: synonyms(),
})

const scope = { database: name().optional(), schema: name().optional() }

const entity = z
  .strictObject({
    ...scope,
    table: name(),
    description: description(),
    primary_key: z
      .preprocess(
        value => (typeof value === 'string' ? [value] : value),
        z.array(name()).min(1).max(semanticLimits.keyColumnsMax),
      )
      .optional(),
    synonyms: synonyms(),
    columns: z
      .record(z.string(), column)
      .refine(columns => Object.keys(columns).length <= semanticLimits.columnsMax, 'has too many columns')
      .default({}),
  })
  .transform(({ primary_key, columns, ...rest }) => ({
    ...rest,
    primaryKey: primary_key,
    columns: new Map(Object.entries(columns)),
  }))

const end = () =>
  text({ maxBytes: 2 * semanticLimits.nameMaxBytes + 5 }).transform((written, context) => {
    const parts = readColumnName(written)
    if (parts !== undefined) return parts
    context.issues.push({
      code: 'custom',
      message: 'must be <table>.<column>; a name that holds a dot stands in double quotes',
      input: written,
    })
    return z.NEVER
  })

const relationship = z
  .strictObject({
    ...scope,
    column: end(),
    references: end(),
    type: z.enum(['many-to-one', 'one-to-one', 'one-to-many', 'many-to-many']).default('many-to-one'),
    description: description(),
  })
  .transform(({ column: from, references: to, ...rest }) => ({
    ...rest,
    table: from.table,
    columns: [from.column],
    toTable: to.table,
    toColumns: [to.column],
  }))

const metric = z
  .strictObject({
    ...scope,
    name: name(),
    description: description(),
    table: name(),
    expression: sql().optional(),
    aggregation: z.enum(['sum', 'avg', 'min', 'max', 'count', 'count_distinct']).optional(),
    column: name().optional(),
    filters: z.array(sql()).max(semanticLimits.filtersMax).default([]),
    unit: text({ maxBytes: semanticLimits.unitMaxBytes }).optional(),
    synonyms: synonyms(),
  })
  .transform(({ expression, aggregation, column: of, ...rest }, context) => {
    const made = expression ?? aggregate(aggregation, of)
    const both = expression !== undefined && (aggregation !== undefined || of !== undefined)
    if (made !== undefined && !both) return { ...rest, expression: made }
    const message = 'needs either an expression, or an aggregation and its column'
    context.issues.push({ code: 'custom', message, input: rest })
    return z.NEVER
  })

export const semanticDocument = z.strictObject({
  /** What those below are for that do not say it themselves. */
  ...scope,
  entities: z.array(entity).max(semanticLimits.entitiesMax).default([]),
  relationships: z.array(relationship).max(semanticLimits.relationshipsMax).default([]),
  metrics: z.array(metric).max(semanticLimits.metricsMax).default([]),
})

export type EntityDefinition = z.output<typeof entity>
export type RelationshipDefinition = z.output<typeof relationship>
export type MetricDefinition = z.output<typeof metric>

function aggregate(aggregation: string | undefined, columnName: string | undefined): string | undefined {
  if (aggregation === undefined) return undefined
  if (columnName === undefined) return aggregation === 'count' ? 'count(*)' : undefined
  const quoted = quoteName(columnName)
  return aggregation === 'count_distinct' ? `count(distinct ${quoted})` : `${aggregation}(${quoted})`
}

/** As it must be written in SQL: in double quotes, unless it is plain lower case. A keyword is quoted by none of us. */
function quoteName(plain: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(plain) ? plain : `"${plain.replaceAll('"', '""')}"`
}

/** `orders.customer_id`, `"my.table".id` */
export function readColumnName(written: string): { table: string; column: string } | undefined {
  const match = /^("(?:[^"]|"")+"|[^".]+)\.("(?:[^"]|"")+"|[^".]+)$/.exec(written)
  if (match === null) return undefined
  const bare = (part: string) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part)
  return { table: bare(match[1]!), column: bare(match[2]!) }
}

/** As {@link readColumnName} reads it. */
export function writeColumnName(table: string, columnName: string): string {
  const write = (part: string) => (/["."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part)
  return `${write(table)}.${write(columnName)}`
}
