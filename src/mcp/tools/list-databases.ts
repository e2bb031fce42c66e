import { z } from 'zod'
import { defineTool, readingAnnotations } from '../tool.ts'

const database = z.object({
  alias: z.string(),
  name: z.string(),
  kind: z.enum(['managed', 'external']),
  state: z.enum(['serving', 'refused', 'unknown']),
  trust: z.enum(['proven', 'owner-login']),
  schemas: z.array(z.string()),
  default_schema: z.string(),
  limits: z.object({
    rows_default: z.int(),
    rows_max: z.int(),
    result_max_bytes: z.int(),
    statement_timeout_ms: z.int(),
  }),
})

export const listDatabasesTool = defineTool({
  name: 'list_databases',
  title: 'List databases',
  description: 'The databases you may use: alias, real name, schemas, state and the limits of a query. Start here.',
  input: z.strictObject({}),
  output: z.object({ databases: z.array(database) }),
  scope: 'data:read',
  annotations: readingAnnotations,
  async run(_args, { principal, services }) {
    const { rowsDefault, rowsMax, resultMaxBytes } = services.limits
    const databases = services.directory.all(principal.tenant).map(one => {
      const { limits } = one.policyOf(principal)
      return {
        alias: one.alias,
        name: one.name,
        kind: one.about.kind,
        state: one.about.state,
        trust: one.about.trust,
        schemas: [...one.about.schemas],
        default_schema: one.about.defaultSchema,
        limits: {
          rows_default: Math.min(rowsDefault, limits.rowsMax),
          rows_max: Math.min(rowsMax, limits.rowsMax),
          result_max_bytes: Math.min(resultMaxBytes, limits.bytesMax),
          statement_timeout_ms: limits.statementTimeoutMs,
        },
      }
    })
    const lines = databases.map(
      one =>
        `${one.alias} (${one.kind}, ${one.state}, ${one.trust}): database ${one.name}, schemas ${one.schemas.join(', ')}, default ${one.default_schema}; ${one.limits.rows_default} rows by default, ${one.limits.rows_max} at most, ${one.limits.statement_timeout_ms} ms`,
    )
    return { data: { databases }, text: lines.length === 0 ? 'This tenant has no database yet.' : lines.join('\n') }
  },
})
