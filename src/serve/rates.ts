/** The limiter of calls with the store that the settings name. */
import { Redis } from 'ioredis'
import type { Pool } from 'pg'
import { type CallLimiter, createCallLimiter } from '../budgets/call-limiter.ts'
import type { Config } from '../config.ts'
import { readLimitOverrides } from '../control/limits.ts'
import { SqlError } from '../errors.ts'
import type { Log } from '../observe/log.ts'

const commandTimeoutMs = 250
const connectTimeoutMs = 2_000
const reconnectMaxMs = 1_000

export interface OpenedLimiter {
  readonly limiter: CallLimiter
  /** Takes over what is set for single tenants and principals. */
  reload(): Promise<void>
  close(): Promise<void>
}

/** Redis need not be up: it is connected to whenever it is, and counted without until then. @throws SqlError F0000 */
export function openCallLimiter(config: Config, control: Pool, log: Log): OpenedLimiter {
  const redis = openRedis(config, log)
  const limiter = createCallLimiter({ config: config.rates, control, redis, log })
  const close = async () => {
    await limiter.close()
    redis?.disconnect()
  }
  const reload = async () => limiter.setOverrides(await readLimitOverrides(control))
  return { limiter, reload, close }
}

function openRedis(config: Config, log: Log): Redis | undefined {
  const { store } = config.rates
  const url = config.redis.url?.reveal()
  if (url === undefined && store === 'redis') {
    throw new SqlError({ code: 'F0000', message: 'rates.store is redis, but redis.url is not set' })
  }
  if (url === undefined || (store !== 'auto' && store !== 'redis')) return undefined
  if (!/^rediss?:\/\//.test(url)) {
    throw new SqlError({ code: 'F0000', message: 'redis.url must begin with redis:// or rediss://' })
  }
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: commandTimeoutMs,
    connectTimeout: connectTimeoutMs,
    retryStrategy: attempt => Math.min(attempt * 50, reconnectMaxMs),
  })
  // Each failed attempt to connect is one; that calls are counted without it is told once, where they are counted.
  redis.on('error', (error: Error) => log.debug({ error }, 'Redis is not reached'))
  return redis
}
