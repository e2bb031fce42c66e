import { afterAll, beforeAll, expect, test } from 'vitest'
import { findDatabase } from '../../src/control/database-rows.ts'
import { addDatabase } from '../../src/control/databases.ts'
import { setDatabaseProvision } from '../../src/control/tenant-schemas.ts'
import { listProvisioned } from '../../src/provision/schemas.ts'
import { dropRow, provisionRow, schemaTargetOf } from '../../src/serve/provisioning.ts'
import { administratorOf, asSuperuser } from '../provision/tenants.ts'
import { type FreshDatabase, freshDatabase } from '../support/cluster.ts'
import { codeOf, type Stand, stand } from './stand.ts'

let acme: Stand
let shop: FreshDatabase
const shops: FreshDatabase[] = []
const where = { tenant: 'acme', alias: 'shop' }
const shopRow = () => findDatabase(acme.control.service, where.tenant, where.alias)

beforeAll(async () => {
  acme = await stand()
})
afterAll(async () => {
  await acme.stop()
  for (const one of shops) await one.drop()
})

/** As it was given: in the name of whoever owns it, who is no superuser. */
async function describe(o: { provisioner: boolean }): Promise<void> {
  const { control } = acme
  shop = await freshDatabase()
  shops.push(shop)
  const { host, port, user, password } = await administratorOf('plain')
  await asSuperuser(null, query => query(`alter database ${shop.name} owner to ${user}`))
  await asSuperuser(shop.name, async query => {
    await query(`create schema app authorization ${user}`)
    await query(`create table app.orders (id int); alter table app.orders owner to ${user}`)
  })
  const server = { host, port, tlsMode: 'disable' as const }
  await addDatabase(control.administration, {
    ...where,
    kind: 'external',
    dbname: shop.name,
    schemas: ['app'],
    server: o.provisioner ? { ...server, provisioner: { login: user, password } } : server,
  })
}

test('an external database takes schemas where its administrator is known and the operator has said so', async () => {
  const { control, config, databases, schemas, alice, query } = acme
  await describe({ provisioner: true })
  await provisionRow(control.administration, await shopRow(), config)
  await databases.reload()
  const database = databases.find(alice, 'shop')
  expect(await codeOf(schemas.provision(alice, database, { purpose: 'drafts' }))).toBe('55000')
  await setDatabaseProvision(control.service, database.id, true)
  const { schema } = await schemas.provision(alice, database, { purpose: 'drafts' })
  const target = schemaTargetOf(await shopRow(), control.administration.sealer)
  expect(await listProvisioned(target)).toEqual([schema.name])
  await asSuperuser(shop.name, async superuser => {
    await superuser(`set role ${target.roles.owner}`)
    await superuser(`create table ${schema.name}.t as select 1 as n`)
  })
  expect((await database.prove()).passed).toBe(true)
  expect(await query(alice, `select n from ${schema.name}.t`, 'shop')).toEqual([['1']])
  // It is not forgotten with data of users in it unless that is said.
  expect(await codeOf(dropRow(control.administration, await shopRow(), undefined))).toBe('2BP01')
  await setDatabaseProvision(control.service, database.id, false)
  expect((await schemas.teardown(alice, schema.id)).state).toBe('expired')
  expect(await codeOf(schemas.provision(alice, database, { purpose: 'drafts' }))).toBe('55000')
  await dropRow(control.administration, await shopRow(), undefined)
  await databases.reload()
  const left = await asSuperuser(shop.name, superuser =>
    superuser(`select nspname from pg_namespace where nspname !~ '^(pg_|information_schema|public)' order by 1`),
  )
  expect(left).toEqual([['app']])
})

test('one that is used with a login alone takes none, whatever was said', async () => {
  const { control, schemas, alice } = acme
  await describe({ provisioner: false })
  const row = await shopRow()
  await setDatabaseProvision(control.service, row.id, true)
  const database = { id: row.id, alias: row.alias, tenant: row.tenantId }
  expect(await codeOf(schemas.provision(alice, database, { purpose: 'drafts' }))).toBe('55000')
  expect(await schemas.list(alice)).toEqual([])
  await dropRow(control.administration, row, undefined)
})
