/** Windows that several processes share: in the control database, and in Redis where there is one. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countingControl } from './control.ts'
import { admitted, alice, noonMs, testLimiter } from './limiter.ts'
import { connectRedis, ready, redisIsThere, startRedis, type TestRedis } from './redis.ts'

/** TEST_CALLS=100000 for all that a release must bear. */
const calls = Number(process.env.TEST_CALLS ?? '10000')

describe('in the control database', () => {
  test('two processes together let through exactly the limit', async () => {
    const { service, owner } = await countingControl()
    const rates = { principalPerHour: 500, tenantPerDay: 700 }
    const [one, two] = [testLimiter(rates, { control: service }), testLimiter(rates, { control: service })]
    const through = await Promise.all([admitted(one, 2_000), admitted(two, 2_000)])
    expect(through[0] + through[1]).toBe(500)
    await Promise.all([one.close(), two.close()])
    const counted = await owner.query(
      `select split_part(key, ':', 4) as span, points::int from postern.call_count order by 1`,
    )
    expect(counted.rows).toEqual([
      { span: 'day', points: 500 },
      { span: 'hour', points: 500 },
    ])
  })

  test('what was leased in advance and not used goes back, and others have it', async () => {
    const { service } = await countingControl()
    const rates = { principalPerHour: 40 }
    const one = testLimiter(rates, { control: service })
    for (let call = 0; call < 10; call++) await one.take(alice, 'query')
    await one.close()
    const two = testLimiter(rates, { control: service })
    expect(await admitted(two, 100)).toBe(30)
    await two.close()
  })

  test('while it is away each process counts alone, says so once, and tells it afterwards', async () => {
    const { service, owner } = await countingControl()
    const limiter = testLimiter({ principalPerHour: 100 }, { control: service })
    expect(await admitted(limiter, 30)).toBe(30)
    await owner.query('revoke insert on postern.call_count from postern_service')
    limiter.clock.nowMs += 1_000
    expect(await admitted(limiter, 40)).toBe(40)
    expect(limiter.logged).toEqual(['the store of call counts is away: each process counts alone meanwhile'])
    await owner.query('grant insert on postern.call_count to postern_service')
    limiter.clock.nowMs += 1_000
    expect(await admitted(limiter, 400)).toBe(30)
    expect(limiter.logged.at(-1)).toBe('the store of call counts answers again')
    await limiter.close()
    expect((await owner.query('select points from postern.call_count')).rows).toEqual([{ points: 100 }])
  })
})

describe.skipIf(!redisIsThere)('in Redis (skipped where no redis-server is on the PATH)', () => {
  let redis: TestRedis
  const clients: Redis[] = []
  const client = async () => {
    const connected = connectRedis(redis.url)
    clients.push(connected)
    await ready(connected)
    return connected
  }
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(async () => {
    for (const connected of clients) connected.disconnect()
    await redis.kill()
  })

  test(`two processes with ${calls} calls at once let through exactly the limit`, async () => {
    const limit = 1_234
    const processes = await Promise.all([startOther(limit, calls / 2), startOther(limit, calls / 2)])
    const through = await Promise.all(processes.map(other => other.go()))
    expect(through.reduce((sum, one) => sum + one, 0)).toBe(limit)
    const [key] = await (await client()).keys('postern:calls:query:day:*')
    expect(await clients[0]!.get(key!)).toBe(String(limit))
  })

  test('killed while calls come, it is done without; back and empty, it learns what was had, and counts again', async () => {
    const limiter = testLimiter({ principalPerHour: 1_000 }, { redis: await client() })
    const other = testLimiter({ principalPerHour: 1_000 }, { redis: await client() })
    expect(await admitted(limiter, 300)).toBe(300)
    await redis.kill()
    limiter.clock.nowMs += 1_000
    expect(await admitted(limiter, 200)).toBe(200)
    expect(limiter.logged.filter(line => line.includes('away'))).toHaveLength(1)
    await redis.start()
    await Promise.all(clients.map(ready))
    limiter.clock.nowMs += 1_000
    expect(await admitted(limiter, 100)).toBe(100)
    expect(limiter.logged.at(-1)).toMatch(/answers again/)
    await limiter.close()
    expect(await admitted(other, 5_000)).toBe(400)
    await other.close()
  })

  test('one that hangs delays nobody for long, and nobody twice', async () => {
    const connected = await client()
    const limiter = testLimiter({ principalPerMinute: 50, principalPerHour: 1_000 }, { redis: connected })
    redis.hang()
    expect(await admitted(limiter, 100, { ...alice, id: 'other-id' })).toBe(50)
    expect(limiter.logged).toHaveLength(1)
    redis.goOn()
    await limiter.close()
  })

  async function startOther(limit: number, count: number): Promise<{ go(): Promise<number> }> {
    const script = join(import.meta.dirname, 'other-process.ts')
    const child = spawn(process.execPath, [script, redis.url, String(limit), String(count)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    await lines.next()
    return {
      async go() {
        const exit = once(child, 'exit')
        child.stdin.write('go\n')
        const { value } = await lines.next()
        // It ends by itself: nothing keeps it alive.
        expect(await exit).toEqual([0, null])
        return Number(value)
      },
    }
  }
})

test('the noon of these tests is one at which nothing turns', () => {
  expect(noonMs % 60_000).toBe(5_000)
})
