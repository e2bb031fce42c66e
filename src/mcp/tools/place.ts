/** Where a tool works, proven to be there: the schema, and a table in it by the name that the caller wrote. */
import type { SchemaMetadata, TableMetadata } from '../../catalog/metadata.ts'
import { sqlName } from '../../catalog/sql-text.ts'
import { SqlError } from '../../errors.ts'
import type { Target } from '../target.ts'
import type { ToolContext } from '../tool.ts'
import { nearestHint, oneLine } from './lines.ts'

/** The schemas that this caller may read there, the default first. */
export function readableSchemas(
  { principal }: Pick<ToolContext, 'principal'>,
  { database }: Pick<Target, 'database'>,
): readonly string[] {
  return database.policyOf(principal).schemas
}

/** The same place, or that of the schema which stands before the table's name. */
export async function placeOfTable(context: ToolContext, place: Target, asked: string): Promise<Target> {
  const { principal, services } = context
  const schema = readableSchemas(context, place).find(
    name => asked.startsWith(`${name}.`) || asked.startsWith(`${sqlName(name)}.`) || asked.startsWith(`"${name}".`),
  )
  if (schema === undefined || schema === place.schema) return place
  return { ...place, schema, row: await services.schemas.resolve(principal, place.database, schema) }
}

/** What the catalog is asked: the schema by its real name, its annotations by the purpose it was provisioned for. */
export function catalogRequest(context: ToolContext, { schema, row }: Target) {
  return { schema, logicalSchema: row?.purpose, ...askedBy(context) }
}

/**
 * The table or view that `asked` names: as it is, as SQL would quote it, with its schema, or in other capitals where
 * only one is meant.
 * @throws SqlError 42P01 with the nearest names
 */
export function findTable(metadata: SchemaMetadata, asked: string): TableMetadata {
  const { tables, schema } = metadata
  const found = tables.find(({ name }) => writings(schema, name).includes(asked))
  if (found !== undefined) return found
  const alike = tables.filter(({ name }) =>
    writings(schema, name).some(way => way.toLowerCase() === asked.toLowerCase()),
  )
  if (alike.length === 1) return alike[0]!
  const names = tables.map(({ name }) => name)
  throw new SqlError({
    code: '42P01',
    message: `table ${oneLine(sqlName(asked))} does not exist in schema ${oneLine(sqlName(schema))}, or may not be read`,
    hint: names.length === 0 ? `Nothing in that schema may be read.` : nearestHint(asked, names, 'list_tables'),
  })
}

function writings(schema: string, name: string): string[] {
  const ways = [name, sqlName(name), `"${name.replaceAll('"', '""')}"`]
  return ways.flatMap(way => [way, `${schema}.${way}`, `${sqlName(schema)}.${way}`, `"${schema}".${way}`])
}

/** On whose behalf, and for which call, our own look-ups run. */
export function askedBy({ signal, client, requestId, traceId }: ToolContext) {
  return { signal, client, origin: { requestId, traceId } }
}
