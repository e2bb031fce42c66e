/** The HTTP door put together: what the composition root hands it, and what it answers for. */
import type { AuthInfo } from '@modelcontextprotocol/server'
import type { Pool } from 'pg'
import type { AuditSink } from '../audit/record.ts'
import { findTenant } from '../control/tenants.ts'
import { SqlError } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import type { Log } from '../observe/log.ts'
import type { Caller } from './calls.ts'
import { Calls, type RunningCall } from './calls.ts'
import { createHttpApp, listen } from './http.ts'
import { type Authenticates, HttpAuth } from './http-auth.ts'
import { checkListening, clientAddressFor, guardFor } from './http-guard.ts'
import { HttpSessions } from './http-sessions.ts'
import { instructionsFor, TenantInstructions } from './instructions.ts'
import { toolsOf } from './registry.ts'
import { createServer } from './server.ts'
import type { ToolLimits, ToolServices } from './tool.ts'

/** The settings under `mcp`. */
export interface McpSettings extends ToolLimits {
  readonly host: string
  readonly port: number
  readonly publicUrl: string | null
  readonly authorizationServers: readonly string[]
  readonly allowedHosts: readonly string[]
  readonly allowedOrigins: readonly string[]
  readonly trustedProxies: readonly string[]
  readonly toolsExtended: boolean
  readonly requestMaxBytes: number
  readonly sessionsMax: number
  readonly sessionsPerPrincipalMax: number
  readonly sessionIdleTimeoutMs: number
  readonly keepAliveMs: number
}

/** What tool calls need, whichever transport they come by. */
export interface CallingParts {
  readonly config: McpSettings
  readonly services: Omit<ToolServices, 'limits'>
  readonly control: Pool
  /** 32 bytes for a purpose, the same on every instance (KeyRing.derive). */
  readonly derive: (purpose: string) => Buffer
  readonly audit: AuditSink
  readonly log: Log
  /** Of Postern. */
  readonly version: string
}

export interface McpParts extends CallingParts {
  readonly authenticator: Authenticates
}

/** Who has something open, as revocation asks. */
export type OpenAbout = RunningCall

export interface McpDoor {
  readonly port: number
  /** Of the endpoint, as it listens. */
  readonly url: string
  sessions(): readonly OpenAbout[]
  /** Ends sessions and running calls that match; the calls fail with `error`. */
  end(matches: (about: OpenAbout) => boolean, error: SqlError): void
  /** Lets running calls end until the deadline, then cancels them. */
  close(deadlineMs: number): Promise<void>
}

const path = '/mcp'
const drainLookEveryMs = 20

export function createCalls(parts: CallingParts): Calls {
  const { config, services, control, derive, audit, log } = parts
  return new Calls({
    services: { ...services, limits: config },
    tools: toolsOf({ extended: config.toolsExtended }),
    control,
    audit,
    log,
    cursorKey: derive('mcp-cursor'),
    confirmationKey: derive('mcp-confirmation'),
  })
}

export function createInstructions({ control, log }: CallingParts): TenantInstructions {
  return new TenantInstructions(
    async tenant => (await findTenant(control, tenant)).instructions,
    error => log.warn({ error }, "a tenant's instructions cannot be read"),
  )
}

/** @throws SqlError F0000 where it would listen beyond this machine without TLS in front, 55006 where the port is taken */
export async function startMcp(parts: McpParts): Promise<McpDoor> {
  const { config, control, log } = parts
  checkListening(config)
  const calls = createCalls(parts)
  const callers = new WeakMap<AuthInfo, Caller>()
  const instructions = createInstructions(parts)
  const serverFor = async (principal: Principal) =>
    createServer({
      calls,
      version: parts.version,
      instructions: instructionsFor(await instructions.of(principal.tenantName)),
      callerOf: ({ http }) => {
        const caller = http?.authInfo === undefined ? undefined : callers.get(http.authInfo)
        if (caller === undefined) throw new Error('a request came through without a caller')
        return caller
      },
      onFault: error => log.debug({ error }, 'an MCP message was not delivered'),
    })
  const sessions = new HttpSessions({
    control,
    log,
    createServer: serverFor,
    sessionsMax: config.sessionsMax,
    sessionsPerPrincipalMax: config.sessionsPerPrincipalMax,
    idleTimeoutMs: config.sessionIdleTimeoutMs,
    keepAliveMs: config.keepAliveMs,
    now: parts.services.now,
  })
  let listening = config.port
  const auth = new HttpAuth({
    authenticator: parts.authenticator,
    audit: parts.audit,
    now: parts.services.now,
    resource: () => config.publicUrl ?? `http://${authorityOf({ ...config, port: listening })}${path}`,
    authorizationServers: config.authorizationServers,
  })
  const app = createHttpApp({
    auth,
    calls,
    sessions,
    createServer: serverFor,
    callers,
    guard: guardFor(config),
    addressOf: clientAddressFor(config.trustedProxies),
    path,
    requestMaxBytes: config.requestMaxBytes,
    keepAliveMs: config.keepAliveMs,
    log,
  })
  const { server, port } = await listenOrSay(app, config)
  listening = port
  return {
    port,
    url: `http://${authorityOf({ ...config, port })}${path}`,
    sessions: () => [...calls.running, ...sessions.open.map(aboutOf)],
    end(matches, error) {
      calls.end(matches, error)
      sessions.end(principal => matches(aboutOf(principal)))
    },
    async close(deadlineMs) {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      await drained(calls, deadlineMs)
      calls.end(() => true, new SqlError({ code: '57P01', message: 'Postern is shutting down' }))
      await sessions.close()
      await app.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
    },
  }
}

/** Until nothing runs, or the deadline. */
async function drained(calls: Calls, deadlineMs: number): Promise<void> {
  const until = performance.now() + deadlineMs
  while (calls.running.length > 0 && performance.now() < until)
    await new Promise(resolve => setTimeout(resolve, drainLookEveryMs))
}

async function listenOrSay(app: ReturnType<typeof createHttpApp>, { host, port }: McpSettings) {
  try {
    return await listen(app, host, port)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : ''
    if (code === 'EADDRINUSE')
      throw new SqlError({
        code: '55006',
        message: `${host} port ${port} is in use by another program`,
        hint: `Stop that one, or choose another port: POSTERN_MCP_PORT=${port + 1}`,
        cause,
      })
    throw new SqlError({ code: '58030', message: `cannot listen on ${host} port ${port}: ${code}`, cause })
  }
}

function authorityOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

export function aboutOf({ tenant, id, credential }: Principal): OpenAbout {
  return { tenantId: tenant, principalId: id, credential }
}
