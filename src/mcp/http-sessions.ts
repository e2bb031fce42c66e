/** Sessions of the protocol of 2025: bound to their principals, counted, forgotten when unused, taken up again from their row. */
import { randomBytes } from 'node:crypto'
import { type AuthInfo, type Server, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server'
import type { Pool } from 'pg'
import {
  findMcpSession,
  removeIdleMcpSessions,
  removeMcpSession,
  saveMcpSession,
  touchMcpSessions,
} from '../control/mcp-sessions.ts'
import type { Principal } from '../identity/principal.ts'
import type { Log } from '../observe/log.ts'
import { refuse } from './http-guard.ts'

const sweepEveryMs = 30_000
const idBytes = 24
const initializeMaxChars = 16 * 1024
const handshakeParams = new Set(['protocolVersion', 'capabilities', 'clientInfo'])

export interface HttpSessionsOptions {
  readonly control: Pool
  readonly log: Log
  readonly createServer: (principal: Principal) => Promise<Server>
  readonly sessionsMax: number
  readonly sessionsPerPrincipalMax: number
  readonly idleTimeoutMs: number
  readonly keepAliveMs: number
  readonly now: () => number
}

interface HttpSession {
  readonly id: string
  readonly principal: Principal
  readonly transport: WebStandardStreamableHTTPServerTransport
  readonly server: Server
  lastSeenAtMs: number
  /** Requests that are being answered. */
  busy: number
}

export class HttpSessions {
  readonly #o: HttpSessionsOptions
  /** The one unused longest first. */
  readonly #sessions = new Map<string, HttpSession>()
  readonly #timer: NodeJS.Timeout
  #touched = new Set<string>()
  /** Being taken up from their rows. */
  readonly #taking = new Map<string, Promise<HttpSession | Response>>()

  constructor(options: HttpSessionsOptions) {
    this.#o = options
    this.#timer = setInterval(() => void this.sweep(), sweepEveryMs).unref()
  }

  get open(): readonly Principal[] {
    return [...this.#sessions.values()].map(session => session.principal)
  }

  /** Answers a request of the older protocol. @param body its JSON, undefined for GET and DELETE */
  async handle(request: Request, body: unknown, principal: Principal, authInfo: AuthInfo): Promise<Response> {
    const id = request.headers.get('mcp-session-id')
    const session = id === null ? await this.#begin(principal, body) : await this.#find(id, principal)
    if (session instanceof Response) return session
    session.lastSeenAtMs = this.#o.now()
    session.busy += 1
    try {
      return await session.transport.handleRequest(request, { parsedBody: body, authInfo })
    } finally {
      session.busy -= 1
    }
  }

  end(matches: (principal: Principal) => boolean): void {
    for (const session of [...this.#sessions.values()]) if (matches(session.principal)) void this.#close(session)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    // Their rows stay: another instance takes them up.
    await Promise.all([...this.#sessions.values()].map(session => this.#close(session)))
  }

  /** Forgets sessions that nobody used, here and in the control database. */
  async sweep(): Promise<void> {
    const before = this.#o.now() - this.#o.idleTimeoutMs
    for (const session of [...this.#sessions.values()])
      if (session.lastSeenAtMs < before && session.busy === 0) await this.#close(session)
    const touched = [...this.#touched]
    this.#touched = new Set()
    try {
      await touchMcpSessions(this.#o.control, touched)
      await removeIdleMcpSessions(this.#o.control, this.#o.idleTimeoutMs)
    } catch (error) {
      this.#o.log.warn({ error }, 'MCP sessions could not be tidied up')
    }
  }

  async #begin(principal: Principal, body: unknown): Promise<HttpSession | Response> {
    const initialize = initializeParams(body)
    if (initialize === undefined) return refuse(400, 'Mcp-Session-Id is missing: begin with initialize')
    // It is kept for as long as the session.
    if (!isShort(initialize)) return refuse(400, `initialize: its params have at most ${initializeMaxChars} characters`)
    const id = randomBytes(idBytes).toString('base64url')
    const session = await this.#open(id, principal)
    if (!this.#admit(session)) return tooMany()
    const row = { principalId: principal.id, tenantId: principal.tenant, initialize }
    try {
      await saveMcpSession(this.#o.control, id, row, this.#o.sessionsPerPrincipalMax)
    } catch (error) {
      this.#o.log.warn({ error }, 'an MCP session could not be stored: it is known to this instance alone')
    }
    return session
  }

  /** Unknown, expired and somebody else's cannot be told apart. */
  async #find(id: string, principal: Principal): Promise<HttpSession | Response> {
    const known = this.#sessions.get(id)
    if (known !== undefined) {
      if (known.principal.id !== principal.id || known.principal.tenant !== principal.tenant) return notThere()
      this.#sessions.delete(id)
      this.#sessions.set(id, known)
      this.#touched.add(id)
      return known
    }
    const owner = { principalId: principal.id, tenantId: principal.tenant }
    let row: Awaited<ReturnType<typeof findMcpSession>>
    try {
      row = await findMcpSession(this.#o.control, id, owner, this.#o.idleTimeoutMs)
    } catch (error) {
      this.#o.log.warn({ error }, 'an MCP session could not be looked up')
      return refuse(503, 'the session cannot be looked up just now', { 'retry-after': '5' })
    }
    if (row === null) return notThere()
    const initialize = row.initialize
    const taking = this.#taking.get(id) ?? this.#takeUp(id, principal, initialize)
    this.#taking.set(id, taking)
    try {
      return await taking
    } finally {
      this.#taking.delete(id)
    }
  }

  async #takeUp(id: string, principal: Principal, initialize: unknown): Promise<HttpSession | Response> {
    const already = this.#sessions.get(id)
    if (already !== undefined) return already
    const session = await this.#open(id, principal)
    await replay(session.transport, initialize)
    return this.#admit(session) ? session : tooMany()
  }

  async #open(id: string, principal: Principal): Promise<HttpSession> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      keepAliveMs: this.#o.keepAliveMs,
      onsessionclosed: () => this.#forget(id),
    })
    const server = await this.#o.createServer(principal)
    await server.connect(transport)
    return { id, principal, transport, server, lastSeenAtMs: this.#o.now(), busy: 0 }
  }

  /** Whoever is new takes the place of the one unused longest. False: all are at work. */
  #admit(session: HttpSession): boolean {
    const { sessionsMax, sessionsPerPrincipalMax } = this.#o
    const all = [...this.#sessions.values()]
    const own = all.filter(({ principal }) => principal.id === session.principal.id)
    const leaving =
      own.length >= sessionsPerPrincipalMax
        ? own[0]
        : all.length >= sessionsMax
          ? all.find(({ busy }) => busy === 0)
          : undefined
    if (leaving !== undefined) void this.#close(leaving)
    else if (all.length >= sessionsMax) {
      void session.server.close()
      return false
    }
    this.#sessions.set(session.id, session)
    return true
  }

  async #forget(id: string): Promise<void> {
    this.#sessions.delete(id)
    try {
      await removeMcpSession(this.#o.control, id)
    } catch (error) {
      this.#o.log.warn({ error }, 'an MCP session that has ended could not be removed')
    }
  }

  /** What it runs is cancelled. */
  async #close(session: HttpSession): Promise<void> {
    this.#sessions.delete(session.id)
    await session.server.close()
  }
}

function notThere(): Response {
  return refuse(404, 'there is no such session: begin anew with initialize')
}

function tooMany(): Response {
  return refuse(503, 'too many MCP sessions are open', { 'retry-after': '5' })
}

function isShort(initialize: unknown): boolean {
  try {
    return JSON.stringify(initialize).length <= initializeMaxChars
  } catch {
    return false // nested too deeply to be written
  }
}

/** What a session can be begun with once more: no `_meta`, which may hold a user's token. */
function initializeParams(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !('method' in body) || !('params' in body)) return undefined
  if (body.method !== 'initialize' || typeof body.params !== 'object' || body.params === null) return undefined
  return Object.fromEntries(Object.entries(body.params).filter(([name]) => handshakeParams.has(name)))
}

/** Brings a new transport to where the lost one was: the client's own handshake, said once more. */
async function replay(transport: WebStandardStreamableHTTPServerTransport, initialize: unknown): Promise<void> {
  for (const message of [
    { jsonrpc: '2.0', id: 'taken-up-again', method: 'initialize', params: initialize },
    { jsonrpc: '2.0', method: 'notifications/initialized' },
  ]) {
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const session = transport.sessionId === undefined ? {} : { 'mcp-session-id': transport.sessionId }
    const request = new Request('http://localhost/mcp', {
      method: 'POST',
      headers: { ...headers, ...session },
      body: '{}',
    })
    const response = await transport.handleRequest(request, { parsedBody: message })
    await response.text()
  }
}
