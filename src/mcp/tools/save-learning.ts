import { z } from 'zod'
import { resolveTarget, targetArguments } from '../target.ts'
import { defineTool, type ToolContext } from '../tool.ts'
import { cells, oneLine } from './lines.ts'

const textMaxChars = 2_000
const sqlMaxChars = 20_000
const tablesMax = 20
const nameMaxChars = 200

export const saveLearningTool = defineTool({
  name: 'save_learning',
  title: 'Save a learning',
  description:
    'Keep a correction for later callers: what was wrong about a statement, and the one that worked. Call it once query has proven corrected_sql.',
  input: z.strictObject({
    ...targetArguments,
    description: z.string().trim().min(1).max(textMaxChars).describe('What to mind next time, in one or two sentences'),
    category: z.string().trim().min(1).max(nameMaxChars).describe('e.g. join, units, filter, type'),
    tables: z.array(z.string().min(1).max(nameMaxChars)).max(tablesMax).default([]),
    failing_sql: z.string().max(sqlMaxChars).optional(),
    corrected_sql: z.string().min(1).max(sqlMaxChars),
  }),
  output: z.strictObject({
    id: z.string(),
    created: z.boolean().describe('false: it was known already'),
    description: z.string(),
    category: z.string(),
    tables: z.array(z.string()),
    confidence: z.number().describe('0 to 1'),
    times_applied: z.int(),
  }),
  scope: 'knowledge:write',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  extended: true,
  run: async (args, context) => {
    const { principal, services, target } = context
    const database = target.database === undefined ? undefined : services.directory.find(principal, target.database)
    const { learning, created } = await services.knowledge.saveLearning(principal, {
      description: args.description,
      category: args.category,
      tables: await qualified(args.tables, args.schema, context),
      ...(args.failing_sql !== undefined && { failingSql: args.failing_sql }),
      correctedSql: args.corrected_sql,
      ...(database !== undefined && { database: database.alias }),
    })
    const { id, description, category, tables, confidence, timesApplied } = learning
    return {
      data: { id, created, description, category, tables: [...tables], confidence, times_applied: timesApplied },
      database: database?.alias,
      text: [
        cells(created ? 'kept' : 'known already', id),
        cells('confidence', confidence, 'applied', timesApplied, 'category', category),
        ...(tables.length === 0 ? [] : [cells('tables', ...tables)]),
        oneLine(description, textMaxChars),
      ].join('\n'),
      untrusted: true,
    }
  },
})

/** By the schema's logical name, which a schema made anew has again. */
async function qualified(
  tables: readonly string[],
  schema: string | undefined,
  context: ToolContext,
): Promise<readonly string[]> {
  if (schema === undefined) return tables
  const place = await resolveTarget(context)
  const logical = place.row?.purpose ?? place.schema
  return tables.map(table => (table.includes('.') ? table : `${logical}.${table}`))
}
