/** A provisioned schema as tools tell of it. */
import { z } from 'zod'
import { sqlName } from '../../catalog/sql-text.ts'
import type { SchemaRow } from '../../materialize/schemas.ts'
import { cells } from './lines.ts'

export const schemaFacts = z.strictObject({
  schema: z.string().describe('The real name, for SQL'),
  handle: z.string().describe('For the argument schema'),
  database: z.string(),
  purpose: z.string(),
  owner: z.string(),
  private: z.boolean(),
  state: z.string(),
  created_at: z.string(),
  last_accessed_at: z.string(),
  expires_at: z.string().nullable().describe('null: never'),
  bytes: z.number().optional(),
  error: z.string().optional().describe('Why it failed'),
  last_run: z
    .strictObject({ id: z.string(), pipeline: z.string(), state: z.string(), ended_at: z.string().nullable() })
    .optional(),
})

export type SchemaFacts = z.output<typeof schemaFacts>

export function schemaFactsOf(row: SchemaRow): SchemaFacts {
  const { lastRun } = row
  return {
    schema: row.name,
    handle: row.id,
    database: row.database,
    purpose: row.purpose,
    owner: row.owner,
    private: row.private,
    state: row.state,
    created_at: row.createdAt.toISOString(),
    last_accessed_at: row.lastAccessedAt.toISOString(),
    expires_at: row.expiresAt?.toISOString() ?? null,
    bytes: row.bytes,
    error: row.error ?? undefined,
    last_run:
      lastRun === null
        ? undefined
        : {
            id: lastRun.id,
            pipeline: lastRun.pipeline,
            state: lastRun.state,
            ended_at: lastRun.endedAt?.toISOString() ?? null,
          },
  }
}

export const schemaHeading = cells(
  ...['schema', 'state', 'expires', 'last used', 'created', 'bytes', 'owner', 'purpose', 'private', 'handle'],
  ...['database', 'last run', 'error'],
)

export function schemaLine(facts: SchemaFacts): string {
  const { last_run: run } = facts
  return cells(
    sqlName(facts.schema),
    facts.state,
    facts.expires_at ?? 'never',
    facts.last_accessed_at,
    facts.created_at,
    facts.bytes,
    facts.owner,
    facts.purpose,
    facts.private ? 'private' : 'shared',
    facts.handle,
    facts.database,
    run && ['run', run.id, run.pipeline, run.state, run.ended_at].join(' ').trim(),
    facts.error,
  )
}
