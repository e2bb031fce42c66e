import { beforeAll, expect, test } from 'vitest'
import { rateWindows } from '../../src/budgets/rates.ts'
import { type Config, loadConfig } from '../../src/config.ts'
import { checkLimit, readLimits, resolveLimits, setLimit } from '../../src/control/limits.ts'
import { addTenant, findTenant } from '../../src/control/tenants.ts'
import { addUser } from '../../src/control/users.ts'
import { defaultLimits } from '../../src/guard/policy.ts'
import { openCallLimiter } from '../../src/serve/rates.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { admitted } from './limiter.ts'

const tenant = { scope: 'tenant', tenant: 'acme' } as const
const alice = { scope: 'principal', tenant: 'acme', login: 'alice' } as const
const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log }

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
  await addTenant(control.administration, { name: 'acme' })
  await addUser(control.administration, { tenant: 'acme', login: 'alice', role: 'analyst', verifier: null })
})

test('every rate of the settings can be set for a tenant by its name', () => {
  const { rates } = loadConfig(undefined, {}).config
  for (const kind of ['query', 'call', 'statement'] as const) {
    for (const { rate } of rateWindows) {
      expect(rates[kind]).toHaveProperty(rate)
      expect(() => checkLimit(`${kind}${rate[0]?.toUpperCase()}${rate.slice(1)}`, 5)).not.toThrow()
    }
  }
})

test('what the command sets is in force for the next call, and is no limit of a statement', async () => {
  const { administration, service } = control
  const { id: tenantId } = await findTenant(service, 'acme')
  const { principalId } = await addUser(administration, {
    tenant: 'acme',
    login: 'bob',
    role: 'analyst',
    verifier: null,
  })
  const bob = { id: principalId, tenant: tenantId, name: 'bob' }
  const config: Config = loadConfig(undefined, {}).config
  const { limiter, reload, close } = openCallLimiter(config, service, log)
  await setLimit(administration, tenant, 'queryPrincipalPerDay', 7)
  await setLimit(administration, tenant, 'queryPrincipalPerMinute', 1_000)
  await reload()
  expect(await admitted(limiter, 50, bob)).toBe(7)
  await setLimit(administration, { ...alice, login: 'bob' }, 'queryPrincipalPerDay', 12)
  await reload()
  expect(await admitted(limiter, 50, bob)).toBe(5)
  await close()
  expect(resolveLimits(defaultLimits, { tenant: await readLimits(service, tenant) })).toEqual(defaultLimits)
})

test('a limit that a tenant shares is not set for one of its users, and none for a database', async () => {
  const { administration } = control
  const refused = { code: '22023' }
  await expect(setLimit(administration, alice, 'queryTenantPerDay', 5)).rejects.toMatchObject(refused)
  const database = { scope: 'database', tenant: 'acme', alias: 'crm' } as const
  await expect(setLimit(administration, database, 'queryPrincipalPerDay', 5)).rejects.toMatchObject(refused)
  await expect(setLimit(administration, tenant, 'queryTenantPerDay', 0)).rejects.toMatchObject(refused)
})
