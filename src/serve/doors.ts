/** Everything that serves, put together: audit, parser, databases, the wire door, and what a change of the control database does to them. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { type ChangeWatch, watchChanges } from '../control/config-version.ts'
import { SqlError } from '../errors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { OpenSession } from '../gateway/handshake.ts'
import { createGateway } from '../gateway/listener.ts'
import { createParser } from '../guard/parse.ts'
import { VerdictCache } from '../guard/verdict-cache.ts'
import { LoginThrottle } from '../identity/login-throttle.ts'
import { Logins } from '../identity/logins.ts'
import type { Log } from '../observe/log.ts'
import type { SessionServices } from '../session/context.ts'
import { Judgement } from '../session/judgement.ts'
import { openSession } from '../session/session.ts'
import { PoolGroup } from '../upstream/pool-group.ts'
import { openAudit } from './audit.ts'
import { Databases } from './databases.ts'
import { Revocations } from './revocations.ts'
import type { Stores } from './stores.ts'

export interface Serving {
  readonly gateway: Gateway
  readonly databases: Databases
  /** Sessions end at their transactions' ends, at the latest after `deadlineMs`; then everything is flushed and closed. */
  close(deadlineMs: number): Promise<void>
}

const verdictCacheMaxBytes = 64 * 1024 * 1024
const auditDrainMs = 3_000

type SharedServices = Omit<SessionServices, 'sweep'>

/** @throws SqlError 55006 for a port, socket or spool that is in use, F0000 for TLS files that do not serve */
export async function startServing(config: Config, stores: Stores, log: Log): Promise<Serving> {
  const closers: (() => unknown)[] = []
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    const audit = openAudit(config, stores, log)
    closers.push(() => audit.close(auditDrainMs))
    const parser = await createParser()
    closers.push(() => parser.close())
    const group = new PoolGroup({ totalMax: config.pool.totalMax })
    const parts = { config, sealer: stores.keys, group, parser, log, now: Date.now }
    const revocations = new Revocations(stores.control)
    const databases = await Databases.open(stores.control, parts, served => revocations.endDatabase(served))
    closers.push(() => databases.close())
    const judgement = new Judgement(parser, new VerdictCache(verdictCacheMaxBytes))
    const services: SharedServices = { audit: audit.sink, parser, judgement, log, now: Date.now }
    const logins = new Logins({
      pool: stores.control,
      mockSecret: stores.keys.derive('mock-verifier'),
      clock: Date.now,
    })
    const watch = await watchControl(stores, databases, logins, revocations, log)
    closers.push(() => watch.close())
    const gateway = await openGateway(config, { databases, services, logins, revocations, log })
    revocations.gateway = gateway
    const close = async (deadlineMs: number) => {
      await gateway.close(deadlineMs)
      await closeAll()
    }
    return { gateway, databases, close }
  } catch (error) {
    await closeAll()
    throw error
  }
}

interface DoorParts {
  readonly databases: Databases
  readonly services: SharedServices
  readonly logins: Logins
  readonly revocations: Revocations
  readonly log: Log
}

async function openGateway(config: Config, parts: DoorParts): Promise<Gateway> {
  const { host, port, socket, requireTls, ignoreStartupParameters } = config.gateway
  // Failures are forgotten by a clock that nobody can set.
  const throttle = new LoginThrottle({ clock: () => performance.now() })
  try {
    return await createGateway({
      host,
      port,
      socketPath: socket === null ? undefined : join(socket, `.s.PGSQL.${port}`),
      tls: readTls(config),
      requireTls,
      ignoreStartupParameters,
      limits: config.gateway,
      logins: { begin: (address, login) => throttle.begin(address, login), find: login => parts.logins.find(login) },
      openSession: sessionOpener(parts),
      audit: parts.services.audit,
      log: parts.log,
      clock: Date.now,
      tenantOf: () => undefined,
    })
  } catch (error) {
    throw addressTaken(error, host, port)
  }
}

function sessionOpener({ databases, services, revocations }: DoorParts): OpenSession {
  return async request => {
    const database = databases.find(request.principal, request.database)
    await database.ready()
    revocations.note(request.principal)
    const shared = { ...services, sweep: database.sessions }
    const session = await openSession({ ...request, database, door: 'wire', id: randomUUID(), services: shared })
    try {
      revocations.opened(request.principal, request.virtualPid, database)
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }
}

/** A change is in force within a second, for what is open too; where it cannot be read that is tried again. */
function watchControl(
  stores: Stores,
  databases: Databases,
  logins: Logins,
  revocations: Revocations,
  log: Log,
): Promise<ChangeWatch> {
  const onChange = async () => {
    logins.forget()
    await databases.reload()
    await revocations.review()
  }
  return watchChanges(stores.control, onChange, {
    onFault: error => log.warn({ error }, 'changes in the control database cannot be read'),
  })
}

function readTls(config: Config): { key: string; cert: string } | null {
  const { cert, key } = config.gateway.tls
  if (cert === null || key === null) return null
  try {
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } catch (cause) {
    throw new SqlError({
      code: 'F0000',
      message: `gateway.tls: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    })
  }
}

function addressTaken(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  if (code === 'EADDRINUSE') {
    return new SqlError({
      code: '55006',
      message: `${host} port ${port} is in use by another program`,
      hint: `Stop that one, or choose another port: POSTERN_GATEWAY_PORT=${port + 1} npm start`,
      cause: error,
    })
  }
  if (code !== 'EACCES' && code !== 'EADDRNOTAVAIL') return error
  const hint = 'Set gateway.host and gateway.port to an address of this machine that you may listen on.'
  return new SqlError({ code: '58030', message: `cannot listen on ${host} port ${port}: ${code}`, hint, cause: error })
}
