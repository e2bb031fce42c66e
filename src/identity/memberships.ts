/** From what a credential proves to the one membership that it is used for. */
import type { Pool } from 'pg'
import type { Administration } from '../control/administration.ts'
import { findIdentity, type IdentityRow, linkByEmail, signUp } from '../control/identities.ts'
import { type MemberRow, readMembers } from '../control/members.ts'
import { SqlError } from '../errors.ts'
import type { IssuerOptions } from './issuers.ts'
import { type Principal, principalOf } from './principal.ts'
import { type ClaimedProof, type Proof, refused } from './proof.ts'

export interface MembershipStores {
  readonly pool: Pool
  /** In whose name identities are linked and users sign up. */
  readonly administration: Administration
}

/**
 * @param tenant the name that the caller gave; null: none
 * @param tokenHash hex
 * @throws SqlError 28000; 22023 where there are several memberships and none is named: the message lists them
 */
export async function choosePrincipal(
  proof: Proof,
  o: { readonly tenant: string | null; readonly tokenHash: string; readonly issuer: IssuerOptions | undefined },
  stores: MembershipStores,
): Promise<Principal> {
  if (proof.kind === 'bound') {
    if (o.tenant !== null && o.tenant !== proof.member.tenantName) throw notThere(o.tenant)
    return principalOf(proof.member, proof.shown)
  }
  const identity = await whose(proof, o.issuer, stores)
  const members = await readMembers(stores.pool, [identity.principalId])
  const { tenants, scopes, role } = proof.claims
  const open = tenants === null ? members : members.filter(member => tenants.includes(member.tenantName))
  return principalOf(chooseMember(open, o.tenant), {
    via: proof.via,
    credential: `identity:${identity.id}:${o.tokenHash.slice(0, 16)}`,
    expiresAt: proof.expiresAt,
    scopes,
    role,
  })
}

function chooseMember(members: readonly MemberRow[], tenant: string | null): MemberRow {
  const [only, second] = members
  if (tenant !== null) {
    const member = members.find(one => one.tenantName === tenant)
    if (member === undefined) throw notThere(tenant)
    return member
  }
  if (only === undefined) throw refused('the token is good, but its user is a member of no tenant here')
  if (second === undefined) return only
  throw new SqlError({
    code: '22023',
    message: 'which tenant is meant?',
    hint: `Name one of: ${members.map(member => member.tenantName).join(', ')}.`,
  })
}

/** The same whether there is such a tenant or not. */
function notThere(tenant: string): SqlError {
  return refused(`the credential is not good for tenant "${tenant.slice(0, 64)}"`)
}

async function whose(
  proof: ClaimedProof,
  issuer: IssuerOptions | undefined,
  { pool, administration }: MembershipStores,
): Promise<IdentityRow> {
  const { subject, email } = proof.claims
  const named = { issuer: proof.issuer, subject }
  const known = await findIdentity(pool, named)
  if (known !== undefined) return known
  if (issuer !== undefined && email !== null) {
    const linked = issuer.linkByEmail ? await linkByEmail(administration, named, email) : undefined
    if (linked !== undefined) return linked
    const tenant = tenantOf(email, issuer)
    if (tenant !== undefined && issuer.signup !== null) {
      const user = { email, tenant, role: issuer.signup.role }
      return await signUp(administration, named, user).catch((error: unknown) => {
        throw error instanceof SqlError ? cannotSignUp(error) : error
      })
    }
  }
  throw refused('the token is good, but its user is not known here', 'Ask the operator to link or add you.')
}

/** The address is another's who is not to be linked by it, or the tenant is gone: the operator sees which. */
function cannotSignUp(cause: SqlError): SqlError {
  const message = 'the token is good, but its user cannot be added here'
  return new SqlError({ code: '28000', message, hint: 'Ask the operator to link or add you.', cause })
}

/** Where those of the address's domain sign up. */
function tenantOf(email: string, { signup }: IssuerOptions): string | undefined {
  const domain = email.slice(email.lastIndexOf('@') + 1)
  return signup !== null && Object.hasOwn(signup.domains, domain) ? signup.domains[domain] : undefined
}
