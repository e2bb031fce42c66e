/** Where counts are kept that several processes share: one number a key, added to atomically. */
import type { Redis } from 'ioredis'
import type { Pool } from 'pg'
import { type RateLimiterAbstract, RateLimiterPostgres, RateLimiterRedis } from 'rate-limiter-flexible'
import type { Log } from '../observe/log.ts'

export interface Counter {
  /**
   * Adds `count` (below 0: gives back) and answers the sum. The key is forgotten `ttlSeconds` after it began or later.
   * Rejects where the store cannot say, within half a second; then it may have been added or not.
   */
  add(key: string, count: number, ttlSeconds: number): Promise<number>
  close(): void
}

const answerTimeoutMs = 500
const cleanEveryMs = 5 * 60_000
const keyPrefix = 'postern:calls'

/** `redis` should neither queue commands while it is away (enableOfflineQueue: false) nor wait long for an answer. */
export function redisCounter(redis: Redis): Counter {
  const limiter = new RateLimiterRedis({ ...library, storeClient: redis, rejectIfRedisNotReady: true })
  return { add: adding(limiter), close: () => {} }
}

/** In table postern.call_count, which is cleaned now and then. */
export function postgresCounter(control: Pool, log: Log): Counter {
  const limiter = new RateLimiterPostgres({
    ...library,
    storeClient: control,
    storeType: 'pool',
    schemaName: 'postern',
    tableName: 'call_count',
    tableCreated: true,
    clearExpiredByTimeout: false,
  })
  const clean = () => {
    control
      .query('delete from postern.call_count where expire < $1', [Date.now()])
      .catch((error: unknown) => log.warn({ error }, 'counts of calls gone by could not be removed'))
  }
  const cleaning = setInterval(clean, cleanEveryMs).unref()
  return { add: adding(limiter), close: () => clearInterval(cleaning) }
}

/** The library counts and knows how long; what a count permits is decided by the windows. */
const library = { keyPrefix, points: 2 ** 31 - 1, duration: 1 }

function adding(limiter: RateLimiterAbstract): Counter['add'] {
  return async (key, count, ttlSeconds) => {
    const added = await inTime(limiter.penalty(key, count, { customDuration: ttlSeconds }))
    return added.consumedPoints
  }
}

function inTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const overdue = setTimeout(() => reject(new Error(`no answer within ${answerTimeoutMs} ms`)), answerTimeoutMs)
    answer.then(resolve, reject).finally(() => clearTimeout(overdue))
  })
}
