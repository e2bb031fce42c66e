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
  const { own, others } = provisionedFor(database, principalId)
  const rules = {
    role: 'reader' as const,
    schemas: [...database.schemas, ...own],
    allowedTables: database.allowedTables,
    // Said outright, so that no view and no statistics show what stands in them.
    excludedTables: [...database.excludedTables, ...others.map(name => `${name}.*`)],
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

/** The provisioned schemas that this principal may read, and those that he may not. Their names hold no glob's signs. */
function provisionedFor(database: DatabaseRow, principalId: string): { own: string[]; others: string[] } {
  const [own, others]: [string[], string[]] = [[], []]
  for (const { name, private: isPrivate, principalId: owner, serves } of database.provisioned) {
    if (isPrivate && owner !== principalId) others.push(name)
    else if (serves) own.push(name)
  }
  return { own, others }
}
