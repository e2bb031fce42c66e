/** Two tenants with a database each on a real server, a control database, and every service that tools are handed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { AuditRecord, AuditSink } from '../../src/audit/record.ts'
import { CatalogService } from '../../src/catalog/catalog-service.ts'
import { KnowledgeBase } from '../../src/catalog/knowledge-base.ts'
import { AnnotationReader } from '../../src/catalog/semantic-source.ts'
import { type Config, configSchema } from '../../src/config.ts'
import { type DatabaseRow, findDatabase } from '../../src/control/database-rows.ts'
import { readMembers } from '../../src/control/members.ts'
import { addServer } from '../../src/control/servers.ts'
import { addTenant } from '../../src/control/tenants.ts'
import { addUser, type MembershipRole } from '../../src/control/users.ts'
import { type DemoTenant, seedDemo } from '../../src/embedded/demo.ts'
import { createParser } from '../../src/guard/parse.ts'
import { VerdictCache } from '../../src/guard/verdict-cache.ts'
import { type Principal, principalOf } from '../../src/identity/principal.ts'
import { Registry } from '../../src/materialize/registry.ts'
import { Runs, type RunsOptions } from '../../src/materialize/runs.ts'
import { Schemas } from '../../src/materialize/schemas.ts'
import type { ToolServices } from '../../src/mcp/tool.ts'
import { Databases } from '../../src/serve/databases.ts'
import { createManaged, dropRow, grantRow } from '../../src/serve/provisioning.ts'
import { openCallLimiter } from '../../src/serve/rates.ts'
import { schemaParts } from '../../src/serve/schemas.ts'
import { CallerSessions } from '../../src/session/callers.ts'
import type { Door } from '../../src/session/context.ts'
import { Judgement } from '../../src/session/judgement.ts'
import { PoolGroup } from '../../src/upstream/pool-group.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { testCluster } from '../support/cluster.ts'

export interface World {
  readonly control: ControlFixture
  readonly config: Config
  readonly databases: Databases
  readonly records: AuditRecord[]
  readonly services: ToolServices
  user(tenant: string, login: string, role: MembershipRole): Promise<Principal>
  /** Runs SQL as the owner of a tenant's database, then grants what it made. */
  seed(tenant: string, sql: string): Promise<void>
  /** What the database itself says, to its superuser. */
  truth(tenant: string, sql: string): Promise<unknown[][]>
  /** The demo's company, about 200,000 rows. */
  seedDemo(tenant: DemoTenant): Promise<void>
  row(tenant: string): Promise<DatabaseRow>
  close(): Promise<void>
}

const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => silent }
const server = 'test'

/** @param tenants each gets a managed database `crm` with these schemas */
export async function openWorld(
  tenants: readonly string[],
  tenantSchemas: readonly string[] = ['crm', 'odd'],
  loading: Pick<RunsOptions, 'registry' | 'materializer'> = {
    registry: new Registry({ connectorsDirs: [], pipelinesDir: '/nowhere' }),
    materializer: undefined,
  },
): Promise<World> {
  const control = await freshControl()
  const { administration, service } = control
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-world-'))
  const config = configSchema.parse({ dataDir })
  const { host, port, superuser, password } = await testCluster()
  await addServer(administration, server, {
    host,
    port,
    tlsMode: 'disable',
    provisioner: { login: superuser, password },
  })
  for (const tenant of tenants) {
    await addTenant(administration, { name: tenant })
    await createManaged(administration, { tenant, alias: 'crm', server, schemas: tenantSchemas }, config)
  }
  // A gate must not be able to enter any database but its own.
  await control.owner.query(`revoke connect on database "${control.database.name}" from public`)
  const parser = await createParser()
  const group = new PoolGroup({ totalMax: 40 })
  const parts = { config, sealer: administration.sealer, group, parser, log: silent, now: Date.now }
  const databases = await Databases.open(service, parts, () => {})
  const records: AuditRecord[] = []
  const audit: AuditSink = { append: record => void records.push(record), flush: () => {}, healthy: true }
  const judgement = new Judgement(parser, new VerdictCache(16 * 1024 * 1024))
  const shared = { audit, parser, judgement, log: silent, now: Date.now }
  const callersOf = (door: Door) => new CallerSessions({ services: shared, door })
  const [asking, reading] = [callersOf('mcp'), callersOf('catalog')]
  const { limiter, close: closeLimiter } = openCallLimiter(config, service, silent)
  const schemas = new Schemas(
    schemaParts(config, { control: service, keys: administration.sealer }, silent, databases),
    'mcp',
  )
  const catalog = new CatalogService({
    control: service,
    callers: reading,
    annotations: new AnnotationReader({ control: service, files: { read: async () => undefined }, parser }),
    config: config.catalog,
    now: Date.now,
  })
  const services: ToolServices = {
    directory: databases,
    callers: asking,
    catalog,
    knowledge: new KnowledgeBase({
      control: service,
      parser,
      administrationOf: principal => ({
        ...administration,
        actor: { ...administration.actor, door: 'mcp', principal: principal.login, principalId: principal.id },
      }),
    }),
    schemas,
    runs: new Runs({ control: service, schemas, ...loading }),
    limiter,
    limits: config.mcp,
    parse: parser.parseNow,
    now: Date.now,
  }
  const row = (tenant: string) => findDatabase(service, tenant, 'crm')
  const fill = async (tenant: string, work: (client: pg.Client, owner: string) => Promise<unknown>) => {
    const about = await row(tenant)
    const client = new pg.Client({ host, port, user: superuser, password, database: about.dbname })
    await client.connect()
    try {
      await work(client, about.ownerRole!)
    } finally {
      await client.end()
    }
    await grantRow(about, administration.sealer)
  }
  return {
    control,
    config,
    databases,
    records,
    services,
    row,
    async user(tenant, login, role) {
      const { principalId } = await addUser(administration, { tenant, login, role, verifier: null })
      const [member] = await readMembers(service, [principalId])
      return principalOf(member!)
    },
    seed: (tenant, sql) =>
      fill(tenant, async (client, owner) => {
        await client.query(`set role "${owner}"`)
        await client.query(sql)
      }),
    truth: async (tenant, text) => {
      let rows: unknown[][] = []
      await fill(tenant, async client => {
        rows = (await client.query<unknown[]>({ text, rowMode: 'array' })).rows
      })
      return rows
    },
    seedDemo: tenant => fill(tenant, (client, owner) => seedDemo(client, { tenant, owner })),
    async close() {
      await Promise.all([asking.close(), reading.close(), schemas.close(), closeLimiter()])
      const rows = await Promise.all(tenants.map(row))
      databases.close()
      await parser.close()
      for (const about of rows) await dropRow(administration, about, 'crm')
      rmSync(dataDir, { recursive: true })
    },
  }
}
