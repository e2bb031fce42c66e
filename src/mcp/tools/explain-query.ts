import { z } from 'zod'
import { CallError } from '../codes.ts'
import { resolveTarget, targetArguments } from '../target.ts'
import { defineTool, readingAnnotations } from '../tool.ts'

const value = z.union([z.string(), z.number(), z.boolean(), z.null()])

export const explainQueryTool = defineTool({
  name: 'explain_query',
  title: 'Explain a query',
  description: 'The plan of one SELECT, without running it; with analyze it runs and says where the time went.',
  input: z.strictObject({
    sql: z.string(),
    params: z.array(value).optional(),
    analyze: z.boolean().optional(),
    ...targetArguments,
  }),
  output: z.object({ plan: z.string(), sql_executed: z.string(), tables_accessed: z.array(z.string()) }),
  scope: 'data:read',
  annotations: readingAnnotations,
  extended: true,
  secretArguments: ['params'],
  async run(args, context) {
    const { principal, services, client, signal, requestId, traceId } = context
    const { database, schema } = await resolveTarget(context)
    const [statement, second] = services.parse(args.sql).statements
    if (statement === undefined || second !== undefined || statement.node.SelectStmt === undefined)
      throw new CallError('arguments', { code: '22023', message: 'sql must be one SELECT', hint: 'Leave EXPLAIN out.' })
    const answer = await services.callers.run({
      principal,
      database,
      text: `explain ${args.analyze === true ? '(analyze, buffers) ' : ''}${statement.text}`,
      parameters: (args.params ?? []).map(item => (item === null ? null : String(item))),
      searchPath: [schema, ...database.about.schemas.filter(one => one !== schema)],
      keepBytes: services.limits.resultMaxBytes,
      client,
      origin: { requestId, traceId },
      signal,
    })
    const plan = answer.rows.map(([line]) => line ?? '').join('\n')
    return {
      data: { plan, sql_executed: answer.sqlExecuted, tables_accessed: [...answer.relations] },
      database: database.alias,
      schema,
      text: plan,
      untrusted: true,
    }
  },
})
