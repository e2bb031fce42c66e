import { z } from 'zod'
import { targetArguments } from '../target.ts'
import { defineTool } from '../tool.ts'
import { cells } from './lines.ts'
import { findPipeline } from './list-pipelines.ts'

const nameMaxChars = 200

const knobValues = z.record(z.string(), z.unknown())

export const configurePipelineTool = defineTool({
  name: 'configure_pipeline',
  title: 'Configure a pipeline',
  description:
    'Set the knobs of a connector for a pipeline (entities, date range, schedule: list_pipelines shows which). Replaces all of them.',
  input: z.strictObject({
    ...targetArguments,
    pipeline: z.string().min(1).max(nameMaxChars),
    connector: z.string().min(1).max(nameMaxChars).optional().describe('Where there are several'),
    knobs: knobValues,
  }),
  output: z.strictObject({ pipeline: z.string(), connector: z.string(), knobs: knobValues }),
  scope: 'materialize:configure',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  run: async (args, context) => {
    const { principal, services } = context
    await findPipeline(context, args.pipeline)
    const { pipeline, connector, knobs } = await services.runs.configure(
      principal,
      args.pipeline,
      args.connector,
      args.knobs,
    )
    const data = { pipeline, connector, knobs: knobValues.parse(knobs) }
    const lines = Object.entries(data.knobs).map(([knob, value]) => cells(knob, JSON.stringify(value)))
    return {
      data,
      text: [cells(pipeline, connector, `${lines.length} knobs set`), ...lines].join('\n'),
      untrusted: true,
    }
  },
})
