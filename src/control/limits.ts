/** Limits as they are set for tenants, databases and principals, and what comes of them together. */
import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'
import type { Limits } from '../guard/policy.ts'
import { type Administration, administer } from './administration.ts'
import { findDatabase } from './database-rows.ts'
import { makeId } from './ids.ts'
import { findTenant } from './tenants.ts'
import { findUser } from './users.ts'

/** Whom a limit is set for, by names. */
export type LimitScope =
  | { readonly scope: 'tenant'; readonly tenant: string }
  | { readonly scope: 'database'; readonly tenant: string; readonly alias: string }
  | { readonly scope: 'principal'; readonly tenant: string; readonly login: string }

/** Limits by name as they stand in the table; not checked yet. */
export type LimitValues = Readonly<Record<string, unknown>>

type LimitKind = 'count' | readonly string[]

const limitKinds: { readonly [Name in keyof Limits]: LimitKind } = {
  rowsMax: 'count',
  bytesMax: 'count',
  cellMaxBytes: 'count',
  statementTimeoutMs: 'count',
  wallClockMs: 'count',
  lockTimeoutMs: 'count',
  idleInTransactionTimeoutMs: 'count',
  idleInTransactionContendedMs: 'count',
  transactionTimeoutMs: 'count',
  statementTextMaxBytes: 'count',
  preparedStatementsMax: 'count',
  portalsMax: 'count',
  upstreamsPerPrincipal: 'count',
  upstreamsPerTenant: 'count',
  atRowLimit: ['truncate', 'refuse'],
  pushdown: ['auto', 'off'],
  pushdownSortedRowsMin: 'count',
}

/** Calls in a window, of a principal or of a whole tenant, as in the configuration's `rates`; counted by budgets. */
const rateNames = ['query', 'call', 'statement'].flatMap(kind =>
  ['Principal', 'Tenant'].flatMap(of => ['Minute', 'Hour', 'Day'].map(span => `${kind}${of}Per${span}`)),
)

// Timeouts reach Postgres as its 32-bit settings.
const countMax = 2 ** 31 - 1

const kindsByName = new Map<string, LimitKind>([
  ...Object.entries(limitKinds),
  ...rateNames.map(name => [name, 'count'] as const),
])

/** @throws SqlError 22023 for a name that is no limit, or a value that the limit cannot have */
export function checkLimit(name: string, value: unknown): void {
  const kind = kindOf(name)
  if (typeof kind === 'object') {
    if (typeof value === 'string' && kind.includes(value)) return
    throw new SqlError({ code: '22023', message: `limit ${name} must be one of: ${kind.join(', ')}` })
  }
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= countMax) return
  throw new SqlError({ code: '22023', message: `limit ${name} must be a whole number from 1 to ${countMax}` })
}

function kindOf(name: string): LimitKind {
  const kind = kindsByName.get(name)
  if (kind !== undefined) return kind
  const hint = `Limits are: ${[...kindsByName.keys()].join(', ')}.`
  throw new SqlError({ code: '22023', message: `${JSON.stringify(name)} is not a limit`, hint })
}

/**
 * The limits of one principal on one database: `defaults`, then what is set for the tenant, the database and the
 * principal; the later wins.
 * @throws SqlError 22023 for a name or value that is none: nobody runs under limits that are not understood
 */
export function resolveLimits(
  defaults: Limits,
  set: {
    readonly tenant?: LimitValues | undefined
    readonly database?: LimitValues | undefined
    readonly principal?: LimitValues | undefined
  },
): Limits {
  for (const layer of [set.tenant, set.database, set.principal]) {
    for (const [name, value] of Object.entries(layer ?? {})) checkLimit(name, value)
  }
  return { ...defaults, ...withoutRates(set.tenant), ...withoutRates(set.database), ...withoutRates(set.principal) }
}

function withoutRates(values: LimitValues | undefined): LimitValues {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([name]) => !rateNames.includes(name)))
}

/** Calls are counted for a principal in his tenant and for the tenant, whichever databases they go to. */
function checkScope(name: string, { scope }: LimitScope): void {
  if (!rateNames.includes(name) || scope === 'tenant' || (scope === 'principal' && name.includes('Principal'))) return
  const whom = name.includes('Principal') ? 'a tenant or a user' : 'a tenant'
  throw new SqlError({ code: '22023', message: `limit ${name} is set for ${whom}` })
}

/** All that is set, by the id of the tenant, database or principal that it is set for. */
export interface LimitOverrides {
  readonly tenants: ReadonlyMap<string, LimitValues>
  readonly databases: ReadonlyMap<string, LimitValues>
  readonly principals: ReadonlyMap<string, LimitValues>
}

export async function readLimitOverrides(pool: Pool): Promise<LimitOverrides> {
  const rows = await pool.query<{
    tenant: string | null
    database: string | null
    principal: string | null
    set: LimitValues
  }>(
    `select tenant_id as tenant, database_id as database, principal_id as principal, jsonb_object_agg(name, value) as set
     from postern.limit_override group by tenant_id, database_id, principal_id`,
  )
  const found = {
    tenants: new Map<string, LimitValues>(),
    databases: new Map<string, LimitValues>(),
    principals: new Map<string, LimitValues>(),
  }
  for (const row of rows.rows) {
    if (row.tenant !== null) found.tenants.set(row.tenant, row.set)
    if (row.database !== null) found.databases.set(row.database, row.set)
    if (row.principal !== null) found.principals.set(row.principal, row.set)
  }
  return found
}

/** Sets a limit, or with `undefined` takes it back. @throws SqlError 22023, 42704 */
export async function setLimit(
  administration: Administration,
  scope: LimitScope,
  name: string,
  value: unknown,
): Promise<void> {
  if (value === undefined) kindOf(name)
  else checkLimit(name, value)
  checkScope(name, scope)
  return administer(administration, async client => {
    const target = await targetOf(client, scope)
    await client.query(`delete from postern.limit_override where ${target.column} = $1 and name = $2`, [
      target.id,
      name,
    ])
    if (value !== undefined) {
      await client.query(
        `insert into postern.limit_override (id, ${target.column}, name, value) values ($1, $2, $3, $4)`,
        [makeId(), target.id, name, JSON.stringify(value)],
      )
    }
    const { scope: kind, tenant, ...whom } = scope
    const act = value === undefined ? 'limit unset' : 'limit set'
    return [undefined, { act, tenant, detail: { scope: kind, ...whom, name, value } }]
  })
}

/** What is set for exactly this scope. @throws SqlError 42704 */
export async function readLimits(pool: Pool, scope: LimitScope): Promise<LimitValues> {
  const target = await targetOf(pool, scope)
  const rows = await pool.query<{ name: string; value: unknown }>(
    `select name, value from postern.limit_override where ${target.column} = $1 order by name`,
    [target.id],
  )
  return Object.fromEntries(rows.rows.map(row => [row.name, row.value]))
}

type LimitColumn = 'tenant_id' | 'database_id' | 'principal_id'

async function targetOf(db: Pool | ClientBase, scope: LimitScope): Promise<{ column: LimitColumn; id: string }> {
  switch (scope.scope) {
    case 'tenant':
      return { column: 'tenant_id', id: (await findTenant(db, scope.tenant)).id }
    case 'database':
      return { column: 'database_id', id: (await findDatabase(db, scope.tenant, scope.alias)).id }
    case 'principal':
      return { column: 'principal_id', id: (await findUser(db, scope)).principalId }
  }
}
