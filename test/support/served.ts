/** A tenant database behind a real gateway, in this process: provisioned roles, pool, session, wire door. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { AuditRecord, AuditSink } from '../../src/audit/record.ts'
import type { SqlError } from '../../src/errors.ts'
import { defaultGatewayLimits } from '../../src/gateway/limits.ts'
import { createGateway } from '../../src/gateway/listener.ts'
import type { CatalogSnapshot } from '../../src/guard/catalog.ts'
import { createParser } from '../../src/guard/parse.ts'
import { defaultLimits, type Limits, type Policy } from '../../src/guard/policy.ts'
import { reviewCatalog } from '../../src/guard/review.ts'
import { VerdictCache } from '../../src/guard/verdict-cache.ts'
import type { Principal, Scope } from '../../src/identity/principal.ts'
import type { Administrator } from '../../src/provision/administrator.ts'
import { withAdministrator } from '../../src/provision/administrator.ts'
import { defaultGatePins } from '../../src/provision/gate.ts'
import { grantAll } from '../../src/provision/grants.ts'
import { dropManaged, grantManagedTables, provisionManaged } from '../../src/provision/managed.ts'
import { databaseRoles } from '../../src/provision/names.ts'
import { readCatalog } from '../../src/provision/snapshot.ts'
import { type CallerDatabase, CallerSessions } from '../../src/session/callers.ts'
import type { Door } from '../../src/session/context.ts'
import { Judgement } from '../../src/session/judgement.ts'
import type { ServedDatabase } from '../../src/session/served-database.ts'
import { openSession } from '../../src/session/session.ts'
import { Sweep } from '../../src/session/sweep.ts'
import { connectUpstream } from '../../src/upstream/connection.ts'
import { Pool } from '../../src/upstream/pool.ts'
import { PoolGroup } from '../../src/upstream/pool-group.ts'
import type { UpstreamOptions } from '../../src/upstream/upstream-options.ts'
import { makeVerifier, parseVerifier } from '../../src/wire/scram.ts'
import { testCluster } from './cluster.ts'
import type { RawTarget } from './raw-client.ts'

export interface ServedOptions {
  /** Run by the administrator, with schema `crm` there and first on the path. */
  readonly seed: string
  /** The tenant's schemas; the first is the default. */
  readonly schemas?: readonly string[]
  readonly limits?: Partial<Limits>
  readonly excludedTables?: readonly string[]
  readonly pool?: {
    readonly sizeMax?: number
    readonly queueWaitTimeoutMs?: number
    readonly connectTimeoutMs?: number
  }
  readonly pooling?: ServedDatabase['pooling']
  /** Where the sessions' connections go: a relay or a server that lies. */
  readonly route?: (options: UpstreamOptions) => UpstreamOptions
  /** Counts what the wire's sessions run. */
  readonly admit?: () => Promise<void> | undefined
  /** In place of one that keeps everything in `records`. */
  readonly audit?: AuditSink
}

export interface Served {
  /** alice, through the gateway. */
  readonly gateway: RawTarget
  /** The superuser, at the same database. */
  readonly direct: RawTarget
  readonly database: CallerDatabase
  /** Sessions for single statements, as another door than the gateway has them. Closed by `stop`. */
  callers(door: Door): CallerSessions
  readonly principal: Principal
  readonly records: AuditRecord[]
  /** What was logged as an error: the end of the test fails where any is left. */
  readonly faults: unknown[]
  readonly administrator: Administrator
  setLimits(limits: Partial<Limits>): void
  stop(): Promise<void>
}

const password = 'correct horse'

