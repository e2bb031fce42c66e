/** `identity`: who else may say who somebody is. */
import { z } from 'zod'

const claim = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).nullable()

/** https, or http on this machine. Without credentials, which would be shown with the setting. */
const url = z.string().refine(isUrl, 'must be an https:// address, or http:// of this machine')

/** The settings call a claim by its name, or by the names on the way to it; null: it is not looked at. */
const mapping = (defaults: { readonly subject: string; readonly scopes: string | null }) =>
  z
    .strictObject({
      subject: claim.default(defaults.subject),
      tenant: claim.default(null),
      scopes: claim.default(defaults.scopes),
      roles: claim.default(null),
      email: claim.default('email'),
      emailVerified: claim.default('email_verified'),
      audience: claim.default('aud'),
    })
    .prefault({})

/** No HMAC: its key would be the public one. */
const algorithm = z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])

const issuer = z
  .strictObject({
    issuer: z.string().min(1),
    jwksUri: url.nullable().default(null),
    discovery: z.boolean().default(false),
    algorithms: z.array(algorithm).min(1).default(['RS256', 'PS256', 'ES256', 'EdDSA']),
    audiences: z.array(z.string().min(1)).default([]),
    anyAudience: z.boolean().default(false),
    claims: mapping({ subject: 'sub', scopes: 'scope' }),
    introspection: z
      .strictObject({
        endpoint: url,
        clientId: z.string().min(1),
        clientSecretFile: z.string().min(1).nullable().default(null),
      })
      .nullable()
      .default(null),
    profile: z
      .strictObject({ endpoint: url, fields: mapping({ subject: 'id', scopes: null }) })
      .nullable()
      .default(null),
    tokenPrefix: z.string().min(1).nullable().default(null),
    cacheMs: z.int().min(0).max(300_000).default(10_000),
    linkByEmail: z.boolean().default(true),
    signup: z
      .strictObject({
        domains: z.record(z.string().regex(/^[a-z0-9.-]+$/, 'must be a domain in lower case'), z.string().min(1)),
        role: z.enum(['viewer', 'analyst', 'admin']).default('viewer'),
      })
      .nullable()
      .default(null),
  })
  .refine(
    one => one.jwksUri !== null || one.discovery || one.introspection !== null || one.profile !== null,
    'needs one of jwksUri, discovery, introspection, profile: how its tokens are checked',
  )
  .refine(one => one.jwksUri === null || !one.discovery, 'has jwksUri, so that discovery is not for it')
  .refine(
    one => !one.discovery || isUrl(one.issuer),
    'must be the https:// address of the issuer where discovery is on',
  )
  .refine(one => one.introspection === null || one.profile === null, 'has both introspection and profile')

const trustedHost = z.strictObject({
  host: z.string().min(1),
  issuers: z.array(z.string().min(1)).min(1),
  audiences: z.array(z.string().min(1)).min(1),
})

export const identity = z.strictObject({
  issuers: z
    .array(issuer)
    .default([])
    .describe('OpenID providers and OAuth servers whose tokens are taken. In the file alone.'),
  trustedHosts: z
    .array(trustedHost)
    .default([])
    .describe("Hosts (login@tenant) that may hand on their users' tokens over MCP: host, issuers, audiences."),
  audience: z
    .string()
    .min(1)
    .default('postern')
    .describe('Audience of tokens that come as passwords over the wire, where the issuer names none.'),
  tokensWithoutTls: z
    .enum(['never', 'socket', 'local'])
    .default('socket')
    .describe('Tokens as passwords without TLS: never, on the Unix socket, or from this machine over TCP too.'),
  jwksCooldownMs: z
    .int()
    .min(1)
    .max(600_000)
    .default(30_000)
    .describe('A JWKS that lacks a key is fetched again so often.'),
})

function isUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
}
