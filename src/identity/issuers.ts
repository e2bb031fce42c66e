/** Who else may say who somebody is, as the settings have it, and which of them a token is to be shown to. */
import type { MembershipRole } from '../control/users.ts'
import { SqlError } from '../errors.ts'
import { invalid } from './proof.ts'

/** The name of a claim, or the names on the way to one that lies deeper. Null: not mapped. */
export type ClaimPath = string | readonly string[] | null

export interface ClaimMapping {
  readonly subject: ClaimPath
  readonly tenant: ClaimPath
  readonly scopes: ClaimPath
  readonly roles: ClaimPath
  readonly email: ClaimPath
  readonly emailVerified: ClaimPath
  readonly audience: ClaimPath
}

/** One of `identity.issuers`. */
export interface IssuerOptions {
  /** The tokens' iss; for those that have none the name under which subjects are kept. */
  readonly issuer: string
  readonly jwksUri: string | null
  /** The JWKS is where the issuer's metadata says it is. */
  readonly discovery: boolean
  readonly algorithms: readonly string[]
  /** Empty: what the door that the token came to is called. */
  readonly audiences: readonly string[]
  /** Tokens whose audience cannot be told are taken too. */
  readonly anyAudience: boolean
  readonly claims: ClaimMapping
  readonly introspection: {
    readonly endpoint: string
    readonly clientId: string
    readonly clientSecretFile: string | null
  } | null
  readonly profile: { readonly endpoint: string; readonly fields: ClaimMapping } | null
  /** How its opaque tokens begin. */
  readonly tokenPrefix: string | null
  /** What was found out by asking counts for so long. */
  readonly cacheMs: number
  readonly linkByEmail: boolean
  readonly signup: { readonly domains: { readonly [domain: string]: string }; readonly role: MembershipRole } | null
}

/** Whose users' tokens an authenticated host may hand on. */
export interface TrustedHost {
  readonly host: string
  readonly issuers: readonly string[]
  readonly audiences: readonly string[]
}

/** iss of the tokens that Postern signs. */
export const ownIssuer = 'urn:postern'

export type TokenForm = { readonly kind: 'jwt'; readonly issuer: string } | { readonly kind: 'opaque' }

const tokenMaxChars = 16 * 1024

/** Looks at the form alone: nothing that is read here is believed. @throws SqlError 28000 */
export function formOf(token: string): TokenForm {
  if (token === '' || token.length > tokenMaxChars || !/^[\x21-\x7e]+$/.test(token)) throw invalid('token')
  const parts = token.split('.')
  if (parts.length !== 3 || !parts[0]!.startsWith('ey')) return { kind: 'opaque' }
  const payload = readJson(parts[1]!)
  const issuer = typeof payload === 'object' && payload !== null && 'iss' in payload ? payload.iss : undefined
  if (typeof issuer !== 'string') throw invalid('token')
  return { kind: 'jwt', issuer }
}

function readJson(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch {
    throw invalid('token')
  }
}

/**
 * The one issuer that may see an opaque token: it is never taken from one to the next.
 * @throws SqlError 28000
 */
export function issuerOfOpaque(token: string, issuers: readonly IssuerOptions[]): IssuerOptions {
  const asked = issuers.filter(one => one.introspection !== null || one.profile !== null)
  const byPrefix = asked
    .filter(one => one.tokenPrefix !== null && token.startsWith(one.tokenPrefix))
    .sort((a, b) => b.tokenPrefix!.length - a.tokenPrefix!.length)
  const found = byPrefix[0] ?? asked.find(one => one.tokenPrefix === null)
  if (found === undefined) throw invalid('token')
  return found
}

/** What zod cannot see. @throws SqlError F0000 */
export function checkIssuers(issuers: readonly IssuerOptions[], hosts: readonly TrustedHost[]): void {
  const names = issuers.map(one => one.issuer)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw faulty(`identity.issuers names ${twice} twice`)
  if (names.includes(ownIssuer)) throw faulty(`identity.issuers: ${ownIssuer} is Postern itself`)
  const unprefixed = issuers.filter(
    one => one.tokenPrefix === null && (one.introspection !== null || one.profile !== null),
  )
  if (unprefixed.length > 1)
    throw faulty(
      `identity.issuers: of ${unprefixed.map(one => one.issuer).join(', ')} all but one need a tokenPrefix`,
      'An opaque token is shown to one of them alone, found by how it begins.',
    )
  const unknown = hosts.flatMap(host => host.issuers).find(name => name !== ownIssuer && !names.includes(name))
  if (unknown !== undefined) throw faulty(`identity.trustedHosts: ${unknown} is none of identity.issuers`)
}

function faulty(message: string, hint?: string): SqlError {
  return new SqlError({ code: 'F0000', message, hint })
}
