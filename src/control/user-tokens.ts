/** Tokens for users that Postern has signed: what is kept of them, so that they can be listed and revoked. */
import type { ClientBase, Pool } from 'pg'
import { type Administration, administer } from './administration.ts'
import { fromMembers, type MemberRow, selectMembers } from './members.ts'
import { missing } from './names.ts'
import { findUser, type UserRow } from './users.ts'

export interface UserTokenRow {
  /** The token's jti. */
  readonly id: string
  readonly tenantName: string
  readonly login: string
  readonly scopes: readonly string[] | null
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly revokedAt: Date | null
}

const selectTokens = `
  select u.id, t.name as "tenantName", m.login, u.scopes, u.created_at as "createdAt", u.expires_at as "expiresAt",
    u.revoked_at as "revokedAt"
  from postern.user_token u
    join postern.membership m on m.tenant_id = u.tenant_id and m.principal_id = u.principal_id
    join postern.tenant t on t.id = u.tenant_id`

/** `sign` makes the token once it is known whose it is; if it fails nothing is kept. @throws SqlError 42704 */
export function addUserToken(
  administration: Administration,
  token: {
    readonly tenant: string
    readonly login: string
    readonly id: string
    readonly scopes: readonly string[] | null
    readonly expiresAt: Date
  },
  sign: (user: UserRow, client: ClientBase) => Promise<string>,
): Promise<{ readonly row: UserTokenRow; readonly text: string }> {
  return administer(administration, async client => {
    const user = await findUser(client, token)
    await client.query(
      `insert into postern.user_token (id, tenant_id, principal_id, scopes, expires_at) values ($1, $2, $3, $4, $5)`,
      [token.id, user.tenantId, user.principalId, token.scopes, token.expiresAt],
    )
    const text = await sign(user, client)
    const detail = { user: user.login, token: token.id, scopes: token.scopes, expiresAt: token.expiresAt }
    const act = { act: 'token issue', tenant: user.tenantName, tenantId: user.tenantId, detail }
    return [{ row: await findRow(client, token.id), text }, act]
  })
}

/** What was opened with it ends. @throws SqlError 42704 */
export function revokeUserToken(administration: Administration, id: string): Promise<UserTokenRow> {
  return administer(administration, async client => {
    await client.query('update postern.user_token set revoked_at = coalesce(revoked_at, now()) where id::text = $1', [
      id,
    ])
    const row = await findRow(client, id)
    return [row, { act: 'token revoke', tenant: row.tenantName, detail: { user: row.login, token: row.id } }]
  })
}

/** Of one tenant, by name, or of all; the newest last. Those that expired a week ago and longer are left out. */
export async function listUserTokens(pool: Pool, tenant?: string): Promise<readonly UserTokenRow[]> {
  const listed = await pool.query<UserTokenRow>(
    `${selectTokens} where ($1::text is null or t.name = $1) and u.expires_at > now() - interval '7 days'
     order by t.name, m.login, u.created_at`,
    [tenant ?? null],
  )
  return listed.rows
}

export interface ShownUserToken extends MemberRow {
  readonly scopes: readonly string[] | null
  readonly expiresAt: Date
  readonly revokedAt: Date | null
}

/** The token with its owner's membership, where that is in force. */
export async function findUserToken(pool: Pool, id: string): Promise<ShownUserToken | undefined> {
  const found = await pool.query<ShownUserToken>({
    name: 'postern find user token',
    text: `${selectMembers}, u.scopes, u.expires_at as "expiresAt", u.revoked_at as "revokedAt"
      ${fromMembers} join postern.user_token u on u.tenant_id = m.tenant_id and u.principal_id = m.principal_id
      where u.id = $1`,
    values: [id],
  })
  return found.rows[0]
}

async function findRow(client: ClientBase, id: string): Promise<UserTokenRow> {
  const row = (await client.query<UserTokenRow>(`${selectTokens} where u.id::text = $1`, [id])).rows[0]
  if (row === undefined) throw missing('token', id)
  return row
}
