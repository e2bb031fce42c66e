/** What may stand in `pipelines/*.yml`. */
import { z } from 'zod'
import { scheduleFault } from './schedule.ts'
import { identifier, slug, sourceLimits, sourceShape, text } from './source-schema.ts'

const limits = { sourcesMax: 200, relationshipsMax: 1_000, targetsMax: 1_000 } as const
const dayMinutes = 24 * 60

/** A folder below that of the pipelines. */
const folder = () =>
  z
    .string()
    .max(255)
    .regex(/^(?!.*\.\.)[\w][\w./-]*$/, 'must be a folder below that of the pipelines')

const end = () => z.string().regex(/^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$/, 'must be <table>.<column>')

const schedule = z.string().check(context => {
  const message = scheduleFault(context.value)
  if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value })
})

export const pipelineDocument = z.strictObject({
  pipeline: slug(),
  description: text(sourceLimits.textMaxBytes, true).optional(),
  version: z.union([text(63), z.number().transform(String)], 'must be text or a number').optional(),
  connector: slug(),
  sources: z
    .array(z.strictObject({ name: slug(), table: identifier().optional(), entity: slug().optional(), ...sourceShape }))
    .min(1)
    .max(limits.sourcesMax),
  /** Entities of the connector type whose answer describes the source's structure. */
  discover: z.strictObject({ entities: z.array(slug()).min(1).max(limits.sourcesMax) }).optional(),
  transforms: z
    .union(
      [
        z.strictObject({ dbt_project: folder(), models: z.array(text(255)).optional() }),
        z.strictObject({ sql_models: folder() }),
      ],
      'must be { dbt_project, models? } or { sql_models }',
    )
    .optional(),
  /** Folder of SELECTs that return what is wrong. */
  tests: folder().optional(),
  relationships: z
    .array(
      z.strictObject({
        column: end(),
        references: end(),
        type: z.enum(['many-to-one', 'one-to-one', 'one-to-many', 'many-to-many']).default('many-to-one'),
      }),
    )
    .max(limits.relationshipsMax)
    .default([]),
  /** Cron, five fields, in UTC. */
  schedule: schedule.optional(),
  limits: z
    .strictObject({
      wall_clock_minutes: z.int().min(1).max(dayMinutes).optional(),
      rows: z.int().min(1).max(10_000_000_000).optional(),
      bytes: z
        .int()
        .min(1)
        .max(1024 ** 5)
        .optional(),
      dead_letters: z.int().min(0).max(1_000_000).optional(),
    })
    .default({}),
  on_source_failure: z.enum(['abort', 'partial']).default('abort'),
  /** Databases by their aliases, where it loads the same into each. */
  targets: z.array(text(sourceLimits.nameMaxBytes)).min(1).max(limits.targetsMax).optional(),
})

export type PipelineDocument = z.output<typeof pipelineDocument>
