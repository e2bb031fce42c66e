/** The authenticated caller, whichever credential he came with. */
import type { Pool } from 'pg'
import { readCredentialsInForce } from '../control/credentials.ts'
import { type MemberRow, readMembers } from '../control/members.ts'
import type { MembershipRole } from '../control/users.ts'

export const scopes = [
  'data:read',
  'schema:provision',
  'materialize:run',
  'materialize:configure',
  'knowledge:write',
  'admin',
] as const

export type Scope = (typeof scopes)[number]

/** What a principal showed himself with. `local`: none was asked for, he is the one who started the process. */
export type Via = 'scram' | 'jwt' | 'introspection' | 'profile' | 'api-key' | 'job-token' | 'local'

export interface Principal {
  readonly id: string
  /** The tenant's id. */
  readonly tenant: string
  readonly tenantName: string
  /** `alice` */
  readonly name: string
  /** `alice@acme`, also where he left the tenant out. */
  readonly login: string
  readonly role: MembershipRole
  /** Never more than the role has. */
  readonly scopes: ReadonlySet<Scope>
  readonly via: Via
  /**
   * What revocation names, and the audit log: `key:<id>`, `token:<jti>`, `run:<id>`, `identity:<id>:<hash of the token>`.
   * Null for a password.
   */
  readonly credential: string | null
  /** Milliseconds since the epoch; null: the credential does not expire. */
  readonly expiresAt: number | null
}

/** Of what a credential says of itself, all that narrows. */
export interface Shown {
  readonly via: Via
  readonly credential: string | null
  readonly expiresAt: number | null
  /** Null: all that the role has. What is no scope of ours grants nothing. */
  readonly scopes: readonly string[] | null
  /** Null: the membership's. Never raises it. */
  readonly role?: MembershipRole | null
}

const analystScopes = ['data:read', 'schema:provision', 'materialize:run', 'knowledge:write'] as const

const scopesByRole: { readonly [Role in MembershipRole]: ReadonlySet<Scope> } = {
  viewer: new Set(['data:read'] as const),
  analyst: new Set(analystScopes),
  admin: new Set([...analystScopes, 'materialize:configure', 'admin'] as const),
}

export function scopesOfRole(role: MembershipRole): ReadonlySet<Scope> {
  return scopesByRole[role]
}

const ranks: { readonly [Role in MembershipRole]: number } = { viewer: 0, analyst: 1, admin: 2 }

const byPassword: Shown = { via: 'scram', credential: null, expiresAt: null, scopes: null }

export function principalOf(member: MemberRow, shown: Shown = byPassword): Principal {
  const role = lowerRole(member.role, shown.role ?? member.role)
  return {
    id: member.principalId,
    tenant: member.tenantId,
    tenantName: member.tenantName,
    name: member.login,
    login: `${member.login}@${member.tenantName}`,
    role,
    scopes: narrow(scopesByRole[role], shown.scopes),
    via: shown.via,
    credential: shown.credential,
    expiresAt: shown.expiresAt,
  }
}

export function lowerRole(a: MembershipRole, b: MembershipRole): MembershipRole {
  return ranks[a] < ranks[b] ? a : b
}

function narrow(granted: ReadonlySet<Scope>, to: readonly string[] | null): ReadonlySet<Scope> {
  if (to === null) return granted
  const wanted = new Set(to)
  return new Set([...granted].filter(scope => wanted.has(scope)))
}

/** Somebody who has something open. */
export interface Present {
  /** The principal's id. */
  readonly principalId: string
  readonly tenantId: string
  readonly credential: string | null
}

/**
 * Those of `open` who must go, asked after a change of the control database: the principal, his tenant or his
 * membership is disabled or gone, or the credential that he came with is revoked, expired or gone.
 */
export async function findWithdrawn<P extends Present>(pool: Pool, open: readonly P[]): Promise<readonly P[]> {
  if (open.length === 0) return []
  const members = await readMembers(pool, [...new Set(open.map(one => one.principalId))])
  const inForce = new Set(members.map(member => `${member.tenantId}/${member.principalId}`))
  const credentials = open.flatMap(({ credential }) => (credential === null ? [] : [credential]))
  const valid = await readCredentialsInForce(pool, [...new Set(credentials)])
  return open.filter(
    ({ tenantId, principalId, credential }) =>
      !inForce.has(`${tenantId}/${principalId}`) || (credential !== null && !valid.has(credential)),
  )
}
