/**
 * Sample values: up to three distinct ones of a column, from one bounded read of a table, never of the whole. Columns
 * that are sensitive, that have an enum's values anyway, or whose type says nothing at a glance are left out.
 */
import { escapeIdentifier } from 'pg'
import { z } from 'zod'
import { SqlError } from '../errors.ts'
import type { StatementAnswer } from '../session/callers.ts'
import type { NarrowLimits } from '../session/context.ts'
import type { ColumnMetadata, TableMetadata } from './metadata.ts'
import type { CatalogSettings } from './settings.ts'

/** Column → values. */
export type Samples = ReadonlyMap<string, readonly string[]>

export type SampleAsk = (text: string, limits: NarrowLimits) => Promise<StatementAnswer>

const valuesMax = 3
/** Longer ones are no examples. */
const valueMaxChars = 60
const bytesMax = 1024 * 1024

/** Types whose values are short and mean something, as format_type names them, and arrays of them. */
const sampledType =
  /^(?:smallint|integer|bigint|numeric|real|double precision|money|text|citext|character varying|character|name|date|time|timestamp|interval|uuid|inet|cidr|macaddr|(?:int4|int8|num|ts|tstz|date)range|oid)\b/

/** Empty where none may be shown: too slow, too costly, or refused. @throws SqlError where the database cannot be asked */
export async function takeSamples(ask: SampleAsk, table: TableMetadata, config: CatalogSettings): Promise<Samples> {
  const columns = table.columns.filter(isSampled)
  if (columns.length === 0 || config.sampleRowsMax === 0 || table.kind === 'foreign table') return new Map()
  const limits = { statementTimeoutMs: Math.max(1, config.sampleTimeoutMs), bytesMax, atRowLimit: 'truncate' } as const
  try {
    if (table.kind === 'view' && (await costOf(ask, table, limits, config)) > config.sampleCostMax) return new Map()
    const answer = await ask(readOf(table, columns, config), limits)
    return new Map(columns.map((column, at) => [column.name, distinct(answer.rows.map(row => row[at] ?? null))]))
  } catch (error) {
    if (error instanceof SqlError && isOfTheRead(error)) return new Map()
    throw error
  }
}

function isSampled(column: ColumnMetadata): boolean {
  if (column.pii || column.masked || column.enumValues !== null) return false
  return sampledType.test(column.baseType ?? column.type)
}

function readOf(table: TableMetadata, columns: readonly ColumnMetadata[], config: CatalogSettings): string {
  const from = `${escapeIdentifier(table.schema)}.${escapeIdentifier(table.name)}`
  const list = columns.map(
    ({ name }) => `pg_catalog.left(${escapeIdentifier(name)}::pg_catalog.text, ${valueMaxChars + 1})`,
  )
  return `select ${list.join(', ')} from ${from} limit ${config.sampleRowsMax}`
}

const explained = z.tuple([z.object({ Plan: z.object({ 'Total Cost': z.number() }) })])

/** The planner's estimate for the whole view: where a view sorts or groups, a LIMIT saves nothing. */
async function costOf(
  ask: SampleAsk,
  table: TableMetadata,
  limits: NarrowLimits,
  config: CatalogSettings,
): Promise<number> {
  const columns = table.columns.filter(isSampled)
  const answer = await ask(`explain (format json) ${readOf(table, columns, config)}`, limits)
  const text = answer.rows.map(([line]) => line ?? '').join('\n')
  const plan = explained.safeParse(JSON.parse(text))
  return plan.success ? plan.data[0].Plan['Total Cost'] : Number.POSITIVE_INFINITY
}

function distinct(values: readonly (string | null)[]): readonly string[] {
  const found = new Set<string>()
  for (const value of values) {
    if (value === null || value.trim() === '' || value.length > valueMaxChars) continue
    found.add(value)
    if (found.size === valuesMax) break
  }
  return [...found]
}

/** The server, the login and the audit are in order: it is this read that cannot be. */
function isOfTheRead({ code, severity }: SqlError): boolean {
  return severity === 'ERROR' && (code === '57014' || code === '54000' || /^(?:22|25006|42|55)/.test(code))
}
