/** When what a schema holds was last loaded. */
import type { TableMetadata } from '../../catalog/metadata.ts'
import type { Target } from '../target.ts'
import type { ToolContext } from '../tool.ts'

export interface Freshness {
  of(table: Pick<TableMetadata, 'name' | 'knowledge'>): TableFreshness
}

export interface TableFreshness {
  readonly materialized_at?: string | undefined
  readonly freshness?: string | undefined
  readonly pipeline?: string | undefined
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/**
 * By the tables' names: what runs brought into their schema, whatever has been tried since.
 * @throws SqlError where that cannot be looked up
 */
export async function freshnessOf({ services, principal }: ToolContext, place: Target): Promise<Freshness> {
  const loads = await services.runs.loads(principal, place.database, place.schema)
  const pipelines = loads.length === 0 ? [] : await services.runs.pipelines(principal)
  const byTable = new Map<string, TableFreshness>()
  for (const { name, pipeline, at } of loads) {
    const source = pipelines.find(one => one.name === pipeline)?.sources.find(one => one.name === name)
    // What is no source is a model, which is called as its table.
    byTable.set(source?.table ?? name, loadedAt(at, pipeline, services.now()))
  }
  return { of: ({ name, knowledge }) => withPromise(byTable.get(name) ?? {}, knowledge?.refreshFrequency ?? null) }
}

function loadedAt(ended: Date, pipeline: string, nowMs: number): TableFreshness {
  return { materialized_at: ended.toISOString(), freshness: ago(nowMs - ended.getTime()), pipeline }
}

function withPromise(loaded: TableFreshness, refreshFrequency: string | null): TableFreshness {
  if (refreshFrequency === null) return loaded
  const promised = `refresh: ${refreshFrequency}`
  return { ...loaded, freshness: loaded.freshness === undefined ? promised : `${loaded.freshness}, ${promised}` }
}

/** `3 h ago` */
function ago(ms: number): string {
  if (ms < minuteMs) return 'just now'
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)} min ago`
  if (ms < 2 * dayMs) return `${Math.floor(ms / hourMs)} h ago`
  return `${Math.floor(ms / dayMs)} days ago`
}
