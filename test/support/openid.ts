/** A real OpenID provider in this process, and an agent that goes through authorization code with PKCE at it. */
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, importJWK, type JWK, type JWTPayload, SignJWT } from 'jose'
import { Provider } from 'oidc-provider'

export interface OpenIdUser {
  readonly email?: string
  readonly emailVerified?: boolean
  /** Beside the standard ones, in his access tokens. */
  readonly claims?: Readonly<Record<string, unknown>>
}

export interface TokenRequest {
  readonly sub: string
  /** The resource (RFC 8707) that it is for: a URL. */
  readonly audience: string
  /** `data:read knowledge:write`; absent: none. */
  readonly scope?: string
  /** An opaque one, for introspection, rather than a JWT. */
  readonly opaque?: boolean
}

export interface OpenId {
  readonly issuer: string
  /** For introspection. */
  readonly client: { readonly id: string; readonly secret: string; readonly introspection: string }
  /** Requests for the JWKS so far. */
  readonly jwksFetches: () => number
  /** By sub; whoever is not there has no claims of his own. */
  readonly users: Map<string, OpenIdUser>
  /** Authorization code with PKCE, as an agent's host does it. @returns the access token */
  token(request: TokenRequest): Promise<string>
  /** From here on this audience gets opaque tokens, for introspection, rather than JWTs. */
  issueOpaque(audience: string): void
  /** RFC 7009. */
  revoke(token: string): Promise<void>
  /** Signs whatever it is told with the provider's own key. */
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>
  readonly publicKey: () => JWK
  /** From here on another key signs, and alone is in the JWKS. */
  rotateKeys(): Promise<void>
  close(): Promise<void>
}

/** Known to the provider, without a secret: what agents' hosts are. */
export const agent = { id: 'agent', redirect: 'https://agent.test/callback' }
/** On its user's machine; gets refresh tokens that are good for one use each. */
export const nativeClient = { id: 'connector', secret: 'client: secret/of the connector' }
const gate = { id: 'postern', secret: 'introspection: only/for postern' }
const scopes = 'data:read schema:provision materialize:run materialize:configure knowledge:write admin'

