/** API keys: what a program shows in place of a user's password, for one tenant, narrowed and revoked on its own. */
import type { ClientBase, Pool } from 'pg'
import { type Administration, administer } from './administration.ts'
import { fromMembers, type MemberRow, selectMembers } from './members.ts'
import { missing } from './names.ts'
import { findUser } from './users.ts'

export interface ApiKeyRow {
  readonly id: string
  readonly tenantName: string
  readonly login: string
  readonly name: string
  /** Null: all that the role has. */
  readonly scopes: readonly string[] | null
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
  readonly lastUsedAt: Date | null
}

const selectKeys = `
  select k.id, t.name as "tenantName", m.login, k.name, k.scopes, k.created_at as "createdAt",
    k.expires_at as "expiresAt", k.revoked_at as "revokedAt", k.last_used_at as "lastUsedAt"
  from postern.api_key k
    join postern.membership m on m.tenant_id = k.tenant_id and m.principal_id = k.principal_id
    join postern.tenant t on t.id = k.tenant_id`

/** `id` and `hash` are identity's, which shows the key once. @throws SqlError 42704 */
export function addApiKey(
  administration: Administration,
  key: {
    readonly tenant: string
    readonly login: string
    readonly id: string
    readonly hash: Uint8Array
    readonly name?: string | undefined
    readonly scopes: readonly string[] | null
    readonly expiresAt: Date | null
  },
): Promise<ApiKeyRow> {
  return administer(administration, async client => {
    const user = await findUser(client, key)
    await client.query(
      `insert into postern.api_key (id, tenant_id, principal_id, name, secret_hash, scopes, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7)`,
      [key.id, user.tenantId, user.principalId, key.name ?? '', key.hash, key.scopes, key.expiresAt],
    )
    const detail = { user: user.login, key: key.id, name: key.name, scopes: key.scopes, expiresAt: key.expiresAt }
    return [await findRow(client, key.id), { act: 'key add', tenant: user.tenantName, tenantId: user.tenantId, detail }]
  })
}

/** What was opened with it ends. @throws SqlError 42704 */
export function revokeApiKey(administration: Administration, id: string): Promise<ApiKeyRow> {
  return administer(administration, async client => {
    await client.query('update postern.api_key set revoked_at = coalesce(revoked_at, now()) where id::text = $1', [id])
    const row = await findRow(client, id)
    return [row, { act: 'key revoke', tenant: row.tenantName, detail: { user: row.login, key: row.id } }]
  })
}

/** Of one tenant, by name, or of all; the newest last. */
export async function listApiKeys(pool: Pool, tenant?: string): Promise<readonly ApiKeyRow[]> {
  const listed = await pool.query<ApiKeyRow>(
    `${selectKeys} where $1::text is null or t.name = $1 order by t.name, m.login, k.created_at`,
    [tenant ?? null],
  )
  return listed.rows
}

export interface ShownApiKey extends MemberRow {
  readonly hash: Uint8Array
  readonly scopes: readonly string[] | null
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
}

/** The key with its owner's membership, where that is in force. */
export async function findApiKey(pool: Pool, id: string): Promise<ShownApiKey | undefined> {
  const found = await pool.query<ShownApiKey>({
    name: 'postern find api key',
    text: `${selectMembers}, k.secret_hash as hash, k.scopes, k.expires_at as "expiresAt", k.revoked_at as "revokedAt"
      ${fromMembers} join postern.api_key k on k.tenant_id = m.tenant_id and k.principal_id = m.principal_id
      where k.id = $1`,
    values: [id],
  })
  return found.rows[0]
}

/** Milliseconds since the epoch by key id. Never moves a time back. */
export async function writeLastUses(pool: Pool, uses: ReadonlyMap<string, number>): Promise<void> {
  await pool.query(
    `update postern.api_key k set last_used_at = greatest(k.last_used_at, u.at)
     from unnest($1::uuid[], $2::timestamptz[]) as u (id, at)
     where k.id = u.id`,
    [[...uses.keys()], [...uses.values()].map(at => new Date(at))],
  )
}

async function findRow(client: ClientBase, id: string): Promise<ApiKeyRow> {
  const row = (await client.query<ApiKeyRow>(`${selectKeys} where k.id::text = $1`, [id])).rows[0]
  if (row === undefined) throw missing('API key', id)
  return row
}
