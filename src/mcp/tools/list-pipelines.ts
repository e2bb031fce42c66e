import { z } from 'zod'
import { SqlError } from '../../errors.ts'
import type { PipelineRow } from '../../materialize/pipelines.ts'
import { targetArguments } from '../target.ts'
import { defineTool, readingAnnotations, type ToolContext } from '../tool.ts'
import { cells, counted, nearestHint, oneLine } from './lines.ts'

const messageMaxChars = 1_000

const knobValues = z.record(z.string(), z.unknown())

const pipelineFacts = z.strictObject({
  pipeline: z.string(),
  description: z.string().optional(),
  version: z.string().optional(),
  connector_type: z.string().optional(),
  fault: z.string().optional().describe('Why it cannot run'),
  sources: z.array(z.strictObject({ name: z.string(), table: z.string(), mode: z.string() })),
  entities: z.array(z.string()),
  knobs: knobValues.optional().describe('JSON schema of configure_pipeline.knobs'),
  schedule: z.string().optional(),
  connectors: z.array(
    z.strictObject({ name: z.string(), state: z.string(), knobs: knobValues, next_step: z.string().optional() }),
  ),
  last_run: z.strictObject({ id: z.string(), state: z.string(), ended_at: z.string().optional() }).optional(),
})

type PipelineFacts = z.output<typeof pipelineFacts>

const none =
  'No pipeline is open to this tenant. A pipeline shows once the tenant has a connector of its type, which its administrator adds.'

export const listPipelinesTool = defineTool({
  name: 'list_pipelines',
  title: 'List pipelines',
  description:
    'Pipelines that can load data: sources, entities, knobs, connector state, last run. Next: run_materialization.',
  input: z.strictObject({
    ...targetArguments,
    pipeline: z.string().min(1).max(200).optional().describe('Only this one'),
  }),
  output: z.strictObject({ pipelines: z.array(pipelineFacts), note: z.string().optional() }),
  scope: 'data:read',
  annotations: readingAnnotations,
  run: async ({ pipeline }, context) => {
    const { principal, services } = context
    const chosen =
      pipeline === undefined ? await services.runs.pipelines(principal) : [await findPipeline(context, pipeline)]
    const pipelines = chosen.map(factsOf)
    const note = pipelines.length === 0 ? none : undefined
    const text = [counted(pipelines.length, 'pipeline'), ...pipelines.flatMap(linesOf), ...(note ? [note] : [])]
    return { data: { pipelines, note }, text: text.join('\n'), untrusted: true }
  },
})

/** @throws SqlError 42704 with the nearest names */
export async function findPipeline({ principal, services }: ToolContext, asked: string): Promise<PipelineRow> {
  const all = await services.runs.pipelines(principal)
  const found = all.find(({ name }) => name === asked)
  if (found !== undefined) return found
  const names = all.map(({ name }) => name)
  throw new SqlError({
    code: '42704',
    message: `pipeline ${JSON.stringify(oneLine(asked))} does not exist, or is not open to this tenant`,
    hint: names.length === 0 ? none : nearestHint(asked, names, 'list_pipelines'),
  })
}

function factsOf(row: PipelineRow): PipelineFacts {
  return {
    pipeline: row.name,
    description: flat(row.description),
    version: row.version ?? undefined,
    connector_type: row.connectorType ?? undefined,
    fault: flat(row.fault),
    sources: row.sources.map(({ name, table, mode }) => ({ name, table, mode })),
    entities: [...row.entities],
    knobs: row.knobs === null ? undefined : knobValues.parse(row.knobs),
    schedule: row.schedule ?? undefined,
    connectors: row.connectors.map(({ name, state, knobs, nextStep }) => ({
      name,
      state,
      knobs: knobValues.parse(knobs),
      next_step: flat(nextStep),
    })),
    last_run:
      row.lastRun === null
        ? undefined
        : { id: row.lastRun.id, state: row.lastRun.state, ended_at: row.lastRun.endedAt?.toISOString() },
  }
}

function linesOf(facts: PipelineFacts): string[] {
  const { last_run: run } = facts
  return [
    cells(facts.pipeline, facts.version && `version ${facts.version}`, facts.connector_type, facts.description),
    ...(facts.fault === undefined ? [] : [`  cannot run: ${facts.fault}`]),
    ...facts.sources.map(source => `  source ${cells(source.name, `into ${source.table}`, source.mode)}`),
    ...(facts.entities.length === 0 ? [] : [`  entities ${facts.entities.map(name => oneLine(name)).join(', ')}`]),
    ...(facts.knobs === undefined ? [] : [`  knobs ${oneLine(JSON.stringify(facts.knobs), Number.MAX_SAFE_INTEGER)}`]),
    ...(facts.schedule === undefined ? [] : [`  schedule ${oneLine(facts.schedule)}`]),
    ...facts.connectors.map(
      ({ name, state, knobs, next_step }) => `  connector ${cells(name, state, JSON.stringify(knobs), next_step)}`,
    ),
    ...(run === undefined ? [] : [`  last run ${cells(run.id, run.state, run.ended_at)}`]),
  ]
}

function flat(text: string | null): string | undefined {
  return text === null || text === '' ? undefined : oneLine(text, messageMaxChars)
}