export async function startOpenId(o: { readonly tokenTtlSeconds?: number } = {}): Promise<OpenId> {
  const users = new Map<string, OpenIdUser>()
  let serve: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => void response.end()
  let jwksFetches = 0
  const server = createServer((request, response) => {
    if (request.url === '/jwks') jwksFetches++
    serve(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const opaque = new Set<string>()
  let key: JWK = {}
  const rotateKeys = async () => {
    const pair = await generateKeyPair('RS256', { extractable: true })
    key = { ...(await exportJWK(pair.privateKey)), kid: randomBytes(4).toString('hex'), alg: 'RS256', use: 'sig' }
    serve = serveProvider(issuer, { key, users, opaque, ttl: o.tokenTtlSeconds ?? 600 })
  }
  await rotateKeys()
  return {
    issuer,
    client: { ...gate, introspection: `${issuer}/token/introspection` },
    jwksFetches: () => jwksFetches,
    users,
    token: request => {
      if (request.opaque) opaque.add(request.audience)
      else opaque.delete(request.audience)
      return authorize(issuer, request)
    },
    issueOpaque: audience => void opaque.add(audience),
    revoke: async token => {
      await fetch(`${issuer}/token/revocation`, {
        method: 'POST',
        body: new URLSearchParams({ token, client_id: agent.id }),
      })
    },
    sign: async (claims, header = {}) =>
      new SignJWT({ iss: issuer, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: key.kid ?? '', ...header })
        .sign(await importJWK(key, 'RS256'), { crit: { postern: true } }),
    publicKey: () => ({ kty: 'RSA', n: key.n ?? '', e: key.e ?? '', kid: key.kid ?? '' }),
    rotateKeys,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function serveProvider(
  issuer: string,
  o: { key: JWK; users: Map<string, OpenIdUser>; opaque: Set<string>; ttl: number },
): (request: IncomingMessage, response: ServerResponse) => void {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: agent.id,
        token_endpoint_auth_method: 'none',
        redirect_uris: [agent.redirect],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
      {
        client_id: nativeClient.id,
        client_secret: nativeClient.secret,
        application_type: 'native',
        redirect_uris: ['http://127.0.0.1/callback'],
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        response_types: ['code'],
      },
      { client_id: gate.id, client_secret: gate.secret, grant_types: [], response_types: [], redirect_uris: [] },
    ],
    jwks: { keys: [o.key] },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    issueRefreshToken: (_: unknown, client: { clientId: string }) => client.clientId === nativeClient.id,
    rotateRefreshToken: true,
    pkce: { required: () => true },
    ttl: { AccessToken: o.ttl, AuthorizationCode: 60, Grant: 600, RefreshToken: 600, Interaction: 600, Session: 600, IdToken: 600 },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          audience: resource,
          scope: scopes,
          accessTokenTTL: o.ttl,
          accessTokenFormat: o.opaque.has(resource) ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    interactions: { url: (_: unknown, interaction: { uid: string }) => `/interaction/${interaction.uid}` },
    findAccount: (_: unknown, sub: string) => ({
      accountId: sub,
      claims: () => ({ sub, email: o.users.get(sub)?.email, email_verified: o.users.get(sub)?.emailVerified }),
    }),
    extraTokenClaims: (_: unknown, token: { accountId: string }) => {
      const { email, emailVerified, claims } = o.users.get(token.accountId) ?? {}
      return { ...(email === undefined ? {} : { email, email_verified: emailVerified ?? false }), ...claims }
    },
    loadExistingGrant: async (context: GrantContext) => {
      const { oidc } = context
      const grant = new provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId })
      grant.addOIDCScope('openid')
      grant.addResourceScope(String(oidc.params.resource), scopes)
      await grant.save()
      return grant
    },
  })
  const callback = provider.callback()
  return (request, response) => {
    if (!request.url?.startsWith('/interaction/')) return callback(request, response)
    void provider.interactionDetails(request, response).then(({ params }) => {
      const result = { login: { accountId: params.login_hint ?? 'nobody' }, consent: {} }
      return provider.interactionFinished(request, response, result)
    })
  }
}

interface GrantContext {
  readonly oidc: {
    readonly session: { readonly accountId: string }
    readonly client: { readonly clientId: string }
    readonly params: { readonly resource: unknown }
  }
}

async function authorize(issuer: string, o: TokenRequest): Promise<string> {
  const verifier = randomBytes(32).toString('base64url')
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const answered = await logIn(
    `${issuer}/auth?${new URLSearchParams({
      client_id: agent.id,
      response_type: 'code',
      redirect_uri: agent.redirect,
      scope: `openid ${o.scope ?? ''}`.trim(),
      resource: o.audience,
      login_hint: o.sub,
      code_challenge: challenge,
      code_challenge_method: 'S256',
    })}`,
  )
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: agent.id,
      redirect_uri: agent.redirect,
      code: answered.get('code') ?? '',
      code_verifier: verifier,
      resource: o.audience,
    }),
  })
  const answer = (await response.json()) as { access_token?: string; error_description?: string }
  if (answer.access_token === undefined) throw new Error(`no token: ${JSON.stringify(answer)}`)
  return answer.access_token
}

/** Follows the redirects as a browser does. @returns what the one back to the agent says: the code, its issuer */
export async function logIn(from: string): Promise<URLSearchParams> {
  const cookies = new Map<string, string>()
  let url = from
  for (let hops = 0; hops < 10; hops++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const set of response.headers.getSetCookie()) {
      const [name, value] = set.split(';')[0]!.split('=')
      cookies.set(name!, value!)
    }
    const location = response.headers.get('location')
    if (location === null) throw new Error(`no way on from ${url}: ${response.status} ${await response.text()}`)
    const next = new URL(location, url)
    if (next.searchParams.has('code')) return next.searchParams
    if (next.searchParams.has('error')) throw new Error(next.searchParams.get('error_description') ?? 'refused')
    url = next.href
  }
  throw new Error('the login goes round in circles')
}
