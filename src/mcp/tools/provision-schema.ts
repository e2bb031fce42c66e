import { z } from 'zod'
import { SqlError } from '../../errors.ts'
import { resolveTarget, targetArguments } from '../target.ts'
import { defineTool, type ToolContext } from '../tool.ts'
import { schemaFacts, schemaFactsOf, schemaHeading, schemaLine } from './schema-facts.ts'

const purposeMaxChars = 63
const ttlMaxHours = 24 * 365

export const provisionSchemaTool = defineTool({
  name: 'provision_schema',
  title: 'Provision a schema',
  description:
    'Create your schema for a purpose, or return the one that stands. It expires after its TTL without use. Next: run_materialization into its handle.',
  input: z.strictObject({
    database: targetArguments.database,
    schema: targetArguments.schema.describe('Instead of purpose: handle of one to keep'),
    purpose: z.string().trim().min(1).max(purposeMaxChars).optional().describe('One word, e.g. sales'),
    private: z.boolean().optional().describe('Only you may read it'),
    ttl_hours: z.int().min(1).max(ttlMaxHours).optional(),
  }),
  output: schemaFacts.extend({ created: z.boolean().describe('false: it stood already') }),
  scope: 'schema:provision',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  run: async (args, context) => {
    const { principal, services, target } = context
    const database = services.directory.find(principal, target.database)
    const purpose = args.purpose ?? (await purposeOf(args.schema, context))
    const { schema, created } = await services.schemas.provision(principal, database, {
      purpose,
      ...(args.private !== undefined && { private: args.private }),
      ...(args.ttl_hours !== undefined && { ttlHours: args.ttl_hours }),
    })
    const facts = schemaFactsOf(schema)
    return {
      data: { ...facts, created },
      database: database.alias,
      schema: facts.schema,
      text: [created ? 'created' : 'it stood already', schemaHeading, schemaLine(facts)].join('\n'),
    }
  },
})

async function purposeOf(schema: string | undefined, context: ToolContext): Promise<string> {
  const row = schema === undefined ? undefined : (await resolveTarget(context)).row
  if (row !== undefined) return row.purpose
  throw new SqlError({
    code: '22023',
    message: schema === undefined ? 'purpose is missing' : 'that schema was not provisioned here',
    hint: 'Give purpose: one word for what the schema is for.',
  })
}
