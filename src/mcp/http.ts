/** MCP over Streamable HTTP: one address for both eras of the protocol, and who each request is from. RFC 9728. */
import { type HttpBindings, type ServerType, serve } from '@hono/node-server'
import {
  type AuthInfo,
  createMcpHandler,
  isJsonContentType,
  isLegacyRequest,
  readRequestBody,
  type Server,
} from '@modelcontextprotocol/server'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { toSqlError } from '../errors.ts'
import { type Principal, scopesOfRole } from '../identity/principal.ts'
import type { Log } from '../observe/log.ts'
import { type CallMeta, readCallMeta } from './call-meta.ts'
import type { Caller, Calls } from './calls.ts'
import type { HttpAuth } from './http-auth.ts'
import { type clientAddressFor, type guardFor, refuse } from './http-guard.ts'
import type { HttpSessions } from './http-sessions.ts'

export interface HttpParts {
  readonly auth: HttpAuth
  readonly calls: Calls
  readonly sessions: HttpSessions
  /** A server for one request of the newer era, or one session of the older. */
  readonly createServer: (principal: Principal) => Promise<Server>
  /** Whose request an SDK server is told of by this. */
  readonly callers: WeakMap<AuthInfo, Caller>
  readonly guard: ReturnType<typeof guardFor>
  readonly addressOf: ReturnType<typeof clientAddressFor>
  /** Path of the endpoint. */
  readonly path: string
  readonly requestMaxBytes: number
  readonly keepAliveMs: number
  readonly log: Log
}

export interface HttpApp {
  readonly fetch: Hono<{ Bindings: HttpBindings }>['fetch']
  close(): Promise<void>
}

const allowMethods = ['GET', 'POST', 'DELETE']
const allowHeaders = [
  'authorization',
  'content-type',
  'accept',
  'last-event-id',
  'mcp-session-id',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'postern-tenant',
]
const exposeHeaders = ['mcp-session-id', 'www-authenticate']

const noMeta: CallMeta = {
  tenant: undefined,
  database: undefined,
  schema: undefined,
  traceId: undefined,
  authorization: undefined,
}

export function createHttpApp(parts: HttpParts): HttpApp {
  const { auth, callers, guard, path, log } = parts
  const onerror = (error: Error) => log.debug({ error }, 'an MCP request was not answered')
  const modern = createMcpHandler(
    async ({ authInfo }) => {
      const caller = authInfo === undefined ? undefined : callers.get(authInfo)
      if (caller === undefined) throw new Error('a request came through without a caller')
      return await parts.createServer(caller.principal)
    },
    { legacy: 'reject', onerror, keepAliveMs: parts.keepAliveMs, maxRequestBodySize: parts.requestMaxBytes },
  )
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.use(async (context, next) => {
    const refused = guard(context.req.raw)
    return refused ?? (await next())
  })
  // Whoever is not allowed has been refused already.
  app.use(cors({ origin: origin => origin, allowMethods, allowHeaders, exposeHeaders, maxAge: 600 }))
  app.get('/healthz', context => context.text('ok'))
  app.get('/.well-known/oauth-protected-resource', () => auth.metadata())
  app.get(`/.well-known/oauth-protected-resource${path}`, () => auth.metadata())
  app.all(path, context => {
    const address = parts.addressOf(context.env.incoming.socket.remoteAddress ?? '', context.req.raw)
    return answer(parts, modern.fetch, context.req.raw, address)
  })
  app.notFound(() => refuse(404, `there is nothing here: MCP is at ${path}`))
  app.onError(error => {
    log.error({ error }, 'an HTTP request failed')
    return refuse(500, 'internal error')
  })
  return { fetch: app.fetch, close: () => modern.close() }
}

type Modern = ReturnType<typeof createMcpHandler>['fetch']

async function answer(parts: HttpParts, modern: Modern, request: Request, address: string): Promise<Response> {
  const nobody = parts.auth.refuseNobody(request)
  if (nobody !== undefined) return nobody
  const body = await readBody(request, parts.requestMaxBytes)
  if (body instanceof Response) return body
  let meta: CallMeta
  try {
    meta = readCallMeta(metaOf(body.json))
  } catch (thrown) {
    // A call answers with what is wrong as every call does; it has no caller that could be chosen by it.
    if (!isCall(body.json)) return refuse(400, toSqlError(thrown).message)
    meta = noMeta
  }
  const sinceMs = performance.now()
  const principal = await parts.auth.authenticate(request, meta, address)
  if (principal instanceof Response) return principal
  const missing = scopeMissing(parts.calls, principal, body.json)
  if (missing !== undefined) return parts.auth.stepUp(missing, principal)
  const authInfo: AuthInfo = { token: '', clientId: principal.login, scopes: [...principal.scopes] }
  const session = request.headers.get('mcp-session-id')?.slice(0, 12) ?? `http ${address}`
  parts.callers.set(authInfo, { principal, sinceMs, address, session, applicationName: 'mcp' })
  const options = { maxRequestBodySize: parts.requestMaxBytes }
  if (await isLegacyRequest(request, body.json, options))
    return await parts.sessions.handle(request, body.json, principal, authInfo)
  return await modern(request, { authInfo, parsedBody: body.json })
}

async function readBody(request: Request, maxBytes: number): Promise<{ readonly json: unknown } | Response> {
  if (request.method !== 'POST') return { json: undefined }
  if (!isJsonContentType(request.headers.get('content-type')))
    return refuse(415, 'Content-Type must be application/json')
  const read = await readRequestBody(request, maxBytes)
  if (read.tooLarge) return refuse(413, `a request has at most ${maxBytes} bytes`)
  try {
    const json: unknown = JSON.parse(read.text)
    // Each message of a batch could name another tenant, and only one revision ever had them.
    return Array.isArray(json) ? refuse(400, 'send one message in each request') : { json }
  } catch {
    return refuse(400, 'the request is not JSON')
  }
}

function metaOf(json: unknown): unknown {
  return fieldOf(fieldOf(json, 'params'), '_meta')
}

function isCall(json: unknown): boolean {
  return fieldOf(json, 'method') === 'tools/call'
}

/**
 * A known tool that an access token does not reach: the client can ask for a wider one. An API key cannot be widened, and
 * no token gives what its user's role does not: the call itself says so, or the client would ask for ever.
 */
function scopeMissing(calls: Calls, principal: Principal, json: unknown) {
  if (!isCall(json) || (principal.via !== 'jwt' && principal.via !== 'introspection')) return undefined
  const name = fieldOf(fieldOf(json, 'params'), 'name')
  const tool = typeof name === 'string' ? calls.find(name) : undefined
  if (tool === undefined || principal.scopes.has(tool.scope)) return undefined
  return scopesOfRole(principal.role).has(tool.scope) ? tool : undefined
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** @throws the system's error where the port is taken or may not be listened on */
export function listen(app: HttpApp, host: string, port: number): Promise<{ server: ServerType; port: number }> {
  return new Promise((resolve, reject) => {
    const serverOptions = { requestTimeout: 60_000, headersTimeout: 20_000, maxHeaderSize: 32 * 1024 }
    const server = serve(
      { fetch: app.fetch, hostname: host, port, serverOptions, overrideGlobalObjects: false },
      info => resolve({ server, port: info.port }),
    )
    server.once('error', reject)
  })
}
