/** The demo: two tenants with a database each, made once. */
import type { Config } from '../config.ts'
import type { Administration } from '../control/administration.ts'
import { type DatabaseRow, findDatabase, listDatabases } from '../control/database-rows.ts'
import { addTenant, listTenants } from '../control/tenants.ts'
import { addUser, listUsers, setPassword } from '../control/users.ts'
import { type DemoTenant, seedDemo } from '../embedded/demo.ts'
import { makeVerifier } from '../wire/scram.ts'
import type { EmbeddedCluster } from './cluster.ts'
import { writeDemoKnowledge } from './demo-knowledge.ts'
import { doSuperuserTasks, embeddedServer } from './embedded-server.ts'
import { createManaged, grantRow, provisionRow } from './provisioning.ts'
import { asSuperuser } from './stores.ts'

export interface DemoUser {
  readonly tenant: DemoTenant
  readonly login: string
  readonly password: string
}

const alias = 'crm'

/** Makes what is missing of a demo tenant, and gives its user this password. Answers its database. */
export async function makeDemoTenant(
  config: Config,
  cluster: EmbeddedCluster,
  administration: Administration,
  user: DemoUser,
): Promise<DatabaseRow> {
  const { tenant, login } = user
  const { pool } = administration
  const tenants = await listTenants(pool)
  if (!tenants.some(row => row.name === tenant)) await addTenant(administration, { name: tenant })
  const verifier = await makeVerifier(user.password)
  const users = await listUsers(pool, tenant)
  if (users.some(row => row.login === login)) await setPassword(administration, { tenant, login, verifier })
  else await addUser(administration, { tenant, login, role: 'analyst', verifier })

  const databases = await listDatabases(pool, tenant)
  const known = databases.find(row => row.alias === alias)
  if (known === undefined) await writeDemoKnowledge(administration, tenant)
  const tasks =
    known === undefined
      ? await createManaged(administration, { tenant, alias, server: embeddedServer, schemas: ['crm'] }, config)
      : await provisionRow(administration, known, config)
  await doSuperuserTasks(cluster, tasks)
  const row = await findDatabase(pool, tenant, alias)
  await asSuperuser(cluster, row.dbname, client => seedDemo(client, { tenant, owner: row.ownerRole ?? undefined }))
  await grantRow(row, administration.sealer)
  return row
}
