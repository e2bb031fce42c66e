/** Memberships that are in force: neither the tenant nor the principal is disabled. */
import type { Pool } from 'pg'
import type { MembershipRole } from './users.ts'

export interface MemberRow {
  readonly principalId: string
  readonly tenantId: string
  readonly tenantName: string
  readonly login: string
  readonly role: MembershipRole
}

/** Columns of a {@link MemberRow}, of {@link fromMembers}. */
export const selectMembers = `
  select p.id as "principalId", t.id as "tenantId", t.name as "tenantName", m.login, m.role`

export const fromMembers = `
  from postern.membership m
    join postern.tenant t on t.id = m.tenant_id and t.disabled_at is null
    join postern.principal p on p.id = m.principal_id and p.disabled_at is null`

/** By login and tenant name; null: the only tenant, where there is but one. `verifier` is his SCRAM verifier. */
export async function findMember(
  pool: Pool,
  login: string,
  tenant: string | null,
): Promise<(MemberRow & { readonly verifier: string }) | undefined> {
  const found = await pool.query<MemberRow & { verifier: string }>({
    name: 'postern find member',
    text: `${selectMembers}, c.secret as verifier ${fromMembers}
        join postern.credential c on c.principal_id = p.id and c.kind = 'scram'
      where m.login = $1
        and (t.name = $2 or $2::text is null and not exists (select from postern.tenant o where o.id <> t.id))`,
    values: [login, tenant],
  })
  return found.rows[0]
}

/** All memberships in force of these principals, by id; by tenant's name. */
export async function readMembers(pool: Pool, principalIds: readonly string[]): Promise<readonly MemberRow[]> {
  const read = await pool.query<MemberRow>(
    `${selectMembers} ${fromMembers} where p.id = any ($1::uuid[]) order by t.name`,
    [principalIds],
  )
  return read.rows
}
