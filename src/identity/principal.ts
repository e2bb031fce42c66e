/** The authenticated caller, whichever credential he came with. */
import type { Pool } from 'pg'
import { type MemberRow, readMembers } from '../control/members.ts'
import type { MembershipRole } from '../control/users.ts'

export type Scope =
  | 'data:read'
  | 'schema:provision'
  | 'materialize:run'
  | 'materialize:configure'
  | 'knowledge:write'
  | 'admin'

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
  readonly scopes: ReadonlySet<Scope>
  readonly via: 'scram'
  /** Milliseconds since the epoch; null: the credential does not expire. */
  readonly expiresAt: number | null
}

const analystScopes = ['data:read', 'schema:provision', 'materialize:run', 'knowledge:write'] as const

const scopesByRole: { readonly [Role in MembershipRole]: ReadonlySet<Scope> } = {
  viewer: new Set(['data:read'] as const),
  analyst: new Set(analystScopes),
  admin: new Set([...analystScopes, 'materialize:configure', 'admin'] as const),
}

export function principalOf(member: MemberRow): Principal {
  return {
    id: member.principalId,
    tenant: member.tenantId,
    tenantName: member.tenantName,
    name: member.login,
    login: `${member.login}@${member.tenantName}`,
    role: member.role,
    scopes: scopesByRole[member.role],
    via: 'scram',
    expiresAt: null,
  }
}

/**
 * What has become of principals whose sessions are open, asked after a change of the control database: the principal
 * as he is now, or null where he, his tenant or his membership is disabled or gone and his sessions must end.
 */
export async function reviewPrincipals(
  pool: Pool,
  open: readonly Principal[],
): Promise<ReadonlyMap<Principal, Principal | null>> {
  if (open.length === 0) return new Map()
  const members = await readMembers(pool, [...new Set(open.map(principal => principal.id))])
  const now = new Map(members.map(member => [`${member.tenantId}/${member.principalId}`, principalOf(member)]))
  return new Map(open.map(principal => [principal, now.get(`${principal.tenant}/${principal.id}`) ?? null]))
}
