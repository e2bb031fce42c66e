/** The policy of one principal on one database, from rows that are read already. */
import { createHash } from 'node:crypto'
import type { Limits, Policy } from '../guard/policy.ts'
import type { DatabaseRow } from './database-rows.ts'
import { type LimitOverrides, resolveLimits } from './limits.ts'

/** @throws SqlError 22023 where a limit that is set is not understood */
export function resolvePolicy(
  defaults: Limits,
  database: DatabaseRow,
  overrides: LimitOverrides,
  principalId: string,
): Policy {
  const rules = {
    role: 'reader' as const,
    schemas: database.schemas,
    allowedTables: database.allowedTables,
    excludedTables: database.excludedTables,
    functions: database.functions,
    foreignTables: database.foreignTables,
    limits: resolveLimits(defaults, {
      tenant: overrides.tenants.get(database.tenantId),
      database: overrides.databases.get(database.id),
      principal: overrides.principals.get(principalId),
    }),
  }
  // A hash of the contents: principals with the same rules share cached verdicts, and no change goes unseen.
  const version = createHash('sha256').update(JSON.stringify(rules)).digest('hex').slice(0, 32)
  return { version, ...rules }
}
