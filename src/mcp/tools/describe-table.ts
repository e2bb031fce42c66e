import { z } from 'zod'
import { resolveTarget, targetArguments } from '../target.ts'
import { defineTool, readingAnnotations, type ToolAnswer, type ToolContext } from '../tool.ts'
import { freshnessOf } from './freshness.ts'
import { askedBy, catalogRequest, findTable, placeOfTable } from './place.ts'
import { tableFacts, tableFactsOf } from './table-facts.ts'
import { noteFacts, noteFactsOf, noteLines } from './table-notes.ts'
import { tableText } from './table-text.ts'

const tableMaxChars = 200

const input = z.strictObject({
  ...targetArguments,
  table: z.string().min(1).max(tableMaxChars).describe('Name, or schema.name'),
  column: z.string().min(1).max(tableMaxChars).optional().describe('Only columns like this'),
  samples: z.boolean().default(true).describe('Sample values; sensitive columns give none'),
  refresh: z.boolean().optional().describe('Read the catalog anew'),
})

const output = tableFacts.extend(noteFacts.shape)

export const describeTableTool = defineTool({
  name: 'describe_table',
  title: 'Describe a table',
  description:
    'One table: columns with types, enum values and samples, keys both ways, indexes, notes. Call it before writing SQL against the table. Next: query.',
  input,
  output,
  scope: 'data:read',
  annotations: readingAnnotations,
  run: (args, context) => describeTable(args, context),
})

/** @throws SqlError 3D000, 3F000, 42P01 with the nearest names */
export async function describeTable(
  args: Pick<z.output<typeof input>, 'table' | 'column' | 'samples' | 'refresh'>,
  context: ToolContext,
): Promise<ToolAnswer<z.output<typeof output>> & { readonly text: string }> {
  const { principal, services } = context
  const place = await placeOfTable(context, await resolveTarget(context), args.table)
  const { database, schema } = place
  const asked = { ...catalogRequest(context, place), refresh: args.refresh }
  const metadata = await services.catalog.metadata(principal, database, asked)
  const found = findTable(metadata, args.table)
  const sampled = args.samples
    ? await services.catalog.withSamples(principal, database, metadata, [found.name], askedBy(context))
    : metadata
  const table = sampled.tables.find(({ name }) => name === found.name) ?? found
  const freshness = await freshnessOf(context, place)
  const facts = tableFactsOf(table, freshness.of(table), args.column)
  const notes = noteFactsOf(metadata, table, place.row?.purpose ?? schema)
  const text = [tableText(facts), ...noteLines(notes)].join('\n')
  return { data: { ...facts, ...notes }, database: database.alias, schema, text, untrusted: true }
}
