import type { Upstream } from './connection.ts'
import type { PoolGroup } from './pool-group.ts'

export interface PoolOptions {
  /** Tenant database and login: everything in one pool is interchangeable. */
  readonly key: string
  /** Must settle in its own time. */
  readonly connect: (signal: AbortSignal) => Promise<Upstream>
  readonly group: PoolGroup
  readonly sizeMax?: number
  readonly idleTimeoutMs?: number
  readonly lifetimeMs?: number
  /** How long a claim waits for a connection to become free. */
  readonly queueWaitTimeoutMs?: number
  /** How long a claim waits while the server cannot be reached. */
  readonly connectTimeoutMs?: number
  readonly waitingMax?: number
  /** After a failed attempt to connect the next one waits this long, doubling up to the maximum. */
  readonly probeDelayMinMs?: number
  readonly probeDelayMaxMs?: number
}

export const poolDefaults = {
  sizeMax: 20,
  idleTimeoutMs: 10 * 60_000,
  lifetimeMs: 60 * 60_000,
  queueWaitTimeoutMs: 10_000,
  connectTimeoutMs: 5000,
  waitingMax: 1000,
  probeDelayMinMs: 100,
  probeDelayMaxMs: 5000,
} as const
