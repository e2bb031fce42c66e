/** A run as tools tell of it. */
import { z } from 'zod'
import { sqlName } from '../../catalog/sql-text.ts'
import type { RunRow } from '../../materialize/runs.ts'
import { cells, oneLine } from './lines.ts'

const logLinesMax = 20
const stepsMax = 200
const messageMaxChars = 1_000

export const runFacts = z.strictObject({
  run_id: z.string(),
  pipeline: z.string(),
  connector: z.string().optional(),
  database: z.string(),
  schema: z.string(),
  state: z.string(),
  ended: z.boolean(),
  step: z.string().optional().describe('What it does just now'),
  rows: z.number(),
  bytes: z.number(),
  requested_by: z.string(),
  created_at: z.string(),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
  error_code: z.string().optional(),
  error: z.string().optional(),
  steps: z.array(
    z.strictObject({
      phase: z.string(),
      name: z.string(),
      state: z.string(),
      rows: z.number(),
      bytes: z.number(),
      error: z.string().optional(),
      started_at: z.string(),
      ended_at: z.string().optional(),
    }),
  ),
  log: z.array(z.string()).describe('The last lines'),
  next: z.string().describe('What to do now'),
})

export type RunFacts = z.output<typeof runFacts>

const finalStates = new Set(['succeeded', 'partial', 'failed', 'cancelled'])

export function hasEnded(run: Pick<RunRow, 'state'>): boolean {
  return finalStates.has(run.state)
}

export function runFactsOf(run: RunRow): RunFacts {
  return {
    run_id: run.id,
    pipeline: run.pipeline,
    connector: run.connector ?? undefined,
    database: run.database,
    schema: run.schema,
    state: run.state,
    ended: hasEnded(run),
    step: flat(run.step),
    rows: run.rows,
    bytes: run.bytes,
    requested_by: run.requestedBy,
    created_at: run.createdAt.toISOString(),
    started_at: run.startedAt?.toISOString(),
    ended_at: run.endedAt?.toISOString(),
    error_code: run.errorCode ?? undefined,
    error: flat(run.error),
    steps: run.steps.slice(-stepsMax).map(step => ({
      phase: step.phase,
      name: step.name,
      state: step.state,
      rows: step.rows,
      bytes: step.bytes,
      error: flat(step.error),
      started_at: step.startedAt.toISOString(),
      ended_at: step.endedAt?.toISOString(),
    })),
    log: run.log.slice(-logLinesMax).map(line => oneLine(line, messageMaxChars)),
    next: nextStep(run),
  }
}

export function runText(run: RunFacts): string {
  const { steps, log } = run
  return [
    cells('run', run.run_id, run.state, run.pipeline, run.connector && `connector ${run.connector}`),
    cells('into', `${sqlName(run.schema)} of ${run.database}`, `by ${run.requested_by}`),
    cells('loaded', `${run.rows} rows`, `${run.bytes} bytes`, run.step && `now: ${run.step}`),
    cells('created', run.created_at, 'started', run.started_at ?? '-', 'ended', run.ended_at ?? '-'),
    ...(run.error === undefined ? [] : [cells('error', run.error_code, run.error)]),
    ...(steps.length === 0 ? [] : ['phase\tname\tstate\trows\tbytes\tstarted\tended\terror']),
    ...steps.map(step =>
      cells(
        ...[step.phase, step.name, step.state, step.rows, step.bytes],
        ...[step.started_at, step.ended_at ?? '-', step.error],
      ),
    ),
    ...log.map(line => `log: ${line}`),
    `next: ${run.next}`,
  ].join('\n')
}

function nextStep(run: RunRow): string {
  switch (run.state) {
    case 'succeeded':
      return 'list_tables of its schema, then query.'
    case 'partial':
      return 'Tell which sources failed; their tables still hold the data of before. list_tables shows what is fresh.'
    case 'failed':
      return 'Nothing was changed: the data of before is still there. Mend what the error names, then run it again.'
    case 'cancelled':
      return 'Nothing was changed: the data of before is still there.'
    default:
      return 'It goes on by itself: get_materialization_status tells how far it is, cancel_materialization stops it.'
  }
}

function flat(text: string | null): string | undefined {
  return text === null || text === '' ? undefined : oneLine(text, messageMaxChars)
}
