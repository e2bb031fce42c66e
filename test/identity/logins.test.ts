import { beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { watchChanges } from '../../src/control/config-version.ts'
import { addTenant, setTenantDisabled } from '../../src/control/tenants.ts'
import { addUser, removeUser, setPassword, setUserDisabled, setUserRole } from '../../src/control/users.ts'
import { Logins } from '../../src/identity/logins.ts'
import { findWithdrawn, type Principal } from '../../src/identity/principal.ts'
import { makeVerifier, parseVerifier } from '../../src/wire/scram.ts'
import { type ControlFixture, controlPool, freshControl } from '../control/fixture.ts'

let control: ControlFixture
let verifier: string
let nowMs = 0
let logins: Logins

beforeAll(async () => {
  control = await freshControl()
  verifier = await makeVerifier('secret')
  await addTenant(control.administration, { name: 'acme' })
  await addUser(control.administration, { tenant: 'acme', login: 'alice', role: 'analyst', verifier })
  await addUser(control.administration, { tenant: 'acme', login: 'bob@example.com', role: 'viewer', verifier })
})

beforeEach(() => {
  logins = new Logins({ pool: control.service, mockSecret: new Uint8Array(32).fill(3), clock: () => nowMs })
})

test('alice@acme is found with her verifier, tenant, role and scopes', async () => {
  const { principal, verifier: found } = await logins.find('alice@acme')
  expect(found).toEqual(parseVerifier(verifier))
  expect(principal).toMatchObject({
    tenantName: 'acme',
    name: 'alice',
    login: 'alice@acme',
    role: 'analyst',
    via: 'scram',
    expiresAt: null,
  })
  expect([...principal!.scopes].sort()).toEqual(['data:read', 'knowledge:write', 'materialize:run', 'schema:provision'])
})

test('without a tenant the only one is meant; what stands after the last @ is the tenant', async () => {
  expect((await logins.find('alice')).principal?.login).toBe('alice@acme')
  expect((await logins.find('bob@example.com@acme')).principal?.name).toBe('bob@example.com')
  expect((await logins.find('bob@example.com')).principal).toBeNull()
})

test('strangers get a mock that stays the same, over restarts too, and differs by name', async () => {
  const again = new Logins({ pool: control.service, mockSecret: new Uint8Array(32).fill(3), clock: () => nowMs })
  const nobody = await logins.find('nobody@acme')
  expect(nobody.principal).toBeNull()
  expect(nobody.verifier.iterations).toBe(parseVerifier(verifier).iterations)
  expect(nobody.verifier.salt.length).toBe(parseVerifier(verifier).salt.length)
  expect((await again.find('nobody@acme')).verifier).toEqual(nobody.verifier)
  expect((await logins.find('nobody@other')).verifier.salt).not.toEqual(nobody.verifier.salt)
  for (const odd of ['', '@', 'alice@', '@acme', 'x'.repeat(10_000), 'a\u0000b@acme']) {
    expect((await logins.find(odd)).principal, odd).toBeNull()
  }
})

test('known and unknown alike are asked for once while fresh, however many ask', async () => {
  const query = vi.spyOn(control.service, 'query')
  for (const name of ['alice@acme', 'nobody@acme']) {
    query.mockClear()
    const all = await Promise.all(Array.from({ length: 20 }, () => logins.find(name)))
    expect(new Set(all).size).toBe(1)
    nowMs += 59_000
    await logins.find(name)
    expect(query).toHaveBeenCalledTimes(1)
    nowMs += 2_000
    await logins.find(name)
    expect(query).toHaveBeenCalledTimes(2)
  }
  query.mockRestore()
})

test('a change is in force within a second, through the watch', async () => {
  const watch = await watchChanges(control.service, () => logins.forget())
  const eve = { tenant: 'acme', login: 'eve' }
  const now = async () => (await logins.find('eve@acme')).principal?.role
  try {
    expect(await now()).toBeUndefined()
    await addUser(control.administration, { ...eve, role: 'viewer', verifier })
    await vi.waitFor(async () => expect(await now()).toBe('viewer'), { timeout: 1_000, interval: 5 })
    await setUserRole(control.administration, { ...eve, role: 'admin' })
    await vi.waitFor(async () => expect(await now()).toBe('admin'), { timeout: 1_000, interval: 5 })
    const other = await makeVerifier('other')
    await setPassword(control.administration, { ...eve, verifier: other })
    await vi.waitFor(async () => expect((await logins.find('eve@acme')).verifier).toEqual(parseVerifier(other)), {
      timeout: 1_000,
      interval: 5,
    })
    await setUserDisabled(control.administration, eve, true)
    await vi.waitFor(async () => expect(await now()).toBeUndefined(), { timeout: 1_000, interval: 5 })
  } finally {
    await watch.close()
    await removeUser(control.administration, eve)
  }
})

test('what was being read when a change came is read again before it is given out', async () => {
  const query = vi.spyOn(control.service, 'query')
  const reading = logins.find('alice@acme')
  logins.forget()
  await reading
  expect(query).toHaveBeenCalledTimes(2)
  await logins.find('alice@acme')
  expect(query).toHaveBeenCalledTimes(2)
  query.mockRestore()
})

test('when the control database is away, what is fresh still counts and all else is refused', async () => {
  const pool = controlPool(control.database, 'service', 1)
  const held = new Logins({ pool, mockSecret: new Uint8Array(32), clock: () => nowMs })
  await held.find('alice@acme')
  const query = vi
    .spyOn(pool, 'query')
    .mockImplementation(() => Promise.reject(new Error('connect ECONNREFUSED 10.1.2.3')))
  expect((await held.find('alice@acme')).principal?.name).toBe('alice')
  const refused = { code: '57P03', message: expect.not.stringContaining('10.1.2.3') }
  await expect(held.find('nobody@acme')).rejects.toMatchObject(refused)
  nowMs += 60_001
  await expect(held.find('alice@acme')).rejects.toMatchObject(refused)
  query.mockRestore()
  expect((await held.find('alice@acme')).principal?.name).toBe('alice')
})

test('names that do not exist push out neither those that do nor memory', async () => {
  const small = new Logins({ pool: control.service, mockSecret: new Uint8Array(32), clock: () => nowMs, entriesMax: 5 })
  await small.find('alice@acme')
  for (let i = 0; i < 20; i++) await small.find(`nobody${i}@acme`)
  const query = vi.spyOn(control.service, 'query')
  await small.find('alice@acme')
  await small.find('nobody19@acme')
  expect(query).not.toHaveBeenCalled()
  await small.find('nobody1@acme')
  expect(query).toHaveBeenCalledTimes(1)
  query.mockRestore()
})

test('those with anything open are reviewed together: who is disabled, or in no tenant any more, must go', async () => {
  const { administration, service } = control
  const alice = (await logins.find('alice@acme')).principal!
  const bob = (await logins.find('bob@example.com@acme')).principal!
  const openOf = ({ id, tenant }: Principal) => ({ principalId: id, tenantId: tenant, credential: null })
  const elsewhere = { ...openOf(alice), tenantId: 'aaaaaaaa-0000-7000-8000-000000000000' }
  const open = [openOf(alice), openOf(bob), elsewhere]
  await setUserDisabled(administration, { tenant: 'acme', login: 'bob@example.com' }, true)
  expect(await findWithdrawn(service, open)).toEqual([open[1], elsewhere])
  await setTenantDisabled(administration, 'acme', true)
  expect(await findWithdrawn(service, [openOf(alice)])).toEqual([openOf(alice)])
  await setTenantDisabled(administration, 'acme', false)
  expect(await findWithdrawn(service, [])).toEqual([])
})

test('a login that is known costs microseconds', async () => {
  await logins.find('alice@acme')
  const rounds = 20_000
  const startMs = performance.now()
  for (let i = 0; i < rounds; i++) await logins.find('alice@acme')
  expect(((performance.now() - startMs) / rounds) * 1_000).toBeLessThan(50)
})
