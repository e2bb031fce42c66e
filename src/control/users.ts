/** People and services of a tenant: principal, membership and SCRAM verifier together, as the CLI speaks of them. */
import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import { checkLogin, duplicate, missing } from './names.ts'
import { findTenant } from './tenants.ts'

export type MembershipRole = 'viewer' | 'analyst' | 'admin'

export interface UserRow {
  readonly principalId: string
  readonly tenantId: string
  readonly tenantName: string
  /** What stands before the last `@` of the login name. */
  readonly login: string
  readonly role: MembershipRole
  readonly kind: 'person' | 'service'
  readonly email: string | null
  readonly hasPassword: boolean
  readonly createdAt: Date
  /** The principal's; he is shut out of every tenant. */
  readonly disabledAt: Date | null
}

interface UserName {
  readonly tenant: string
  readonly login: string
}

const selectUsers = `
  select p.id as "principalId", t.id as "tenantId", t.name as "tenantName", m.login, m.role, p.kind, p.email,
    exists (select from postern.credential c where c.principal_id = p.id and c.kind = 'scram') as "hasPassword",
    m.created_at as "createdAt", p.disabled_at as "disabledAt"
  from postern.membership m
    join postern.tenant t on t.id = m.tenant_id
    join postern.principal p on p.id = m.principal_id`

/**
 * A new principal with one membership. `verifier` is wire/scram.ts's; null: he has no password yet.
 * @throws SqlError 42602, 42704 for the tenant, 42710 where the tenant has this login
 */
export async function addUser(
  administration: Administration,
  user: UserName & {
    readonly role: MembershipRole
    readonly verifier: string | null
    readonly kind?: 'person' | 'service' | undefined
  },
): Promise<UserRow> {
  checkLogin(user.login)
  refuseTokenLogin(user.login)
  return administer(administration, async client => {
    const tenant = await findTenant(client, user.tenant)
    const principalId = makeId()
    await client.query('insert into postern.principal (id, name, kind) values ($1, $2, $3)', [
      principalId,
      user.login,
      user.kind ?? 'person',
    ])
    const added = await client.query(
      `insert into postern.membership (id, tenant_id, principal_id, login, role) values ($1, $2, $3, $4, $5)
       on conflict (tenant_id, login) do nothing`,
      [makeId(), tenant.id, principalId, user.login, user.role],
    )
    if (added.rowCount === 0) throw duplicate('user', `${user.login}@${tenant.name}`)
    if (user.verifier !== null) await writeVerifier(client, principalId, user.verifier)
    const row = await findUser(client, user)
    return [row, about(row, 'user add', { role: row.role })]
  })
}

/** @throws SqlError 42704 */
export function setPassword(
  administration: Administration,
  user: UserName & { readonly verifier: string },
): Promise<UserRow> {
  return change(administration, user, 'user password', {}, (client, row) =>
    writeVerifier(client, row.principalId, user.verifier),
  )
}

/** @throws SqlError 42704 */
export function setUserRole(
  administration: Administration,
  user: UserName & { readonly role: MembershipRole },
): Promise<UserRow> {
  return change(administration, user, 'user role', { role: user.role }, (client, row) =>
    client.query('update postern.membership set role = $3 where tenant_id = $1 and principal_id = $2', [
      row.tenantId,
      row.principalId,
      user.role,
    ]),
  )
}

/** Reversible; the principal is shut out of every tenant. @throws SqlError 42704 */
export function setUserDisabled(administration: Administration, user: UserName, disabled: boolean): Promise<UserRow> {
  return change(administration, user, disabled ? 'user disable' : 'user enable', {}, (client, row) =>
    client.query(
      'update postern.principal set disabled_at = case when $2 then coalesce(disabled_at, now()) end where id = $1',
      [row.principalId, disabled],
    ),
  )
}

/**
 * The address by which another issuer's user, whose address that issuer has verified, is taken for this one.
 * Null: none. @throws SqlError 42704, 42710 where it is another's
 */
