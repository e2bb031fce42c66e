/** The doors of a serving process: the wire for psql and its like, HTTP for agents. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { SqlError } from '../errors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { OpenSession } from '../gateway/handshake.ts'
import { createGateway } from '../gateway/listener.ts'
import type { Schemas } from '../materialize/schemas.ts'
import type { McpDoor } from '../mcp/start.ts'
import type { Log } from '../observe/log.ts'
import type { SessionPrincipal } from '../session/served-database.ts'
import { openSession } from '../session/session.ts'
import { type Core, openCore } from './core.ts'
import type { Databases } from './databases.ts'
import { openMcp } from './mcp.ts'
import type { Stores } from './stores.ts'

export interface Serving {
  readonly gateway: Gateway
  /** Undefined where mcp.enabled is false. */
  readonly mcp: McpDoor | undefined
  readonly databases: Databases
  readonly schemas: Schemas
  /** Sessions end at their transactions' ends, at the latest after `deadlineMs`; then everything is flushed and closed. */
  close(deadlineMs: number): Promise<void>
}

/** @throws SqlError 55006 for a port, socket or spool that is in use, F0000 for TLS files that do not serve */
export async function startServing(config: Config, stores: Stores, log: Log): Promise<Serving> {
  const core = await openCore(config, stores, log)
  const closers: ((deadlineMs: number) => unknown)[] = [() => core.close()]
  const close = async (deadlineMs: number) => {
    for (const one of closers.splice(0).reverse()) await one(deadlineMs)
  }
  try {
    const gateway = await openGateway(config, core, log)
    closers.push(deadlineMs => gateway.close(deadlineMs))
    core.revocations.gateway = gateway
    const mcp = config.mcp.enabled ? await openMcp(config, stores, core, log) : undefined
    if (mcp !== undefined) closers.push(deadlineMs => mcp.close(deadlineMs))
    return { gateway, mcp, databases: core.databases, schemas: core.agents.schemas, close }
  } catch (error) {
    await close(0)
    throw error
  }
}

async function openGateway(config: Config, core: Core, log: Log): Promise<Gateway> {
  const { host, port, socket, requireTls, ignoreStartupParameters } = config.gateway
  try {
    return await createGateway({
      host,
      port,
      socketPath: socket === null ? undefined : join(socket, `.s.PGSQL.${port}`),
      tls: readTls(config),
      requireTls,
      ignoreStartupParameters,
      limits: config.gateway,
      logins: core.identity.logins,
      openSession: sessionOpener(core),
      audit: core.services.audit,
      log,
      clock: Date.now,
      tenantOf: () => undefined,
    })
  } catch (error) {
    throw addressTaken(error, host, port, 'POSTERN_GATEWAY_PORT')
  }
}

function sessionOpener({ databases, services, revocations, agents }: Core): OpenSession {
  const admit = (principal: SessionPrincipal) => agents.limiter.take(principal, 'statement') ?? undefined
  return async request => {
    revocations.note(request.principal)
    const database = databases.find(request.principal, request.database)
    await database.ready()
    const shared = { ...services, admit, sweep: database.sessions }
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

function addressTaken(error: unknown, host: string, port: number, variable: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  if (code === 'EADDRINUSE') {
    return new SqlError({
      code: '55006',
      message: `${host} port ${port} is in use by another program`,
      hint: `Stop that one, or choose another port: ${variable}=${port + 1} npm start`,
      cause: error,
    })
  }
  if (code !== 'EACCES' && code !== 'EADDRNOTAVAIL') return error
  const hint = 'Set host and port to an address of this machine that you may listen on.'
  return new SqlError({ code: '58030', message: `cannot listen on ${host} port ${port}: ${code}`, hint, cause: error })
}
