import { describe, expect, test } from 'vitest'
import { RateLimited } from '../../src/budgets/rate-limited.ts'
import { loadConfig } from '../../src/config.ts'
import { admitted, alice, bob, carol, testLimiter } from './limiter.ts'

const memory = { store: 'memory' } as const

describe('of parallel callers', () => {
  test('as many get through as the limit says, and not one more', async () => {
    const limiter = testLimiter({ principalPerMinute: 60 }, memory)
    expect(await admitted(limiter, 1_000)).toBe(60)
    await limiter.close()
  })

  test('each principal has his own window, and all of a tenant share the tenant’s', async () => {
    const limiter = testLimiter({ principalPerMinute: 60, tenantPerDay: 100 }, memory)
    expect(await admitted(limiter, 80, alice)).toBe(60)
    expect(await admitted(limiter, 80, carol)).toBe(40)
    expect(await admitted(limiter, 80, bob)).toBe(60)
    await limiter.close()
  })

  test('one who is refused by the day’s window has spent nothing of the minute’s', async () => {
    const limiter = testLimiter({ principalPerMinute: 5, tenantPerDay: 3 }, memory)
    expect(await admitted(limiter, 100)).toBe(3)
    limiter.setOverrides({ tenants: new Map([['acme-id', { queryTenantPerDay: 1_000 }]]), principals: new Map() })
    limiter.clock.nowMs += 1_000
    expect(await admitted(limiter, 100)).toBe(2)
    await limiter.close()
  })
})

test('a refusal says whose limit it was, and how long to wait', async () => {
  const limiter = testLimiter({ principalPerMinute: 1 }, memory)
  await limiter.take(alice, 'query')
  const refused = await Promise.resolve(limiter.take(alice, 'query')).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(RateLimited)
  expect(refused).toMatchObject({
    code: '53400',
    message: '"alice" has no queries left this minute; the limit is 1',
    retryAfterMs: 55_000,
  })
  expect((refused as RateLimited).hint).toMatch(/^Wait 55 s/)
  await limiter.close()
})

test('the window empties when the clock leaves it', async () => {
  const limiter = testLimiter({ principalPerMinute: 2, principalPerHour: 3 }, memory)
  expect(await admitted(limiter, 9)).toBe(2)
  limiter.clock.nowMs += 55_000
  expect(await admitted(limiter, 9)).toBe(1)
  limiter.clock.nowMs += 60 * 60_000
  expect(await admitted(limiter, 9)).toBe(2)
  await limiter.close()
})

test('what has no window is not counted, and does not even make a promise', () => {
  const limiter = testLimiter({ principalPerMinute: 1 }, memory)
  for (let call = 0; call < 100; call++) expect(limiter.take(alice, 'statement')).toBeUndefined()
  return limiter.close()
})

test('a tenant’s own limits win over the settings, a principal’s over the tenant’s, from the next call on', async () => {
  const limiter = testLimiter({ principalPerMinute: 10 }, memory)
  expect(await admitted(limiter, 4)).toBe(4)
  const tenants = new Map([['acme-id', { queryPrincipalPerMinute: 6, rowsMax: 5 }]])
  limiter.setOverrides({ tenants, principals: new Map([['carol-id', { queryPrincipalPerMinute: 8 }]]) })
  expect(await admitted(limiter, 20, alice)).toBe(2)
  expect(await admitted(limiter, 20, carol)).toBe(8)
  expect(await admitted(limiter, 20, bob)).toBe(10)
  await limiter.close()
})

test('the settings: 60 queries a minute and 1,000 an hour each, 20,000 a day together; the wire is not counted', () => {
  const { config } = loadConfig(undefined, {})
  expect(config.rates).toMatchObject({
    store: 'auto',
    query: { principalPerMinute: 60, principalPerHour: 1_000, principalPerDay: null, tenantPerDay: 20_000 },
    statement: { principalPerMinute: null, tenantPerDay: null },
  })
  const careful = {
    POSTERN_RATES_QUERY_PRINCIPAL_PER_MINUTE: '10',
    POSTERN_RATES_QUERY_PRINCIPAL_PER_HOUR: '100',
    POSTERN_RATES_QUERY_TENANT_PER_DAY: '1000',
    POSTERN_RATES_CALL_PRINCIPAL_PER_MINUTE: 'off',
  }
  expect(loadConfig(undefined, careful).config.rates).toMatchObject({
    query: { principalPerMinute: 10, principalPerHour: 100, tenantPerDay: 1_000 },
    call: { principalPerMinute: null },
  })
  expect(() => loadConfig(undefined, { POSTERN_RATES_QUERY_PRINCIPAL_PER_MINUTE: '0' })).toThrow(/at least 1/)
})
