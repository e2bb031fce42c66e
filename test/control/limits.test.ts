import { beforeAll, expect, test } from 'vitest'
import { findDatabase } from '../../src/control/database-rows.ts'
import { addDatabase } from '../../src/control/databases.ts'
import { checkLimit, readLimitOverrides, readLimits, resolveLimits, setLimit } from '../../src/control/limits.ts'
import { resolvePolicy } from '../../src/control/policies.ts'
import { addTenant } from '../../src/control/tenants.ts'
import { addUser } from '../../src/control/users.ts'
import { defaultLimits } from '../../src/guard/policy.ts'
import { type ControlFixture, freshControl } from './fixture.ts'

test('the later wins: defaults, tenant, database, principal', () => {
  const limits = resolveLimits(defaultLimits, {
    tenant: { rowsMax: 1, bytesMax: 1, cellMaxBytes: 1 },
    database: { rowsMax: 2, bytesMax: 2 },
    principal: { rowsMax: 3 },
  })
  expect(limits).toEqual({ ...defaultLimits, rowsMax: 3, bytesMax: 2, cellMaxBytes: 1 })
  expect(resolveLimits(defaultLimits, {})).toEqual(defaultLimits)
})

test('a name or value that is no limit is refused, in every layer, even where it is overridden', () => {
  for (const bad of [
    { rowMax: 1 },
    { toString: 1 },
    { rowsMax: 0 },
    { rowsMax: 1.5 },
    { rowsMax: '5' },
    { rowsMax: 2 ** 31 },
    { rowsMax: null },
    { atRowLimit: 'ignore' },
    { pushdown: 1 },
  ]) {
    expect(() => resolveLimits(defaultLimits, { tenant: bad, principal: { rowsMax: 5 } })).toThrow(
      expect.objectContaining({ code: '22023' }),
    )
  }
  expect(() => checkLimit('rowsMax', null)).toThrow()
  expect(() => checkLimit('atRowLimit', 'refuse')).not.toThrow()
  for (const [name, value] of Object.entries(defaultLimits)) expect(() => checkLimit(name, value)).not.toThrow()
})

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
  const { administration } = control
  await addTenant(administration, { name: 'acme' })
  const server = { host: 'h', port: 1, tlsMode: 'disable' } as const
  await addDatabase(administration, {
    tenant: 'acme',
    alias: 'shop',
    kind: 'external',
    server,
    dbname: 'd',
    schemas: ['s'],
  })
  await addUser(administration, { tenant: 'acme', login: 'alice', role: 'viewer', verifier: null })
})

test('limits are set, replaced, read and taken back for each scope, and make the policy', async () => {
  const { administration, service } = control
  const tenant = { scope: 'tenant', tenant: 'acme' } as const
  const database = { scope: 'database', tenant: 'acme', alias: 'shop' } as const
  const principal = { scope: 'principal', tenant: 'acme', login: 'alice' } as const
  const row = await findDatabase(service, 'acme', 'shop')
  const alice = (await service.query<{ id: string }>('select id from postern.principal')).rows[0]!.id
  const policy = async () => resolvePolicy(defaultLimits, row, await readLimitOverrides(service), alice)
  const before = await policy()
  expect(before).toMatchObject({ role: 'reader', schemas: ['s'], limits: defaultLimits })
  await setLimit(administration, tenant, 'rowsMax', 10)
  await setLimit(administration, tenant, 'rowsMax', 20)
  await setLimit(administration, database, 'bytesMax', 5000)
  await setLimit(administration, database, 'atRowLimit', 'refuse')
  await setLimit(administration, principal, 'rowsMax', 30)
  expect(await readLimits(service, tenant)).toEqual({ rowsMax: 20 })
  expect(await readLimits(service, database)).toEqual({ atRowLimit: 'refuse', bytesMax: 5000 })
  const after = await policy()
  expect(after.limits).toEqual({ ...defaultLimits, rowsMax: 30, atRowLimit: 'refuse', bytesMax: 5000 })
  expect(after.version).not.toBe(before.version)
  expect(resolvePolicy(defaultLimits, row, await readLimitOverrides(service), 'bob').limits.rowsMax).toBe(20)
  await setLimit(administration, principal, 'rowsMax', undefined)
  await setLimit(administration, tenant, 'rowsMax', undefined)
  await setLimit(administration, database, 'atRowLimit', undefined)
  await setLimit(administration, database, 'bytesMax', undefined)
  expect((await policy()).version).toBe(before.version)
  await expect(setLimit(administration, tenant, 'rows', 1)).rejects.toMatchObject({
    code: '22023',
    hint: expect.stringContaining('rowsMax'),
  })
  await expect(setLimit(administration, { ...tenant, tenant: 'none' }, 'rowsMax', 1)).rejects.toMatchObject({
    code: '42704',
  })
})
