import { z } from 'zod'
import type { SchemaMetadata } from '../../catalog/metadata.ts'
import { resolveTarget, targetArguments } from '../target.ts'
import { defineTool, readingAnnotations } from '../tool.ts'
import { counted } from './lines.ts'
import { askedBy, catalogRequest } from './place.ts'

const tokenBudgetDefault = 4_000
const tokenBudgetMin = 200
const tokenBudgetMax = 20_000

const formatSchema = z.enum(['full', 'summary', 'prompt'])
type Format = z.output<typeof formatSchema>
const positionSchema = z.tuple([formatSchema, z.string()])

const output = z.strictObject({
  format: formatSchema,
  generated_at: z.string().describe('When the catalog was read'),
  tables_total: z.int(),
  tables_shown: z.int().describe('On this page'),
  metadata: z.string(),
  next_cursor: z.string().optional(),
})

export const getMetadataTool = defineTool({
  name: 'get_metadata',
  title: 'Get metadata',
  description:
    'A whole schema at once: tables, columns, keys, joins, enums, metrics, knowledge, learned corrections, cut to token_budget. summary: to find tables; prompt: to write SQL; full: everything, with samples.',
  input: z.strictObject({
    ...targetArguments,
    format: formatSchema.default('prompt'),
    token_budget: z.int().min(tokenBudgetMin).max(tokenBudgetMax).default(tokenBudgetDefault),
    cursor: z.string().optional().describe('next_cursor'),
    refresh: z.boolean().optional().describe('Read the catalog anew'),
  }),
  output,
  scope: 'data:read',
  annotations: readingAnnotations,
  run: async (args, context) => {
    const { principal, services, cursors } = context
    const place = await resolveTarget(context)
    const { database, schema } = place
    const asked = { ...catalogRequest(context, place), refresh: args.refresh }
    const metadata = await services.catalog.metadata(principal, database, asked)
    const [format, cursor] =
      args.cursor === undefined ? [args.format, undefined] : positionOf(cursors.open(args.cursor))
    const told =
      format === 'full'
        ? await services.catalog.withSamples(principal, database, metadata, namesOf(metadata), askedBy(context))
        : metadata
    const page = services.catalog.render(told, { format, tokenBudget: args.token_budget, cursor })
    const data = {
      format,
      generated_at: metadata.generatedAt.toISOString(),
      tables_total: metadata.tables.length,
      tables_shown: new Set(Object.values(page.shown).flat()).size,
      metadata: page.text,
      next_cursor: page.cursor === null ? undefined : cursors.seal(JSON.stringify([format, page.cursor])),
    }
    return { data, database: database.alias, schema, warnings: metadata.warnings, text: textOf(data), untrusted: true }
  },
})

function namesOf({ tables }: SchemaMetadata): readonly string[] {
  return tables.map(({ name }) => name)
}

/** A cursor goes on in the format that it was given in. */
function positionOf(position: string): [Format, string] {
  return positionSchema.parse(JSON.parse(position))
}

function textOf(data: z.output<typeof output>): string {
  const { tables_total, tables_shown, next_cursor } = data
  return [
    `${counted(tables_total, 'table')}, ${tables_shown} here; read ${data.generated_at}; format ${data.format}`,
    data.metadata,
    ...(next_cursor === undefined ? [] : [`next_cursor: ${next_cursor}`]),
  ].join('\n')
}
