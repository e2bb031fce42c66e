/** A tenant database, a control database that knows of it, and the catalog service over both. */
import type pg from 'pg'
import type { AnnotationSource, Annotations } from '../../src/catalog/annotations.ts'
import { CatalogService } from '../../src/catalog/catalog-service.ts'
import type { CatalogSettings } from '../../src/catalog/settings.ts'
import { configSchema } from '../../src/config.ts'
import { makeId } from '../../src/control/ids.ts'
import type { Policy } from '../../src/guard/policy.ts'
import { withAdministrator } from '../../src/provision/administrator.ts'
import type { CallerDatabase, CallerSessions } from '../../src/session/callers.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { type Served, type ServedOptions, serve } from '../support/served.ts'

export const noAnnotations: Annotations = {
  entities: new Map(),
  relationships: [],
  metrics: [],
  tables: new Map(),
  general: [],
  learnings: [],
  warnings: [],
}

/** Nothing that was found out is trusted for any time: each call asks again. */
export const mistrustful: CatalogSettings = { ...configSchema.parse({}).catalog, trustMs: 0 }

export interface World {
  readonly served: Served
  readonly control: ControlFixture
  readonly catalog: CatalogService
  readonly database: CallerDatabase
  /** As an agent's own statements come. */
  readonly queries: CallerSessions
  /** Milliseconds since the epoch, set by the test. */
  readonly clock: { now: number }
  annotations: Annotations
  /** What is not said is as the fixture was opened. */
  setPolicy(policy: Partial<Policy>): void
  /** Another service over the same databases: as after a restart. */
  restarted(settings?: Partial<CatalogSettings>): CatalogService
  /** As the owner of the tables, who grants the reader what it makes. */
  change(sql: string): Promise<void>
  stop(): Promise<void>
}

export async function openWorld(options: ServedOptions): Promise<World> {
  const [served, control] = await Promise.all([serve(options), freshControl()])
  await register(control.owner, served)
  const clock = { now: 1_800_000_000_000 }
  const policy = served.database.policyOf(served.principal)
  let changed: Policy = policy
  let changes = 0
  let refreshing: ReturnType<CallerDatabase['refreshCatalog']> | undefined
  // Who asks meanwhile shares the answer, as where it is served.
  const refreshCatalog = () => {
    refreshing ??= served.database.refreshCatalog().finally(() => {
      refreshing = undefined
    })
    return refreshing
  }
  const annotations: AnnotationSource = { of: async () => world.annotations }
  const make = (settings: Partial<CatalogSettings> = {}) =>
    new CatalogService({
      control: control.service,
      callers: served.callers('catalog'),
      annotations,
      config: { ...mistrustful, ...settings },
      now: () => clock.now,
    })
  const world: World = {
    served,
    control,
    catalog: make(),
    database: { ...served.database, policyOf: () => changed, refreshCatalog },
    queries: served.callers('mcp'),
    setPolicy(part) {
      changed = { ...policy, ...part, version: `changed ${++changes}` }
    },
    clock,
    annotations: noAnnotations,
    restarted: make,
    change: sql =>
      withAdministrator(served.administrator, served.database.name, async query => {
        await query(`set search_path = crm, public; ${sql}`)
      }),
    stop: () => served.stop(),
  }
  return world
}

async function register(owner: pg.Pool, served: Served): Promise<void> {
  const [tenant, server] = [makeId(), makeId()]
  await owner.query('insert into postern.tenant (id, name) values ($1, $2)', [tenant, 'acme'])
  await owner.query(
    `insert into postern.server (id, name, host, port, tls_mode) values ($1, 'main', 'localhost', 5432, 'disable')`,
    [server],
  )
  await owner.query(
    `insert into postern.database (id, tenant_id, server_id, alias, kind, dbname, schemas)
     values ($1, $2, $3, 'crm', 'managed', $4, array['crm'])`,
    [served.database.id, tenant, server, served.database.name],
  )
}
