import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { RunRow } from '../../materialize/runs.ts'
import { resolveTarget, targetArguments } from '../target.ts'
import { defineTool, type ToolContext } from '../tool.ts'
import { answerOf } from './get-materialization-status.ts'
import { findPipeline } from './list-pipelines.ts'
import { hasEnded, runFacts, runFactsOf } from './run-facts.ts'

const nameMaxChars = 200
const entitiesMax = 100
const idempotencyKeyMaxChars = 200
const askEveryMs = 500
/** A host may wait for a call so long at most; the run goes on after it. */
const waitMaxMs = 35 * 60_000

export const runMaterializationTool = defineTool({
  name: 'run_materialization',
  title: 'Run a materialization',
  description:
    "Load a pipeline's data into a schema and wait for the end. wait: false returns run_id at once, for get_materialization_status. Readers see the old data until all of the new is there.",
  input: z.strictObject({
    ...targetArguments,
    pipeline: z.string().min(1).max(nameMaxChars),
    connector: z.string().min(1).max(nameMaxChars).optional().describe('Where there are several'),
    entities: z.array(z.string()).min(1).max(entitiesMax).optional().describe('Only these'),
    params: z.record(z.string(), z.unknown()).optional().describe('Knobs for this run alone'),
    wait: z.boolean().default(true),
    idempotency_key: z
      .string()
      .min(1)
      .max(idempotencyKeyMaxChars)
      .optional()
      .describe('Used again it gives the same run'),
  }),
  output: runFacts,
  scope: 'materialize:run',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  run: async (args, context) => {
    const { services, principal } = context
    const { database, schema } = await resolveTarget(context)
    await findPipeline(context, args.pipeline)
    const started = await services.runs.start(principal, {
      pipeline: args.pipeline,
      connector: args.connector,
      entities: args.entities,
      database,
      schema,
      params: args.params,
      idempotencyKey: args.idempotency_key,
    })
    return answerOf(runFactsOf(args.wait ? await follow(started, context) : started))
  },
})

/** Until it ends, or the caller lets go of it. A caller who cancels stops the run; one whose stream is gone does not. */
async function follow(started: RunRow, context: ToolContext): Promise<RunRow> {
  const { services, principal, signal, progress } = context
  const deadlineMs = services.now() + waitMaxMs
  let run = started
  for (;;) {
    if (signal.aborted) return context.endedBy() === 'cancelled' ? await services.runs.cancel(principal, run.id) : run
    if (hasEnded(run) || services.now() > deadlineMs) return run
    progress?.(progressWords(run), { done: run.steps.filter(step => step.endedAt !== null).length })
    await sleep(askEveryMs, undefined, { signal }).catch(() => undefined) // an abort is seen above
    run = await services.runs.status(principal, run.id)
  }
}

function progressWords({ state, step, rows }: RunRow): string {
  return [state, step, rows === 0 ? null : `${rows} rows`].filter(words => words !== null && words !== '').join(', ')
}
