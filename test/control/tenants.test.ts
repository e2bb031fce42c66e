import { beforeAll, expect, test } from 'vitest'
import { findDatabase, listDatabases } from '../../src/control/database-rows.ts'
import {
  addDatabase,
  markProvisioned,
  removeDatabase,
  setDatabaseDisabled,
  setDatabasePolicy,
} from '../../src/control/databases.ts'
import { openGatePassword, setReader } from '../../src/control/readers.ts'
import {
  addServer,
  findServer,
  listServers,
  openProvisioner,
  removeServer,
  setServerAddress,
} from '../../src/control/servers.ts'
import { addTenant, findTenant, listTenants, removeTenant, setTenantDisabled } from '../../src/control/tenants.ts'
import { addUser, listUsers } from '../../src/control/users.ts'
import { auditRows, type ControlFixture, freshControl } from './fixture.ts'

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
})

const external = { host: 'db.example.com', port: 5432, tlsMode: 'require' } as const

async function tenantWith(name: string): Promise<void> {
  await addTenant(control.administration, { name })
}

test('a tenant is added, listed, found, shut and opened, each with a record', async () => {
  const { administration, owner, service } = control
  const added = await addTenant(administration, { name: 'acme', instructions: 'Be kind.' })
  expect(added).toMatchObject({ name: 'acme', instructions: 'Be kind.', disabledAt: null })
  expect(added.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect((await listTenants(service)).map(tenant => tenant.name)).toEqual(['acme'])
  expect((await setTenantDisabled(administration, 'acme', true)).disabledAt).toBeInstanceOf(Date)
  expect((await setTenantDisabled(administration, 'acme', false)).disabledAt).toBeNull()
  expect(await auditRows(owner, `kind, door, principal, tenant, tenant_id, instance, detail->>'act' as act`)).toEqual(
    ['tenant add', 'tenant disable', 'tenant enable'].map(act => ({
      kind: 'administration',
      door: 'cli',
      principal: 'root',
      tenant: 'acme',
      tenant_id: added.id,
      instance: 'control',
      act,
    })),
  )
})

test('names that cannot be part of a login, twins and strangers are refused', async () => {
  const { administration, service } = control
  for (const name of ['', 'a@b', 'a b', '-a', 'a/b', 'a'.repeat(64)]) {
    await expect(addTenant(administration, { name })).rejects.toMatchObject({ code: '42602' })
  }
  await tenantWith('twin')
  await expect(addTenant(administration, { name: 'twin' })).rejects.toMatchObject({ code: '42710' })
  await expect(findTenant(service, 'nobody')).rejects.toMatchObject({ code: '42704' })
  await expect(setTenantDisabled(administration, 'nobody', true)).rejects.toMatchObject({ code: '42704' })
})

test('an act that fails leaves no record, and a record that fails leaves no act', async () => {
  const { administration, owner, service } = control
  await expect(setTenantDisabled(administration, 'missing', true)).rejects.toThrow()
  const recordless = { ...administration, record: () => Promise.reject(new Error('the log is away')) }
  await expect(addTenant(recordless, { name: 'unseen' })).rejects.toThrow('the log is away')
  await expect(findTenant(service, 'unseen')).rejects.toMatchObject({ code: '42704' })
  const acts = await auditRows(owner, `tenant`)
  expect(acts).not.toContainEqual({ tenant: 'missing' })
  expect(acts).not.toContainEqual({ tenant: 'unseen' })
})

test('a tenant goes only when nothing remains, or when his name is typed', async () => {
  const { administration, owner, service } = control
  await tenantWith('gone')
  await addUser(administration, { tenant: 'gone', login: 'ann', role: 'viewer', verifier: null })
  await addDatabase(administration, {
    tenant: 'gone',
    alias: 'shop',
    kind: 'external',
    server: external,
    dbname: 'shop1',
    schemas: ['public'],
  })
  const refused = { code: '2BP01', detail: 'database shop\nuser ann', hint: expect.stringContaining('disable') }
  await expect(removeTenant(administration, 'gone')).rejects.toMatchObject(refused)
  await expect(removeTenant(administration, 'gone', 'shop')).rejects.toMatchObject(refused)
  await removeTenant(administration, 'gone', 'gone')
  await expect(findTenant(service, 'gone')).rejects.toMatchObject({ code: '42704' })
  expect(await listUsers(service, 'gone')).toEqual([])
  expect((await service.query(`select from postern.principal where name = 'ann'`)).rowCount).toBe(0)
  expect((await listServers(service)).map(server => server.name)).not.toContain('gone/shop')
  const records = await owner.query(
    `select detail from postern.audit_log where tenant = 'gone' and detail->>'act' = 'tenant remove'`,
  )
  expect(records.rows).toEqual([{ detail: { act: 'tenant remove', databases: ['shop'], users: ['ann'] } }])
})

test('a tenant whose managed database stands cannot be forgotten even so', async () => {
  const { administration } = control
  await tenantWith('managed')
  await addServer(administration, 'cluster', external)
  await addDatabase(administration, {
    tenant: 'managed',
    alias: 'main',
    kind: 'managed',
    server: 'cluster',
    dbname: 'managed_main',
    schemas: ['data'],
  })
  await markProvisioned(administration, { tenant: 'managed', alias: 'main' }, { owner: 'o', live: 'l' })
  await expect(removeTenant(administration, 'managed', 'managed')).rejects.toMatchObject({
    code: '2BP01',
    hint: expect.stringContaining('main'),
  })
  await expect(removeDatabase(administration, { tenant: 'managed', alias: 'main' })).rejects.toMatchObject({
    code: '2BP01',
  })
  await expect(removeServer(administration, 'cluster')).rejects.toMatchObject({ code: '2BP01', detail: 'managed/main' })
  await removeDatabase(administration, { tenant: 'managed', alias: 'main' }, 'main')
  await removeServer(administration, 'cluster')
  await removeTenant(administration, 'managed')
})

test('a database is described, served with its server and readers, changed and shut', async () => {
  const { administration, service } = control
  await tenantWith('dbs')
  const server = { ...external, provisioner: { login: 'admin', password: 'hunter2' } }
  const added = await addDatabase(administration, {
    tenant: 'dbs',
    alias: 'shop',
    kind: 'external',
    server,
    dbname: 'shop2',
    schemas: ['a', 'b'],
  })
  expect(added).toMatchObject({
    tenantName: 'dbs',
    alias: 'shop',
    kind: 'external',
    dbname: 'shop2',
    schemas: ['a', 'b'],
    allowedTables: null,
    excludedTables: [],
    pooling: 'transaction',
    provisionedAt: null,
    disabledAt: null,
    readers: [],
    server: {
      name: 'dbs/shop',
      private: true,
      host: 'db.example.com',
      port: 5432,
      tlsMode: 'require',
      provisionerLogin: 'admin',
    },
  })
  const where = { tenant: 'dbs', alias: 'shop' }
  await setReader(administration, where, { gateLogin: 'gate', gatePassword: 'first', readerRole: 'reader' })
  const again = await setReader(administration, where, {
    gateLogin: 'gate',
    gatePassword: 'second',
    readerRole: 'reader',
  })
  const changed = await setDatabasePolicy(administration, where, {
    excludedTables: ['a.secret*'],
    allowedTables: ['a.*'],
  })
  expect(changed).toMatchObject({
    schemas: ['a', 'b'],
    excludedTables: ['a.secret*'],
    allowedTables: ['a.*'],
    readers: [again],
  })
  expect((await setDatabasePolicy(administration, where, { allowedTables: null })).allowedTables).toBeNull()
  expect((await setDatabaseDisabled(administration, where, true)).disabledAt).toBeInstanceOf(Date)
  const read = await findDatabase(service, 'dbs', 'shop')
  expect(openGatePassword(read.readers[0]!, administration.sealer)).toBe('second')
  expect(openProvisioner(read.server, administration.sealer)).toEqual({ login: 'admin', password: 'hunter2' })
  expect((await listDatabases(service, 'dbs')).map(database => database.alias)).toEqual(['shop'])
  await expect(
    addDatabase(administration, { tenant: 'dbs', alias: 'none', kind: 'external', server, dbname: 'x', schemas: [] }),
  ).rejects.toMatchObject({ code: '22023' })
})

test('no secret is in the tables or in the log', async () => {
  const { owner } = control
  const tables =
    await owner.query(`select (select json_agg(s) from postern.server s)::text || (select json_agg(r) from postern.reader r)::text
    || (select json_agg(a) from postern.audit_log a)::text as all`)
  expect(tables.rows[0].all).toContain('gate')
  expect(tables.rows[0].all).not.toMatch(/hunter2|first|second/)
})

test('one database belongs to one tenant, by whichever way it comes', async () => {
  const { administration } = control
  await tenantWith('one')
  await tenantWith('two')
  const shared = { alias: 'x', kind: 'external', dbname: 'shared', schemas: ['public'] } as const
  await addServer(administration, 'host-a', { ...external, host: 'a.example.com' })
  await addServer(administration, 'host-b', { ...external, host: 'b.example.com' })
  await addDatabase(administration, { tenant: 'one', server: 'host-a', ...shared })
  await addDatabase(administration, { tenant: 'one', server: 'host-a', ...shared, alias: 'y' })
  for (const server of ['host-a', { ...external, host: 'A.example.com' }]) {
    await expect(addDatabase(administration, { tenant: 'two', server, ...shared })).rejects.toMatchObject({
      code: '42501',
    })
  }
  await addDatabase(administration, { tenant: 'two', server: 'host-b', ...shared })
  const moved = setServerAddress(administration, 'host-b', { ...external, host: 'a.example.com' })
  await expect(moved).rejects.toMatchObject({ code: '42501' })
})

test('a server keeps its credentials when its address changes', async () => {
  const { administration, service } = control
  await addServer(administration, 'moving', { ...external, provisioner: { login: 'admin', password: 'pw' } })
  await setServerAddress(administration, 'moving', { ...external, port: 6543 })
  const server = await findServer(service, 'moving')
  expect(server.port).toBe(6543)
  expect(openProvisioner(server, administration.sealer)?.password).toBe('pw')
})
