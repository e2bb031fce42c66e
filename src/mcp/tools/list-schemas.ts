import { z } from 'zod'
import { resolveTarget, targetArguments } from '../target.ts'
import { defineTool, readingAnnotations } from '../tool.ts'
import { counted } from './lines.ts'
import { schemaFacts, schemaFactsOf, schemaHeading, schemaLine } from './schema-facts.ts'

const output = z.strictObject({ schemas: z.array(schemaFacts), note: z.string().optional() })

const none =
  'You have no provisioned schema here. provision_schema makes one; list_databases names the schemas that always stand.'

export const listSchemasTool = defineTool({
  name: 'list_schemas',
  title: 'List schemas',
  description: 'Your provisioned schemas: state, size, last use, when each expires, last run.',
  input: z.strictObject(targetArguments),
  output,
  scope: 'data:read',
  annotations: readingAnnotations,
  run: async (args, context) => {
    const { principal, services, target } = context
    const database = target.database === undefined ? undefined : services.directory.find(principal, target.database)
    const only = args.schema === undefined ? undefined : await resolveTarget(context)
    const rows = await services.schemas.list(principal, database)
    const schemas = rows.filter(row => only === undefined || row.id === only.row?.id).map(schemaFactsOf)
    const note = schemas.length === 0 ? none : undefined
    const lines = [counted(schemas.length, 'schema'), ...(note === undefined ? [schemaHeading] : [note])]
    return {
      data: { schemas, note },
      database: database?.alias,
      text: [...lines, ...schemas.map(schemaLine)].join('\n'),
    }
  },
})
