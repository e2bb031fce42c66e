/** A limiter for tests, with a clock that stands still until it is told, and what it logged. */
import pg from 'pg'
import { type CallLimiter, type CallLimiterOptions, createCallLimiter } from '../../src/budgets/call-limiter.ts'
import { RateLimited } from '../../src/budgets/rate-limited.ts'
import type { CallRates } from '../../src/budgets/rates.ts'

export const none: CallRates = {
  principalPerMinute: null,
  principalPerHour: null,
  principalPerDay: null,
  tenantPerMinute: null,
  tenantPerHour: null,
  tenantPerDay: null,
}

/** 12:00:05 of a Tuesday. */
export const noonMs = Date.UTC(2030, 0, 1, 12, 0, 5)

export const alice = { id: 'alice-id', tenant: 'acme-id', name: 'alice' }
export const carol = { id: 'carol-id', tenant: 'acme-id', name: 'carol' }
export const bob = { id: 'bob-id', tenant: 'globex-id', name: 'bob' }

export interface TestLimiter extends CallLimiter {
  readonly clock: { nowMs: number }
  readonly logged: string[]
}

export function testLimiter(
  rates: Partial<CallRates>,
  o: Partial<Pick<CallLimiterOptions, 'control' | 'redis'>> & { store?: 'auto' | 'memory' } = {},
): TestLimiter {
  const clock = { nowMs: noonMs }
  const logged: string[] = []
  const say = (_: object, message: string) => void logged.push(message)
  const log = { debug: say, info: say, warn: say, error: say, child: () => log }
  const limiter = createCallLimiter({
    config: { store: o.store ?? 'auto', query: { ...none, ...rates }, call: none, statement: none },
    control: o.control ?? new pg.Pool(),
    redis: o.redis,
    log,
    now: () => clock.nowMs,
  })
  const { take, setOverrides, close } = limiter
  return {
    take: take.bind(limiter),
    setOverrides: setOverrides.bind(limiter),
    close: close.bind(limiter),
    clock,
    logged,
  }
}

/** How many of `count` calls at once are let through. */
export async function admitted(limiter: CallLimiter, count: number, who = alice): Promise<number> {
  const calls = Array.from({ length: count }, async () => {
    try {
      await limiter.take(who, 'query')
      return 1
    } catch (error) {
      if (error instanceof RateLimited) return 0
      throw error
    }
  })
  return (await Promise.all(calls)).reduce<number>((sum, one) => sum + one, 0)
}
