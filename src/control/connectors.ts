/** A tenant's connections to sources. Their credentials are sealed and leave this room only to be used. */
import type { ClientBase, Pool } from 'pg'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import { checkName, duplicate } from './names.ts'
import { findTenant } from './tenants.ts'

export interface ConnectorRow {
  readonly id: string
  readonly tenantId: string
  readonly name: string
  /** A connector type of the registry. */
  readonly type: string
  readonly state: 'connected' | 'not_connected' | 'expired'
}

const columns = 'c.id, c.tenant_id as "tenantId", c.name, c.type, c.state'

/** By name. */
export async function listConnectors(db: Pool | ClientBase, tenantId: string): Promise<readonly ConnectorRow[]> {
  const listed = await db.query<ConnectorRow>(
    `select ${columns} from postern.connector c where c.tenant_id = $1 order by c.name`,
    [tenantId],
  )
  return listed.rows
}

/** @throws SqlError 42602 for its name, 42704 for the tenant, 42710 where the tenant has one of this name */
export function addConnector(
  administration: Administration,
  connector: { readonly tenant: string; readonly name: string; readonly type: string },
): Promise<ConnectorRow> {
  checkName('connector', connector.name)
  return administer(administration, async client => {
    const tenant = await findTenant(client, connector.tenant)
    const added = await client.query<ConnectorRow>(
      `insert into postern.connector as c (id, tenant_id, name, type) values ($1, $2, $3, $4)
       on conflict (tenant_id, name) do nothing returning ${columns}`,
      [makeId(), tenant.id, connector.name, connector.type],
    )
    const row = added.rows[0]
    if (row === undefined) throw duplicate('connector', connector.name)
    return [row, { act: 'connector add', tenant: tenant.name, tenantId: tenant.id, detail: { ...connector } }]
  })
}
