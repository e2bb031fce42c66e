/** A tenant's connections to sources. Their credentials are sealed and leave this room only to be used. */
import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'
import { type Administration, administer } from './administration.ts'
import { writeCredential } from './connector-credentials.ts'
import { makeId } from './ids.ts'
import { checkName, duplicate, missing } from './names.ts'
import type { Knobs } from './pipelines.ts'
import { findTenant } from './tenants.ts'

export interface ConnectorRow {
  readonly id: string
  readonly tenantId: string
  readonly name: string
  /** A connector type of the registry. */
  readonly type: string
  readonly state: 'connected' | 'not_connected' | 'expired' | 'refused'
  /** Why it is not connected any more. */
  readonly fault: string | null
  readonly knobs: Knobs
  /** The kind of its credentials; null: there are none. */
  readonly auth: string | null
  /** Of its access token. */
  readonly expiresAt: Date | null
}

/** Credentials as they are given to be sealed. */
export interface NewCredential {
  readonly kind: string
  readonly secret: string
  readonly expiresAt: Date | null
  /** Whether it can be used as it is: an OAuth client without tokens cannot. */
  readonly connected: boolean
}

const columns = `c.id, c.tenant_id as "tenantId", c.name, c.type, c.state, c.fault, c.knobs, x.kind as auth,
  x.expires_at as "expiresAt"`
const from = 'postern.connector c left join postern.connector_credential x on x.connector_id = c.id'

/** By name. */
export async function listConnectors(db: Pool | ClientBase, tenantId: string): Promise<readonly ConnectorRow[]> {
  const listed = await db.query<ConnectorRow>(`select ${columns} from ${from} where c.tenant_id = $1 order by c.name`, [
    tenantId,
  ])
  return listed.rows
}

/** @throws SqlError 42704 for the tenant or the connector */
export async function findConnector(db: Pool | ClientBase, tenant: string, name: string): Promise<ConnectorRow> {
  const { id } = await findTenant(db, tenant)
  const found = await db.query<ConnectorRow>(`select ${columns} from ${from} where c.tenant_id = $1 and c.name = $2`, [
    id,
    name,
  ])
  const row = found.rows[0]
  if (row === undefined) throw missing('connector', name)
  return row
}

export interface NewConnector {
  readonly tenant: string
  readonly name: string
  readonly type: string
  readonly knobs?: Knobs | undefined
  readonly credential?: NewCredential | undefined
}

/** @throws SqlError 42602 for its name, 42704 for the tenant, 42710 where the tenant has one of this name */
export function addConnector(administration: Administration, connector: NewConnector): Promise<ConnectorRow> {
  const { tenant, name, type, knobs = {}, credential } = connector
  checkName('connector', name)
  return administer(administration, async client => {
    const { id: tenantId } = await findTenant(client, tenant)
    const added = await client.query<{ id: string }>(
      `insert into postern.connector (id, tenant_id, name, type, knobs) values ($1, $2, $3, $4, $5)
       on conflict (tenant_id, name) do nothing returning id`,
      [makeId(), tenantId, name, type, JSON.stringify(knobs)],
    )
    const id = added.rows[0]?.id
    if (id === undefined) throw duplicate('connector', name)
    if (credential !== undefined) await writeCredential(client, administration.sealer, id, credential)
    const detail = { connector: name, type, knobs, auth: credential?.kind ?? null }
    return [await findConnector(client, tenant, name), { act: 'connector add', tenant, tenantId, detail }]
  })
}

/** Replaces knobs, credentials or both. @throws SqlError 42704 */
export function setConnector(
  administration: Administration,
  wanted: Pick<NewConnector, 'tenant' | 'name' | 'knobs' | 'credential'>,
): Promise<ConnectorRow> {
  const { tenant, name, knobs, credential } = wanted
  return administer(administration, async client => {
    const { id, tenantId } = await findConnector(client, tenant, name)
    if (knobs !== undefined)
      await client.query('update postern.connector set knobs = $2, changed_at = now() where id = $1', [
        id,
        JSON.stringify(knobs),
      ])
    if (credential !== undefined) await writeCredential(client, administration.sealer, id, credential)
    const detail = {
      connector: name,
      ...(knobs === undefined ? {} : { knobs }),
      ...(credential === undefined ? {} : { auth: credential.kind }),
    }
    return [await findConnector(client, tenant, name), { act: 'connector set', tenant, tenantId, detail }]
  })
}

/** With its credentials, and what pipelines are set to with it. @throws SqlError 42704, 55006 while a run uses it */
export function removeConnector(administration: Administration, tenant: string, name: string): Promise<void> {
  return administer(administration, async client => {
    const { id, tenantId, type } = await findConnector(client, tenant, name)
    const used = await client.query<{ id: string }>(
      'select id from postern.run where connector_id = $1 and ended_at is null limit 1',
      [id],
    )
    const run = used.rows[0]?.id
    if (run !== undefined)
      throw new SqlError({ code: '55006', message: `connector ${JSON.stringify(name)} is used by run ${run}` })
    await client.query('delete from postern.connector where id = $1', [id])
    return [undefined, { act: 'connector remove', tenant, tenantId, detail: { connector: name, type } }]
  })
}
