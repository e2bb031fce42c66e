/** What a tenant's connectors are asked for when a pipeline runs with them. */
import type { ClientBase, Pool } from 'pg'
import { makeId } from './ids.ts'

export type Knobs = Readonly<Record<string, unknown>>

export interface PipelineConfigRow {
  readonly connectorId: string
  readonly pipeline: string
  readonly knobs: Knobs
  /** The login name of whoever set them last. */
  readonly changedBy: string | null
  readonly changedAt: Date
}

export async function listPipelineConfigs(
  db: Pool | ClientBase,
  tenantId: string,
): Promise<readonly PipelineConfigRow[]> {
  const listed = await db.query<PipelineConfigRow>(
    `select p.connector_id as "connectorId", p.pipeline, p.knobs, p.changed_by as "changedBy", p.changed_at as "changedAt"
     from postern.pipeline_config p join postern.connector c on c.id = p.connector_id
     where c.tenant_id = $1 order by p.pipeline, c.name`,
    [tenantId],
  )
  return listed.rows
}

/** Replaces the knobs of a pipeline for one connector. */
export async function setPipelineKnobs(
  db: Pool | ClientBase,
  config: { readonly connectorId: string; readonly pipeline: string; readonly knobs: Knobs; readonly by: string },
): Promise<void> {
  await db.query(
    `insert into postern.pipeline_config (id, connector_id, pipeline, knobs, changed_by) values ($1, $2, $3, $4, $5)
     on conflict (connector_id, pipeline) do update set knobs = excluded.knobs, changed_by = excluded.changed_by,
       changed_at = now()`,
    [makeId(), config.connectorId, config.pipeline, JSON.stringify(config.knobs), config.by],
  )
}