export function setUserEmail(administration: Administration, user: UserName, email: string | null): Promise<UserRow> {
  if (email !== null && !/^[\x21-\x3f\x41-\x7e]+@[a-z0-9.-]+$/i.test(email))
    throw new SqlError({ code: '22023', message: `${JSON.stringify(email)} is no mail address` })
  return change(administration, user, 'user email', { email }, async (client, row) => {
    const other = await client.query(
      'select from postern.principal p where lower(p.email) = lower($1) and p.id <> $2',
      [email, row.principalId],
    )
    if (other.rowCount !== 0) throw duplicate('user with address', email ?? '')
    await client.query('update postern.principal set email = $2 where id = $1', [row.principalId, email])
  })
}

/** Another tenant for somebody who is known already. @throws SqlError 42602, 42704, 42710 */
export function addMembership(
  administration: Administration,
  user: UserName,
  membership: UserName & { readonly role: MembershipRole },
): Promise<UserRow> {
  checkLogin(membership.login)
  refuseTokenLogin(membership.login)
  return administer(administration, async client => {
    const { principalId } = await findUser(client, user)
    const tenant = await findTenant(client, membership.tenant)
    const added = await client.query(
      `insert into postern.membership (id, tenant_id, principal_id, login, role) values ($1, $2, $3, $4, $5)
       on conflict do nothing`,
      [makeId(), tenant.id, principalId, membership.login, membership.role],
    )
    if (added.rowCount === 0) throw duplicate('user', `${membership.login}@${tenant.name}`)
    const row = await findUser(client, membership)
    return [row, about(row, 'user join', { role: row.role, as: `${user.login}@${user.tenant}` })]
  })
}

/** Ends the membership; a principal without another one goes with it. @throws SqlError 42704 */
export function removeUser(administration: Administration, user: UserName): Promise<UserRow> {
  return administer(administration, async client => {
    const row = await findUser(client, user)
    await client.query('delete from postern.membership where tenant_id = $1 and principal_id = $2', [
      row.tenantId,
      row.principalId,
    ])
    await client.query(
      `delete from postern.principal p where p.id = $1
         and not exists (select from postern.membership m where m.principal_id = p.id)`,
      [row.principalId],
    )
    return [row, about(row, 'user remove', {})]
  })
}

/** All users, or those of one tenant (by name), by tenant and login. */
export async function listUsers(pool: Pool, tenant?: string): Promise<readonly UserRow[]> {
  const listed = await pool.query<UserRow>(
    `${selectUsers} where $1::text is null or t.name = $1 order by t.name, m.login`,
    [tenant ?? null],
  )
  return listed.rows
}

/** @throws SqlError 42704 */
export async function findUser(db: Pool | ClientBase, user: UserName): Promise<UserRow> {
  const found = await db.query<UserRow>(`${selectUsers} where t.name = $1 and m.login = $2`, [user.tenant, user.login])
  const row = found.rows[0]
  if (row === undefined) throw missing('user', `${user.login}@${user.tenant}`)
  return row
}

/** The wire door takes `token@acme` and `alice+token@acme` for logins by token. @throws SqlError 42602 */
function refuseTokenLogin(login: string): void {
  if (login !== 'token' && !login.endsWith('+token')) return
  throw new SqlError({ code: '42602', message: `"${login}" is a login by token`, hint: 'Choose another name.' })
}

async function writeVerifier(client: ClientBase, principalId: string, verifier: string): Promise<void> {
  await client.query(
    `insert into postern.credential (id, principal_id, kind, secret) values ($1, $2, 'scram', $3)
     on conflict (principal_id) where kind = 'scram' do update set secret = excluded.secret`,
    [makeId(), principalId, verifier],
  )
}

function change(
  administration: Administration,
  user: UserName,
  act: string,
  detail: Record<string, unknown>,
  update: (client: ClientBase, row: UserRow) => Promise<unknown>,
): Promise<UserRow> {
  return administer(administration, async client => {
    const row = await findUser(client, user)
    await update(client, row)
    return [await findUser(client, user), about(row, act, detail)]
  })
}

function about(row: UserRow, act: string, detail: Record<string, unknown>) {
  return {
    act,
    tenant: row.tenantName,
    tenantId: row.tenantId,
    detail: { user: row.login, principalId: row.principalId, ...detail },
  }
}
