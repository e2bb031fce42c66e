import { z } from 'zod'
import { sqlName } from '../../catalog/sql-text.ts'
import { SqlError } from '../../errors.ts'
import { resolveTarget, targetArguments } from '../target.ts'
import { defineTool, readingAnnotations, type ToolAnswer, type ToolContext } from '../tool.ts'
import { oneLine } from './lines.ts'
import { type RunFacts, runFacts, runFactsOf, runText } from './run-facts.ts'

export const getMaterializationStatusTool = defineTool({
  name: 'get_materialization_status',
  title: 'Get the status of a run',
  description: 'A run: state, steps, rows, errors, end of its log. Without run_id the last run of the schema.',
  input: z.strictObject({ ...targetArguments, run_id: z.string().min(1).max(100).optional() }),
  output: runFacts,
  scope: 'data:read',
  annotations: readingAnnotations,
  run: async ({ run_id }, context) => {
    if (run_id !== undefined) return readRun(run_id, context)
    const { database, schema } = await resolveTarget(context)
    const run = await context.services.runs.latest(context.principal, database, schema)
    if (run !== undefined) return answerOf(runFactsOf(run))
    throw new SqlError({
      code: '42704',
      message: `schema ${oneLine(sqlName(schema))} has had no run`,
      hint: 'run_materialization starts one; list_pipelines shows which pipelines there are.',
    })
  },
})

/** A stranger's run is missing. @throws SqlError 42704 */
export async function readRun(id: string, context: ToolContext): Promise<ToolAnswer<RunFacts> & { text: string }> {
  return answerOf(runFactsOf(await context.services.runs.status(context.principal, id)))
}

export function answerOf(run: RunFacts): ToolAnswer<RunFacts> & { text: string } {
  return { data: run, database: run.database, schema: run.schema, text: runText(run), untrusted: true }
}
