/** What Postgres itself enforces on a gate when everything else fails, from the widest limits that anybody has. */
import type { Config } from '../config.ts'
import type { DatabaseRow } from '../control/database-rows.ts'
import type { LimitOverrides } from '../control/limits.ts'
import { resolvePolicy } from '../control/policies.ts'
import type { Limits } from '../guard/policy.ts'
import { defaultGatePins, type GatePins } from '../provision/gate.ts'

/** Our own timers fire first: they leave the client's connection alive. */
const patienceMs = 10_000
/** All instances together, during a rolling restart two of them, and room for our own questions. */
const poolsAtOnce = 2

/** @throws SqlError 22023 where a limit that is set is not understood */
export function pinsFor(config: Config, row: DatabaseRow, overrides: LimitOverrides): GatePins {
  const everybody = ['', ...overrides.principals.keys()].map(
    id => resolvePolicy(config.limits, row, overrides, id).limits,
  )
  const widest = (limit: (limits: Limits) => number) => Math.max(...everybody.map(limit))
  return {
    ...defaultGatePins,
    statementTimeoutMs: widest(limits => limits.statementTimeoutMs),
    lockTimeoutMs: widest(limits => limits.lockTimeoutMs),
    idleInTransactionTimeoutMs: widest(limits => limits.idleInTransactionTimeoutMs) + patienceMs,
    transactionTimeoutMs: widest(limits => limits.transactionTimeoutMs) + patienceMs,
    connectionsMax: Math.max(defaultGatePins.connectionsMax, config.pool.sizeMax * poolsAtOnce),
  }
}
