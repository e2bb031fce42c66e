/** From what an issuer says to what we make of it. Only what is mapped is looked at. */
import type { MembershipRole } from '../control/users.ts'
import type { ClaimMapping, ClaimPath } from './issuers.ts'
import { type Claims, refused } from './proof.ts'

export type Said = { readonly [claim: string]: unknown }

const subjectMaxChars = 1_024
const roles: readonly MembershipRole[] = ['viewer', 'analyst', 'admin']

/** @throws SqlError 28000 where what is mapped and must be there is not */
export function readClaims(said: Said, mapping: ClaimMapping): Claims {
  return {
    subject: subjectOf(find(said, mapping.subject)),
    tenants: mapping.tenant === null ? null : tenantsOf(find(said, mapping.tenant), mapping.tenant),
    // A mapped claim that is absent grants nothing.
    scopes: mapping.scopes === null ? null : wordsOf(find(said, mapping.scopes)),
    role: mapping.roles === null ? null : roleOf(find(said, mapping.roles), mapping.roles),
    email: emailOf(find(said, mapping.email), find(said, mapping.emailVerified)),
  }
}

/** @throws SqlError 28000 */
export function checkAudience(aud: unknown, accepted: readonly string[]): void {
  if (listOf(aud).some(one => accepted.includes(one))) return
  throw wrongAudience()
}

export function wrongAudience() {
  return refused('the token is for another audience', 'Ask its issuer for one whose audience is this server.')
}

export function isSaid(value: unknown): value is Said {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Own properties alone: a claim called `constructor` is no claim. */
export function find(said: Said, path: ClaimPath): unknown {
  if (path === null) return undefined
  let value: unknown = said
  for (const name of typeof path === 'string' ? [path] : path) {
    if (!isSaid(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

/** Some name their users by numbers (GitHub). Half characters would all become one in the database. */
function subjectOf(value: unknown): string {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value
  const fits = typeof text === 'string' && text !== '' && text.length <= subjectMaxChars
  if (fits && text.isWellFormed() && !text.includes('\0')) return text
  throw refused('the token does not say whose it is')
}

function tenantsOf(value: unknown, path: ClaimPath): readonly string[] {
  const tenants = listOf(value)
  if (tenants.length > 0) return tenants
  throw refused(`the token names no tenant: its claim ${nameOf(path)} is missing`)
}

/** The strongest that is one of ours. */
function roleOf(value: unknown, path: ClaimPath): MembershipRole {
  const said = wordsOf(value)
  const role = roles.findLast(one => said.includes(one))
  if (role !== undefined) return role
  throw refused(`the token names no role: its claim ${nameOf(path)} holds none of ${roles.join(', ')}`)
}

/** `email_verified` is true, or "true" (Google's). Anything else is unverified, and then there is none. */
function emailOf(email: unknown, verified: unknown): string | null {
  if (verified !== true && verified !== 'true') return null
  const fits = typeof email === 'string' && email.length <= 254 && /^[\x21-\x3f\x41-\x7e]+@[a-z0-9.-]+$/i.test(email)
  return fits ? email.toLowerCase() : null
}

/** `a b c` (RFC 8693), or a list. */
function wordsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.split(' ').filter(word => word !== '')
  return listOf(value)
}

function listOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : []
}

function nameOf(path: ClaimPath): string {
  return typeof path === 'string' ? path : (path ?? []).join('.')
}
