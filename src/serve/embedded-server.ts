/** The embedded cluster as the control database's server `embedded`, with a provisioner who is no superuser. */
import { randomBytes } from 'node:crypto'
import type { Client } from 'pg'
import pg from 'pg'
import type { Administration } from '../control/administration.ts'
import { addServer, listServers, type ServerAddress, setServerAddress } from '../control/servers.ts'
import type { SuperuserTask } from '../provision/managed.ts'
import type { EmbeddedCluster } from './cluster.ts'
import { asSuperuser } from './stores.ts'

export const embeddedServer = 'embedded'

const provisioner = 'postern_provisioner'

/** Written down at the first start; at later ones the address is brought up to date. */
export async function registerEmbedded(cluster: EmbeddedCluster, administration: Administration): Promise<void> {
  const { host, port } = cluster
  const servers = await listServers(administration.pool)
  const known = servers.find(server => server.name === embeddedServer)
  const address: ServerAddress = { host, port, tlsMode: 'disable' }
  if (known === undefined) {
    const password = randomBytes(24).toString('base64url')
    await asSuperuser(cluster, 'postgres', client => makeProvisioner(client, password))
    await addServer(administration, embeddedServer, { ...address, provisioner: { login: provisioner, password } })
  } else if (known.host !== host || known.port !== port) await setServerAddress(administration, embeddedServer, address)
}

async function makeProvisioner(client: Client, password: string): Promise<void> {
  const found = await client.query('select from pg_catalog.pg_roles where rolname = $1', [provisioner])
  const verb = found.rowCount === 0 ? 'create' : 'alter'
  await client.query(`${verb} role ${provisioner} login createrole createdb password ${pg.escapeLiteral(password)}`)
  await client.query(`grant connect on database postgres to ${provisioner}`)
  await client.query(`grant set on parameter temp_file_limit to ${provisioner}`)
}

/** What a superuser does once, done. */
export async function doSuperuserTasks(cluster: EmbeddedCluster, tasks: readonly SuperuserTask[]): Promise<void> {
  for (const { database, sql } of tasks) await asSuperuser(cluster, database, client => client.query(sql))
}
