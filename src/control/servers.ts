import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import { checkName, duplicate, missing } from './names.ts'
import type { Sealer } from './sealer.ts'
import { refuseSecondTenant } from './second-tenant.ts'

export type TlsMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

export interface ServerRow {
  readonly id: string
  readonly name: string
  /** Described together with its one database, and goes with it. */
  readonly private: boolean
  /** Host name, address, or absolute path of a socket folder. */
  readonly host: string
  readonly port: number
  readonly tlsMode: TlsMode
  /** PEM, or null: the system's. */
  readonly tlsCa: string | null
  readonly maintenanceDatabase: string
  readonly provisionerLogin: string | null
  readonly provisionerPasswordSealed: string | null
}

export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly tlsMode: TlsMode
  readonly tlsCa?: string | undefined
  /** Where the provisioner connects when no tenant's database is meant; `postgres` where not given. */
  readonly maintenanceDatabase?: string | undefined
  readonly provisioner?: { readonly login: string; readonly password: string } | undefined
}

export const serverColumns = `s.id, s.name, s.private, s.host, s.port, s.tls_mode as "tlsMode", s.tls_ca as "tlsCa",
  s.maintenance_database as "maintenanceDatabase", s.provisioner_login as "provisionerLogin",
  s.provisioner_password_sealed as "provisionerPasswordSealed"`

/** @throws SqlError 42602, 42710 */
export async function addServer(
  administration: Administration,
  name: string,
  address: ServerAddress,
): Promise<ServerRow> {
  checkName('server', name)
  return administer(administration, async client => {
    const row = await insertServer(client, administration.sealer, { name, private: false, address })
    return [row, { act: 'server add', detail: describe(row) }]
  })
}

export async function insertServer(
  client: ClientBase,
  sealer: Sealer,
  server: { readonly name: string; readonly private: boolean; readonly address: ServerAddress },
): Promise<ServerRow> {
  const id = makeId()
  const { host, port, tlsMode, tlsCa, maintenanceDatabase, provisioner } = server.address
  const sealed = provisioner === undefined ? null : sealer.seal(provisioner.password, passwordContext(id))
  const added = await client.query<ServerRow>(
    `insert into postern.server as s
       (id, name, private, host, port, tls_mode, tls_ca, maintenance_database, provisioner_login, provisioner_password_sealed)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (name) do nothing returning ${serverColumns}`,
    [
      id,
      server.name,
      server.private,
      host,
      port,
      tlsMode,
      tlsCa ?? null,
      maintenanceDatabase ?? 'postgres',
      provisioner?.login ?? null,
      sealed,
    ],
  )
  const row = added.rows[0]
  if (row === undefined) throw duplicate('server', server.name)
  return row
}

export async function listServers(pool: Pool): Promise<readonly ServerRow[]> {
  return (await pool.query<ServerRow>(`select ${serverColumns} from postern.server s order by s.name`)).rows
}

/** @throws SqlError 42704 */
export async function findServer(db: Pool | ClientBase, name: string): Promise<ServerRow> {
  const found = await db.query<ServerRow>(`select ${serverColumns} from postern.server s where s.name = $1`, [name])
  const row = found.rows[0]
  if (row === undefined) throw missing('server', name)
  return row
}

/** New address or credentials; databases on it are reached anew. @throws SqlError 42704 */
export function setServerAddress(
  administration: Administration,
  name: string,
  address: ServerAddress,
): Promise<ServerRow> {
  return administer(administration, async client => {
    const { id } = await findServer(client, name)
    const { provisioner } = address
    const sealed =
      provisioner === undefined ? null : administration.sealer.seal(provisioner.password, passwordContext(id))
    const set = await client.query<ServerRow>(
      `update postern.server s set host = $2, port = $3, tls_mode = $4, tls_ca = $5, maintenance_database = $6,
         provisioner_login = coalesce($7, s.provisioner_login),
         provisioner_password_sealed = coalesce($8, s.provisioner_password_sealed)
       where s.id = $1 returning ${serverColumns}`,
      [
        id,
        address.host,
        address.port,
        address.tlsMode,
        address.tlsCa ?? null,
        address.maintenanceDatabase ?? 'postgres',
        provisioner?.login ?? null,
        sealed,
      ],
    )
    const row = set.rows[0]!
    await refuseSecondTenant(client)
    return [row, { act: 'server set', detail: describe(row) }]
  })
}

/** @throws SqlError 42704; 2BP01 while databases are on it */
export function removeServer(administration: Administration, name: string): Promise<void> {
  return administer(administration, async client => {
    const server = await findServer(client, name)
    const left = await client.query<{ alias: string }>(
      `select t.name || '/' || d.alias as alias from postern.database d join postern.tenant t on t.id = d.tenant_id
       where d.server_id = $1 order by 1`,
      [server.id],
    )
    if (left.rows.length > 0) {
      throw new SqlError({
        code: '2BP01',
        message: `server ${JSON.stringify(name)} still has databases (${left.rows.length})`,
        detail: left.rows.map(row => row.alias).join('\n'),
        hint: 'Remove these databases first.',
      })
    }
    await client.query('delete from postern.server where id = $1', [server.id])
    return [undefined, { act: 'server remove', detail: describe(server) }]
  })
}

/** The provisioner's credentials, opened; null where the server has none. @throws SqlError XX001 */
export function openProvisioner(server: ServerRow, sealer: Sealer): { login: string; password: string } | null {
  if (server.provisionerLogin === null || server.provisionerPasswordSealed === null) return null
  return {
    login: server.provisionerLogin,
    password: sealer.open(server.provisionerPasswordSealed, passwordContext(server.id)),
  }
}

function passwordContext(serverId: string): string {
  return `server/${serverId}/provisioner-password`
}

function describe(server: ServerRow): Record<string, unknown> {
  return { server: server.name, host: server.host, port: server.port, provisioner: server.provisionerLogin }
}
