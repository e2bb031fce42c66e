import type { ClientBase } from 'pg'
import { SqlError } from '../errors.ts'

/**
 * One database belongs to one tenant: the locks between tenants (CONNECT, gate logins) are drawn around databases.
 * To be called after a change, in its transaction. Two names of one host look like two hosts here.
 * @throws SqlError 42501
 */
export async function refuseSecondTenant(client: ClientBase): Promise<void> {
  const shared = await client.query<{ dbname: string; host: string }>(
    `select d.dbname, lower(s.host) as host
     from postern.database d join postern.server s on s.id = d.server_id
     group by d.dbname, lower(s.host), s.port having count(distinct d.tenant_id) > 1 limit 1`,
  )
  const row = shared.rows[0]
  if (row === undefined) return
  throw new SqlError({
    code: '42501',
    message: `database ${JSON.stringify(row.dbname)} on ${row.host} belongs to another tenant`,
    hint: 'One database belongs to one tenant. Give each tenant a database of his own.',
  })
}