export async function serve(options: ServedOptions): Promise<Served> {
  const cluster = await testCluster()
  const url = new URL(cluster.url)
  const administrator: Administrator = {
    host: url.hostname,
    port: Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  }
  const id = randomUUID()
  const name = `acme_${randomBytes(4).toString('hex')}`
  const managed = { administrator, database: name, roles: databaseRoles(id), schemas: options.schemas ?? ['crm'] }
  const gatePassword = randomBytes(16).toString('hex')
  await provisionManaged({ ...managed, gateVerifier: await makeVerifier(gatePassword), pins: defaultGatePins })
  await withAdministrator(administrator, name, async query => {
    await query(`set search_path = crm, public; set role ${managed.roles.owner}; ${options.seed}`)
  })
  await grantManagedTables(managed, grantAll)
  const line: UpstreamOptions = {
    ...administrator,
    database: name,
    user: managed.roles.gate,
    password: gatePassword,
    tls: { mode: 'disable' },
    connectTimeoutMs: 5_000,
    applicationName: 'postern',
  }
  const connect = (signal?: AbortSignal) => connectUpstream(options.route?.(line) ?? line, signal)
  const group = new PoolGroup()
  const pool = new Pool({ key: id, connect, group, ...options.pool })
  const parser = await createParser()
  let policy = policyOf(options, {})
  const first = await connectUpstream(line)
  const parameters = new Map(first.parameters)
  let catalog: CatalogSnapshot = reviewCatalog(await readCatalog(sql => first.query(sql)), text =>
    parser.parseNow(text),
  )
  const sweep = new Sweep(Date.now)
  const schemas = options.schemas ?? ['crm']
  const database: CallerDatabase = {
    about: { kind: 'managed', schemas, defaultSchema: schemas[0]!, state: 'serving', trust: 'proven' },
    sessions: sweep,
    ready: async () => {},
    id,
    tenant: 'acme',
    name,
    alias: 'crm',
    pool,
    pooling: options.pooling ?? 'transaction',
    catalog: () => catalog,
    refreshCatalog: async () => {
      catalog = reviewCatalog(await readCatalog(sql => first.query(sql)), text => parser.parseNow(text))
      return catalog
    },
    policyOf: () => policy,
    parameters: () => parameters,
    refusal: (): SqlError | null => null,
  }
  const records: AuditRecord[] = []
  const audit: AuditSink = options.audit ?? {
    append: record => void records.push(record),
    flush: () => {},
    healthy: true,
  }
  const judgement = new Judgement(parser, new VerdictCache(16 * 1024 * 1024))
  const verifier = await makeVerifier(password)
  const faults: unknown[] = []
  const log = {
    error: (fields: object) => void faults.push(fields),
    warn: () => {},
    info: () => {},
    debug: () => {},
    child: () => log,
  }
  const principal = {
    id: 'p1',
    tenant: 'acme',
    tenantName: 'acme',
    name: 'alice',
    login: 'alice@acme',
    role: 'analyst' as const,
    scopes: new Set<Scope>(['data:read', 'schema:provision', 'materialize:run', 'knowledge:write']),
    via: 'scram' as const,
    credential: null,
    expiresAt: null,
  }
  const services = { audit, parser, judgement, log, now: Date.now }
  const opened: CallerSessions[] = []
  const gateway = await createGateway({
    host: '127.0.0.1',
    port: 0,
    tls: null,
    requireTls: false,
    ignoreStartupParameters: [],
    limits: defaultGatewayLimits,
    logins: {
      begin: () => ({ delayMs: 0, succeed: () => {}, fail: () => {}, abandon: () => {} }),
      find: async () => ({ verifier: parseVerifier(verifier)!, principal }),
    },
    openSession: request =>
      openSession({
        ...request,
        database,
        door: 'wire',
        id: randomUUID(),
        services: { ...services, admit: options.admit, sweep },
      }),
    audit,
    log,
    clock: Date.now,
    tenantOf: () => undefined,
  })
  return {
    gateway: { host: '127.0.0.1', port: gateway.port!, user: 'alice@acme', password, database: name },
    direct: {
      host: administrator.host,
      port: administrator.port,
      user: administrator.user,
      password: administrator.password,
      database: name,
    },
    database,
    principal,
    callers(door) {
      const callers = new CallerSessions({ services, door })
      opened.push(callers)
      return callers
    },
    records,
    faults,
    administrator,
    setLimits(limits) {
      policy = policyOf(options, limits)
    },
    async stop() {
      for (const callers of opened) await callers.close()
      await gateway.close(100)
      await pool.close()
      first.destroy('the test is over')
      await parser.close()
      await dropManaged(managed)
      if (faults.length > 0)
        throw new Error(
          `faults were logged: ${JSON.stringify(faults.map(fault => String((fault as { err?: { stack?: string } }).err?.stack ?? fault)))}`,
        )
    },
  }
}

let policies = 0

function policyOf(options: ServedOptions, limits: Partial<Limits>): Policy {
  return {
    version: `test ${++policies}`,
    role: 'reader',
    schemas: options.schemas ?? ['crm'],
    allowedTables: null,
    excludedTables: options.excludedTables ?? [],
    functions: [],
    foreignTables: [],
    limits: { ...defaultLimits, ...options.limits, ...limits },
  }
}
