/** JWTs of other issuers (RFC 7519), checked against their JWKS. What a token's header says of keys beside kid is not looked at. */
import { createRemoteJWKSet, customFetch, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { SqlError } from '../errors.ts'
import { isSaid, readClaims, wrongAudience } from './claims.ts'
import { ask, askForJson } from './fetch-json.ts'
import type { IssuerOptions } from './issuers.ts'
import { type ClaimedProof, expired, invalid, refused, unavailable } from './proof.ts'

export interface JwtTimes {
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  /** How far an issuer's clock may be off. */
  readonly toleranceMs: number
  /** A JWKS that lacks a token's key is fetched again at most so often. */
  readonly jwksCooldownMs: number
  /** And this often in any case: a key that was taken out of it counts for so long. */
  readonly jwksMaxAgeMs: number
}

export const defaultJwtTimes: JwtTimes = {
  clock: Date.now,
  toleranceMs: 30_000,
  jwksCooldownMs: 30_000,
  jwksMaxAgeMs: 10 * 60_000,
}

/** typ in the header: access tokens (RFC 9068), and those that do not say; no logout tokens, security events and the like. */
const tokenTypes = new Set(['jwt', 'at+jwt', 'application/at+jwt'])

export class JwtIssuer {
  readonly options: IssuerOptions
  private readonly times: JwtTimes
  private keys: Promise<JWTVerifyGetKey> | undefined

  constructor(options: IssuerOptions, times: JwtTimes = defaultJwtTimes) {
    this.options = options
    this.times = times
  }

  /** False: its tokens can be checked by asking alone. */
  get hasKeys(): boolean {
    return this.options.jwksUri !== null || this.options.discovery
  }

  /** @throws SqlError 28000, 57P03 */
  async prove(token: string, audiences: readonly string[]): Promise<ClaimedProof> {
    const { issuer, algorithms, claims } = this.options
    const payload = await this.verify(token, audiences, algorithms)
    return {
      kind: 'claimed',
      via: 'jwt',
      issuer,
      claims: readClaims(payload, claims),
      expiresAt: payload.exp === undefined ? null : payload.exp * 1000 + this.times.toleranceMs,
    }
  }

  private async verify(
    token: string,
    audiences: readonly string[],
    algorithms: readonly string[],
  ): Promise<JWTPayload> {
    const { clock, toleranceMs } = this.times
    const keys = await this.open()
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        issuer: this.options.issuer,
        audience: [...audiences],
        algorithms: [...algorithms],
        clockTolerance: toleranceMs / 1000,
        currentDate: new Date(clock()),
        requiredClaims: ['exp'],
      })
      if (!tokenTypes.has((protectedHeader.typ ?? 'jwt').toLowerCase())) throw invalid('token')
      return payload
    } catch (error) {
      throw error instanceof SqlError ? error : this.toRefusal(error)
    }
  }

  private toRefusal(error: unknown) {
    if (error instanceof errors.JWTExpired) return expired('token')
    if (error instanceof errors.JWTClaimValidationFailed) return claimRefused(error)
    const isTokens =
      error instanceof errors.JWSInvalid ||
      error instanceof errors.JWTInvalid ||
      error instanceof errors.JWSSignatureVerificationFailed ||
      error instanceof errors.JWKSNoMatchingKey ||
      error instanceof errors.JWKSMultipleMatchingKeys ||
      error instanceof errors.JOSEAlgNotAllowed ||
      error instanceof errors.JOSENotSupported
    // A TypeError of WebCrypto's is about the key that the token chose; what is left is about reaching the issuer.
    return isTokens ? invalid('token') : unavailable(this.options.issuer, error)
  }

  private open(): Promise<JWTVerifyGetKey> {
    this.keys ??= this.openKeys().catch((error: unknown) => {
      this.keys = undefined
      throw unavailable(this.options.issuer, error)
    })
    return this.keys
  }

  private async openKeys(): Promise<JWTVerifyGetKey> {
    const { jwksUri, issuer } = this.options
    const url = jwksUri ?? (await discoverJwks(issuer))
    return createRemoteJWKSet(new URL(url), {
      cooldownDuration: this.times.jwksCooldownMs,
      cacheMaxAge: this.times.jwksMaxAgeMs,
      [customFetch]: async (address, { method, headers }) => {
        const { status, text } = await ask(address, { method, headers })
        return new Response(text, { status })
      },
    })
  }
}

function claimRefused(error: errors.JWTClaimValidationFailed) {
  switch (error.claim) {
    case 'aud':
      return wrongAudience()
    case 'nbf':
      return refused('the token is not valid yet')
    case 'exp':
      return refused('the token does not say when it expires')
    default:
      return invalid('token')
  }
}

/** OpenID Connect Discovery 1.0, or RFC 8414 where the issuer is no OpenID provider. */
export async function discoverJwks(issuer: string): Promise<string> {
  const url = new URL(issuer)
  const path = url.pathname === '/' ? '' : url.pathname.replace(/\/$/, '')
  const openid = `${url.origin}${path}/.well-known/openid-configuration`
  const metadata = await askForJson(openid).catch(() =>
    askForJson(`${url.origin}/.well-known/oauth-authorization-server${path}`),
  )
  if (!isSaid(metadata) || metadata.issuer !== issuer) throw new Error(`the metadata of ${issuer} is of another issuer`)
  const { jwks_uri } = metadata
  if (typeof jwks_uri !== 'string' || !URL.canParse(jwks_uri))
    throw new Error(`the metadata of ${issuer} names no JWKS`)
  const secure = new URL(jwks_uri).protocol === 'https:' || url.protocol === 'http:'
  if (!secure) throw new Error(`the JWKS of ${issuer} is not at https`)
  return jwks_uri
}
