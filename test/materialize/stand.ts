/** Two tenants with a managed database each, their users, and everything that serves them, on a real control database. */
import type { AuditRecord, AuditSink } from '../../src/audit/record.ts'
import { type Config, configSchema } from '../../src/config.ts'
import { findDatabase } from '../../src/control/database-rows.ts'
import { readMembers } from '../../src/control/members.ts'
import { addServer } from '../../src/control/servers.ts'
import { addTenant } from '../../src/control/tenants.ts'
import { addUser, type MembershipRole } from '../../src/control/users.ts'
import { createParser } from '../../src/guard/parse.ts'
import { VerdictCache } from '../../src/guard/verdict-cache.ts'
import { type Principal, principalOf } from '../../src/identity/principal.ts'
import type { SchemaParts } from '../../src/materialize/schema-work.ts'
import { Schemas } from '../../src/materialize/schemas.ts'
import type { Log } from '../../src/observe/log.ts'
import { withAdministrator } from '../../src/provision/administrator.ts'
import { Databases } from '../../src/serve/databases.ts'
import { createManaged, dropRow, grantRow, schemaTargetOf } from '../../src/serve/provisioning.ts'
import { noteSchemaUses } from '../../src/serve/schema-uses.ts'
import { schemaParts } from '../../src/serve/schemas.ts'
import { CallerSessions } from '../../src/session/callers.ts'
import { Judgement } from '../../src/session/judgement.ts'
import { PoolGroup } from '../../src/upstream/pool-group.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { administratorOf } from '../provision/tenants.ts'
import { testCluster } from '../support/cluster.ts'

export interface Stand {
  readonly control: ControlFixture
  readonly config: Config
  readonly databases: Databases
  readonly schemas: Schemas
  readonly parts: SchemaParts
  readonly records: AuditRecord[]
  readonly alice: Principal
  readonly bob: Principal
  readonly root: Principal
  readonly mallory: Principal
  /** Another process on the same control database, which serves nothing. */
  other(door?: string): Schemas
  database(principal: Principal): ReturnType<Databases['find']>
  /** Through a real session. */
  query(principal: Principal, sql: string, alias?: string): Promise<readonly (readonly (string | null)[])[]>
  /** As the owner of the tenant's schemas; what is made is granted as the policy says. */
  asOwner(principal: Principal, ...statements: string[]): Promise<void>
  addUser(tenant: string, login: string, role: MembershipRole): Promise<Principal>
  stop(): Promise<void>
}

export const quietLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => quietLog,
}

export async function stand(settings: Record<string, unknown> = {}): Promise<Stand> {
  const control = await freshControl()
  const { administration, service } = control
  // As every control database must be: no tenant's gate may enter it.
  await control.owner.query(`revoke connect on database ${control.database.name} from public`)
  const config = configSchema.parse({ schemas: settings })
  // Before 15 only a superuser can close schema public, without which nothing is served.
  const { major } = await testCluster()
  const { host, port, user, password } = await administratorOf(major >= 15 ? 'plain' : 'superuser')
  const provisioner = { login: user, password }
  await addServer(administration, 'main', { host, port, tlsMode: 'disable', provisioner })
  for (const tenant of ['acme', 'globex']) {
    await addTenant(administration, { name: tenant })
    await createManaged(administration, { tenant, alias: 'crm', server: 'main', schemas: ['crm'] }, config)
  }
  const addMember = async (tenant: string, login: string, role: MembershipRole): Promise<Principal> => {
    const { principalId } = await addUser(administration, { tenant, login, role, verifier: null })
    return principalOf((await readMembers(service, [principalId]))[0]!)
  }
  const parser = await createParser()
  const group = new PoolGroup({ totalMax: 20 })
  const serving = { config, sealer: administration.sealer, group, parser, log: quietLog, now: Date.now }
  const databases = await Databases.open(service, serving, () => {})
  const stores = { control: service, keys: administration.sealer }
  const parts = schemaParts(config, stores, quietLog, databases)
  const schemas = new Schemas(parts, 'mcp')
  const records: AuditRecord[] = []
  const sink: AuditSink = { append: record => void records.push(record), flush: () => {}, healthy: true }
  const callers = new CallerSessions({
    services: {
      audit: noteSchemaUses(sink, databases, schemas),
      parser,
      judgement: new Judgement(parser, new VerdictCache(1024 * 1024)),
      log: quietLog,
      now: Date.now,
    },
    door: 'mcp',
  })
  const database = (principal: Principal) => databases.find(principal, 'crm')
  return {
    control,
    config,
    databases,
    schemas,
    parts,
    records,
    alice: await addMember('acme', 'alice', 'analyst'),
    bob: await addMember('acme', 'bob', 'analyst'),
    root: await addMember('acme', 'root', 'admin'),
    mallory: await addMember('globex', 'mallory', 'admin'),
    other: (door = 'cli') => new Schemas(schemaParts(config, stores, quietLog), door),
    database,
    query: async (principal, sql, alias = 'crm') => {
      const client = { address: 'local', applicationName: 'test' }
      const request = { principal, database: databases.find(principal, alias), text: sql, parameters: [], client }
      return (await callers.run(request)).rows
    },
    asOwner: async (principal, ...statements) => {
      const row = await findDatabase(service, principal.tenantName, 'crm')
      const target = schemaTargetOf(row, administration.sealer)
      await withAdministrator(target.administrator, target.database, async query => {
        await query(`set role ${target.roles.owner}`)
        for (const statement of statements) await query(statement)
      })
      await grantRow(row, administration.sealer)
    },
    addUser: addMember,
    stop: async () => {
      await callers.close()
      await schemas.close()
      databases.close()
      await parser.close()
      for (const tenant of ['acme', 'globex'])
        await dropRow(administration, await findDatabase(service, tenant, 'crm'), 'crm')
    },
  }
}

/** The SQLSTATE that something fails with. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
