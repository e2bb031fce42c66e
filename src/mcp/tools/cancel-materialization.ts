import { z } from 'zod'
import { targetArguments } from '../target.ts'
import { defineTool } from '../tool.ts'
import { answerOf } from './get-materialization-status.ts'
import { runFacts, runFactsOf } from './run-facts.ts'

export const cancelMaterializationTool = defineTool({
  name: 'cancel_materialization',
  title: 'Cancel a run',
  description:
    'Stop a run; answers once it has stopped. The data of before stays. A run that has ended is left as it is.',
  input: z.strictObject({ ...targetArguments, run_id: z.string().min(1).max(100) }),
  output: runFacts,
  scope: 'materialize:run',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  run: async ({ run_id }, { services, principal, signal }) =>
    answerOf(runFactsOf(await services.runs.cancel(principal, run_id, signal))),
})
