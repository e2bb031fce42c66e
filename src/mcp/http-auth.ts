/** Who an HTTP request is from: its bearer token, on every request. RFC 6750, RFC 9728. */
import { randomUUID } from 'node:crypto'
import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/server'
import type { AuditSink } from '../audit/record.ts'
import { type SqlError, toSqlError } from '../errors.ts'
import { type Principal, type Scope, scopes } from '../identity/principal.ts'
import type { CallMeta } from './call-meta.ts'
import { refuse } from './http-guard.ts'
import type { Tool } from './tool.ts'

/** identity's Authenticator. */
export interface Authenticates {
  authenticate(
    token: string,
    o: {
      readonly tenant: string | null
      readonly audience: string
      readonly address: string
      readonly host?: string | undefined
    },
  ): Promise<Principal>
}

export interface HttpAuthOptions {
  readonly authenticator: Authenticates
  /** Is told of credentials that are refused; those that are good stand in the records of their calls. */
  readonly audit: AuditSink
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** The endpoint's address as clients know it: the audience of their tokens. */
  readonly resource: () => string
  readonly authorizationServers: readonly string[]
}

const firstScope: Scope = 'data:read'

export class HttpAuth {
  readonly #o: HttpAuthOptions
  constructor(options: HttpAuthOptions) {
    this.#o = options
  }

  get #metadataUrl(): string {
    return getOAuthProtectedResourceMetadataUrl(new URL(this.#o.resource()))
  }

  /** RFC 9728, section 2. */
  metadata(): Response {
    const body = {
      resource: this.#o.resource(),
      authorization_servers: this.#o.authorizationServers,
      scopes_supported: scopes,
      bearer_methods_supported: ['header'],
      resource_name: 'Postern',
    }
    return Response.json(body, { headers: { 'access-control-allow-origin': '*', 'cache-control': 'max-age=300' } })
  }

  /** What a request without a token is answered with, before anything of it is read. */
  refuseNobody(request: Request): Response | undefined {
    return tokenOf(request) === undefined ? this.#nobody() : undefined
  }

  /** The principal of this request, or the answer that refuses it. */
  async authenticate(request: Request, meta: CallMeta, address: string): Promise<Principal | Response> {
    const token = tokenOf(request)
    if (token === undefined) return this.#nobody()
    const { authenticator } = this.#o
    const audience = this.#o.resource()
    try {
      const tenant = meta.tenant ?? request.headers.get('postern-tenant')
      if (meta.authorization === undefined)
        return await authenticator.authenticate(token, { tenant, audience, address })
      // The tenant that is named is the user's.
      const host = await authenticator.authenticate(token, { tenant: null, audience, address })
      return await authenticator.authenticate(meta.authorization, { tenant, audience, address, host: host.login })
    } catch (thrown) {
      const error = toSqlError(thrown)
      this.#record(error, address)
      return this.#refusal(error)
    }
  }

  /** Whoever is refused for having failed too often can go on with it without end: that leaves no record. */
  #record({ code, message }: SqlError, address: string): void {
    if (!code.startsWith('28') && code !== '42501') return
    const { audit, now } = this.#o
    const about = { door: 'mcp', session: '', requestId: randomUUID(), address }
    audit.append({ ...about, time: now(), kind: 'login', verdict: 'refused', sqlstate: code, reason: message })
    audit.flush()
  }

  /** The answer to a call whose token lacks what the tool needs, so that the client can ask for more. */
  stepUp({ name, scope }: Pick<Tool, 'name' | 'scope'>, principal: Principal): Response {
    const wanted = [...new Set([...principal.scopes, scope])].join(' ')
    const challenge = `Bearer error="insufficient_scope", scope="${wanted}", resource_metadata="${this.#metadataUrl}", error_description="${name} needs ${scope}"`
    return refuse(403, `${name} needs the scope ${scope}`, { 'www-authenticate': challenge })
  }

  #refusal(error: SqlError): Response {
    const said = error.hint === undefined ? error.message : `${error.message}. ${error.hint}`
    switch (error.code) {
      case '28000':
      case '28P01':
        return this.#unauthorized('invalid_token', said)
      case '22023':
      case '42501':
        return refuse(403, said)
      case '53400':
        return refuse(429, said, { 'retry-after': String(retryAfterS(error)) })
      default:
        return refuse(503, said, { 'retry-after': '5' })
    }
  }

  #nobody(): Response {
    return this.#unauthorized(undefined, 'send Authorization: Bearer with an API key or an access token')
  }

  /** To whom has no token yet the scope is named to begin with: no more than reading needs. Calls ask for more. */
  #unauthorized(error: string | undefined, said: string): Response {
    const described =
      error === undefined
        ? `scope="${firstScope}", `
        : `error="${error}", error_description="${said.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, ' ')}", `
    const challenge = `Bearer ${described}resource_metadata="${this.#metadataUrl}"`
    return refuse(401, said, { 'www-authenticate': challenge })
  }
}

function tokenOf(request: Request): string | undefined {
  return /^Bearer +([\w\-.~+/]+=*)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
}

function retryAfterS(error: SqlError): number {
  const ms = 'retryAfterMs' in error ? error.retryAfterMs : undefined
  return typeof ms === 'number' ? Math.max(1, Math.ceil(ms / 1000)) : 5
}
