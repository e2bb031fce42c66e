import { z } from 'zod'
import { sqlName } from '../../catalog/sql-text.ts'
import { SqlError } from '../../errors.ts'
import type { SchemaRow } from '../../materialize/schemas.ts'
import { targetArguments } from '../target.ts'
import { defineTool } from '../tool.ts'
import { bytesText, cells, counted, oneLine } from './lines.ts'

const namedMax = 20

const output = z.strictObject({
  schema: z.string(),
  handle: z.string(),
  database: z.string(),
  state: z.string(),
  tables_dropped: z.array(z.strictObject({ name: z.string(), kind: z.string() })),
  bytes: z.number(),
})

export const teardownSchemaTool = defineTool({
  name: 'teardown_schema',
  title: 'Tear down a schema',
  description:
    'Drop a provisioned schema with all its tables, for good, once a person has confirmed with its name. Says what goes and what depends on it; knowledge stays.',
  input: z.strictObject({
    database: targetArguments.database,
    schema: targetArguments.schema,
    confirmation_code: z.string().max(200).optional().describe('From CONFIRMATION_REQUIRED, after the user agreed'),
  }),
  output,
  scope: 'schema:provision',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  secretArguments: ['confirmation_code'],
  run: async (args, context) => {
    const { principal, services, target, signal } = context
    if (target.schema === undefined) throw schemaMissing()
    const { schema, tables, bytes, dependents } = await services.schemas.preview(principal, target.schema)
    if (target.database !== undefined) checkDatabase(schema, services.directory.find(principal, target.database).alias)
    const holds =
      tables.length === 0
        ? 'It is empty.'
        : `It holds ${counted(tables.length, 'table')}, ${bytesText(bytes)}: ${named(tables.map(table => sqlName(table.name)))}.`
    const going = [
      `Schema ${sqlName(schema.name)} of database ${oneLine(schema.database)} (${oneLine(schema.purpose)}) is dropped for good.`,
      `${holds} Nothing else depends on it; what is known of its tables is kept.`,
    ]
    if (dependents.length > 0) throw inTheWay(schema.name, dependents)
    await context.confirm({ message: going.join(' '), subject: schema.name, code: args.confirmation_code })
    const gone = await services.schemas.teardown(principal, target.schema, signal)
    const dropped = tables.map(({ name, kind }) => ({ name, kind }))
    return {
      data: {
        schema: gone.name,
        handle: gone.id,
        database: gone.database,
        state: gone.state,
        tables_dropped: dropped,
        bytes,
      },
      database: gone.database,
      schema: gone.name,
      text: [
        cells('dropped', sqlName(gone.name), `of ${gone.database}`, `handle ${gone.id}`, gone.state, `${bytes} bytes`),
        ...dropped.map(({ name, kind }) => cells(sqlName(name), kind)),
      ].join('\n'),
      untrusted: true,
    }
  },
})

function named(names: readonly string[]): string {
  const more = names.length > namedMax ? ` and ${names.length - namedMax} more` : ''
  return `${names
    .slice(0, namedMax)
    .map(name => oneLine(name))
    .join(', ')}${more}`
}

function checkDatabase(schema: SchemaRow, alias: string): void {
  if (schema.database === alias) return
  throw new SqlError({
    code: '3F000',
    message: `schema ${sqlName(schema.name)} does not exist in database ${oneLine(alias)}`,
    hint: `It is in ${oneLine(schema.database)}.`,
  })
}

function inTheWay(schema: string, dependents: readonly string[]): SqlError {
  return new SqlError({
    code: '2BP01',
    message: `schema ${sqlName(schema)} cannot be dropped: these depend on it: ${named(dependents)}`,
    hint: 'They must be dropped or changed first. Nothing was done.',
  })
}

function schemaMissing(): SqlError {
  return new SqlError({
    code: '22023',
    message: 'schema is missing',
    hint: 'Name the schema, or give its handle: list_schemas shows yours.',
  })
}
