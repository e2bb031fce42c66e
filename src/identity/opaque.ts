/** Tokens that say nothing themselves: their issuer is asked, by introspection (RFC 7662) or for the user's profile. */
import { checkAudience, find, isSaid, readClaims, type Said, wrongAudience } from './claims.ts'
import { ask, type HttpAnswer } from './fetch-json.ts'
import type { IssuerOptions } from './issuers.ts'
import { type ClaimedProof, expired, invalid, refused, unavailable } from './proof.ts'

/** @param clientSecret of the introspection's client @throws SqlError 28000, 57P03 */
export async function introspect(
  issuer: IssuerOptions & { readonly introspection: NonNullable<IssuerOptions['introspection']> },
  token: string,
  o: { readonly audiences: readonly string[]; readonly clientSecret: string; readonly nowMs: number },
): Promise<ClaimedProof> {
  const { endpoint, clientId } = issuer.introspection
  const said = await askIssuer(issuer, endpoint, {
    method: 'POST',
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      // RFC 6749, section 2.3.1: both are form-encoded first.
      authorization: `Basic ${Buffer.from(`${encodeForm(clientId)}:${encodeForm(o.clientSecret)}`).toString('base64')}`,
    },
    body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
  })
  if (said === undefined) throw unavailable(issuer.issuer, new Error('it does not know this client'))
  // Whether it expired, was revoked or never was, the issuer does not say.
  if (said.active !== true) throw invalid('token')
  if (said.iss !== undefined && said.iss !== issuer.issuer) throw invalid('token')
  if (typeof said.nbf === 'number' && said.nbf * 1000 > o.nowMs + 30_000) throw refused('the token is not valid yet')
  checkAudienceOf(issuer, said, issuer.claims.audience, o.audiences)
  const expiresAt = expiryOf(said, o.nowMs)
  return {
    kind: 'claimed',
    via: 'introspection',
    issuer: issuer.issuer,
    claims: readClaims(said, issuer.claims),
    expiresAt,
  }
}

/** @throws SqlError 28000, 57P03 */
export async function readProfile(
  issuer: IssuerOptions & { readonly profile: NonNullable<IssuerOptions['profile']> },
  token: string,
  o: { readonly audiences: readonly string[]; readonly nowMs: number },
): Promise<ClaimedProof> {
  const { endpoint, fields } = issuer.profile
  const said = await askIssuer(issuer, endpoint, {
    // GitHub answers nobody who does not say what he is.
    headers: { accept: 'application/json', authorization: `Bearer ${token}`, 'user-agent': 'postern' },
  })
  if (said === undefined) throw invalid('token')
  checkAudienceOf(issuer, said, fields.audience, o.audiences)
  const expiresAt = expiryOf(said, o.nowMs)
  return { kind: 'claimed', via: 'profile', issuer: issuer.issuer, claims: readClaims(said, fields), expiresAt }
}

/** @returns undefined: 401 */
async function askIssuer(issuer: IssuerOptions, endpoint: string, init: RequestInit): Promise<Said | undefined> {
  let answer: HttpAnswer
  let said: unknown
  try {
    answer = await ask(endpoint, init)
    if (answer.status === 401) return undefined
    if (answer.status !== 200) throw new Error(`${endpoint} answered ${answer.status}`)
    said = JSON.parse(answer.text)
    if (!isSaid(said)) throw new Error(`${endpoint} answered no object`)
  } catch (error) {
    throw unavailable(issuer.issuer, error)
  }
  return said
}

function checkAudienceOf(
  issuer: IssuerOptions,
  said: Said,
  path: IssuerOptions['claims']['audience'],
  accepted: readonly string[],
): void {
  const aud = find(said, path)
  if (aud !== undefined) checkAudience(aud, accepted)
  else if (!issuer.anyAudience) throw wrongAudience()
}

function expiryOf(said: Said, nowMs: number): number | null {
  if (typeof said.exp !== 'number') return null
  const expiresAt = said.exp * 1000
  if (expiresAt <= nowMs) throw expired('token')
  return expiresAt
}

function encodeForm(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
