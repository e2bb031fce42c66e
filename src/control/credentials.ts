/** Whether what somebody came with is still good, by the name that principals and sessions keep of it. */
import type { Pool } from 'pg'

const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const form = new RegExp(`^(key|token|identity|run):(${uuid})(?::[0-9a-f]+)?$`)

/**
 * Those of `credentials` (`key:<id>`, `token:<jti>`, `identity:<id>:<hash>`) that are neither revoked nor expired nor gone.
 * `run:<id>` depends on a lease, which is not asked for here: it counts as good. What has no such form is not.
 */
export async function readCredentialsInForce(pool: Pool, credentials: readonly string[]): Promise<ReadonlySet<string>> {
  const named = credentials.flatMap(credential => {
    const [, kind, id] = form.exec(credential) ?? []
    return kind === undefined || id === undefined ? [] : [{ credential, kind, id }]
  })
  if (named.length === 0) return new Set()
  const idsOf = (kind: string) => named.filter(one => one.kind === kind).map(one => one.id)
  const read = await pool.query<{ name: string }>(
    `select 'key:' || k.id as name from postern.api_key k
      where k.id = any ($1::uuid[]) and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
     union all
     select 'token:' || u.id from postern.user_token u
      where u.id = any ($2::uuid[]) and u.revoked_at is null and u.expires_at > now()
     union all
     select 'identity:' || i.id from postern.identity i where i.id = any ($3::uuid[])`,
    [idsOf('key'), idsOf('token'), idsOf('identity')],
  )
  const good = new Set(read.rows.map(row => row.name))
  return new Set(
    named.filter(({ kind, id }) => kind === 'run' || good.has(`${kind}:${id}`)).map(({ credential }) => credential),
  )
}
