/** All that serves behind the doors, put together once: who may come in, what is served, the audit, and what agents ask of it. */
import { randomUUID } from 'node:crypto'
import { insertRecord } from '../audit/store.ts'
import type { CallLimiter } from '../budgets/call-limiter.ts'
import { CatalogService } from '../catalog/catalog-service.ts'
import { KnowledgeBase } from '../catalog/knowledge-base.ts'
import { SemanticFolder } from '../catalog/semantic-files.ts'
import { AnnotationReader } from '../catalog/semantic-source.ts'
import type { Config } from '../config.ts'
import type { Administration } from '../control/administration.ts'
import { watchChanges } from '../control/config-version.ts'
import { SqlError } from '../errors.ts'
import { createParser, type Parser } from '../guard/parse.ts'
import { VerdictCache } from '../guard/verdict-cache.ts'
import type { Principal } from '../identity/principal.ts'
import { Runs } from '../materialize/runs.ts'
import { Schemas } from '../materialize/schemas.ts'
import type { ToolServices } from '../mcp/tool.ts'
import type { Log } from '../observe/log.ts'
import { CallerSessions } from '../session/callers.ts'
import type { SessionServices } from '../session/context.ts'
import { Judgement } from '../session/judgement.ts'
import { PoolGroup } from '../upstream/pool-group.ts'
import { openAudit } from './audit.ts'
import { Databases } from './databases.ts'
import { type Identity, openIdentity } from './identity.ts'
import { openCallLimiter } from './rates.ts'
import { openRegistry } from './registry.ts'
import { Revocations } from './revocations.ts'
import { noteSchemaUses } from './schema-uses.ts'
import { schemaParts } from './schemas.ts'
import { semanticDirOf } from './semantic-dir.ts'
import type { Served } from './served.ts'
import type { Stores } from './stores.ts'

export interface Core {
  readonly databases: Databases
  readonly services: Omit<SessionServices, 'sweep'>
  readonly identity: Identity
  readonly revocations: Revocations
  readonly parser: Parser
  readonly agents: AgentServices
  close(): Promise<void>
}

/** What tools work with, as far as it is opened here. */
type AgentServices = Pick<ToolServices, 'callers' | 'catalog' | 'knowledge' | 'schemas' | 'runs' | 'limiter'>

const verdictCacheMaxBytes = 64 * 1024 * 1024
const auditDrainMs = 3_000

/**
 * @param o.beside another process may serve from the same data folder
 * @throws SqlError 55006 for a spool that is in use, F0000 for settings that do not fit together
 */
export async function openCore(
  config: Config,
  stores: Stores,
  log: Log,
  o: { readonly beside: boolean } = { beside: false },
): Promise<Core> {
  const closers: (() => unknown)[] = []
  const close = async () => {
    for (const one of closers.splice(0).reverse()) await one()
  }
  try {
    const audit = openAudit(config, stores, log, o)
    closers.push(() => audit.close(auditDrainMs))
    const parser = await createParser()
    closers.push(() => parser.close())
    const identity = openIdentity(config, stores, log)
    closers.push(() => identity.close())
    const revocations = new Revocations(stores.control, identity.authenticator)
    closers.push(() => revocations.close())
    const group = new PoolGroup({ totalMax: config.pool.totalMax })
    const parts = { config, sealer: stores.keys, group, parser, log, now: Date.now }
    const doors: CallerSessions[] = []
    const onClosed = (served: Served) => {
      revocations.endDatabase(served)
      for (const door of doors) door.end(about => about.database === served, notServed(served))
    }
    const databases = await Databases.open(stores.control, parts, onClosed)
    closers.push(() => databases.close())
    const schemas = new Schemas(schemaParts(config, stores, log, databases), 'mcp')
    closers.push(() => schemas.close())
    const services = {
      audit: noteSchemaUses(audit.sink, databases, schemas),
      parser,
      judgement: new Judgement(parser, new VerdictCache(verdictCacheMaxBytes)),
      log,
      now: Date.now,
    }
    const limits = openCallLimiter(config, stores.control, log)
    closers.push(() => limits.close())
    const agents = openAgents(config, stores, { schemas, services, parser, limiter: limits.limiter })
    closers.push(() => agents.close())
    doors.push(...agents.doors)
    for (const door of doors) revocations.watch(door)
    const onChange = async () => {
      identity.forget()
      // A withdrawal waits for nothing else.
      await revocations.review()
      await databases.reload()
      await limits.reload()
    }
    const onFault = (error: unknown) => log.warn({ error }, 'changes in the control database cannot be read')
    const watch = await watchChanges(stores.control, onChange, { onFault })
    closers.push(() => watch.close())
    await limits.reload()
    return { databases, services, identity, revocations, parser, agents: agents.services, close }
  } catch (error) {
    await close()
    throw error
  }
}

function notServed({ alias }: Served): SqlError {
  return new SqlError({ code: '57P01', message: `database "${alias}" is not served any more` })
}

interface AgentParts {
  readonly schemas: Schemas
  readonly services: Omit<SessionServices, 'sweep'>
  readonly parser: Parser
  readonly limiter: CallLimiter
}

function openAgents(config: Config, stores: Stores, { schemas, services, parser, limiter }: AgentParts) {
  const { control } = stores
  const callers = new CallerSessions({ services, door: 'mcp' })
  const readers = new CallerSessions({ services, door: 'catalog' })
  const annotations = new AnnotationReader({
    control,
    files: new SemanticFolder(semanticDirOf(config), parser),
    parser,
  })
  const catalog = new CatalogService({ control, callers: readers, annotations, config: config.catalog, now: Date.now })
  const administrationOf = (principal: Principal): Administration => ({
    pool: control,
    sealer: stores.keys,
    actor: {
      door: 'mcp',
      principal: principal.login,
      principalId: principal.id,
      session: '',
      requestId: randomUUID(),
    },
    record: insertRecord,
  })
  return {
    services: {
      callers,
      catalog,
      knowledge: new KnowledgeBase({ control, parser, administrationOf }),
      schemas,
      runs: new Runs({ control, schemas, registry: openRegistry(config), materializer: undefined }),
      limiter,
    },
    doors: [callers, readers],
    close: () => Promise.all([callers.close(), readers.close()]),
  }
}
