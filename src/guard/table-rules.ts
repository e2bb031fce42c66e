/** Which relations a policy lets through, by name: schemas, allow and exclude globs, foreign tables. */
import type { CatalogRelation, CatalogSnapshot } from './catalog.ts'
import { isKnownExtension } from './extensions.ts'
import type { Policy } from './policy.ts'

export interface TableRules {
  readonly schemas: ReadonlySet<string>
  readonly functions: ReadonlySet<string>
  readonly foreignTables: ReadonlySet<string>
  /** Listed in allowedTables, or nothing is listed there. */
  allows(qualified: string): boolean
  excludes(qualified: string): boolean
  /** Whether some tables of the schemas are kept from the principal. */
  readonly restricts: boolean
  /** Answers already found; '' for none. */
  readonly reasons: WeakMap<CatalogRelation, string>
}

const compiled = new WeakMap<Policy, TableRules>()

export function tableRulesOf(policy: Policy): TableRules {
  const known = compiled.get(policy)
  if (known !== undefined) return known
  const allowed = policy.allowedTables?.map(globPattern)
  const excluded = policy.excludedTables.map(globPattern)
  const rules: TableRules = {
    schemas: new Set(policy.schemas),
    functions: new Set(policy.functions),
    foreignTables: new Set(policy.foreignTables),
    allows: qualified => allowed === undefined || allowed.some(pattern => pattern.test(qualified)),
    excludes: qualified => excluded.some(pattern => pattern.test(qualified)),
    restricts: allowed !== undefined || excluded.length > 0,
    reasons: new WeakMap(),
  }
  compiled.set(policy, rules)
  return rules
}

/**
 * Why a principal may not read this relation, or undefined. What an excluded table shows through views,
 * materialized views, partitions and their parents is excluded with it.
 */
export function whyNotReadable(
  rules: TableRules,
  catalog: CatalogSnapshot,
  relation: CatalogRelation,
): string | undefined {
  const known = rules.reasons.get(relation)
  if (known !== undefined) return known === '' ? undefined : known
  const reason = findReason(rules, catalog, relation)
  rules.reasons.set(relation, reason ?? '')
  return reason
}

function findReason(rules: TableRules, catalog: CatalogSnapshot, relation: CatalogRelation): string | undefined {
  const name = `${relation.schema}.${relation.name}`
  if (!rules.schemas.has(relation.schema)) return 'its schema is outside the policy'
  if (rules.excludes(name)) return 'it is excluded by the policy'
  if (!rules.allows(name)) return 'it is not among the allowed tables'
  if (relation.kind === 'f' && !rules.foreignTables.has(name)) return 'foreign tables must be admitted by name'
  if (relation.refused !== null) return relation.refused
  if (showsExcluded(rules, catalog, relation)) return 'it shows a table that is excluded by the policy'
  const call = relation.calls.find(called => !rules.functions.has(called))
  if (call !== undefined) return `it calls ${call}, which is not among the allowed functions`
  return showsForeign(rules, catalog, relation) ? 'it shows a foreign table that is not admitted' : undefined
}

function showsForeign(rules: TableRules, catalog: CatalogSnapshot, relation: CatalogRelation): boolean {
  if (catalog.foreignTables.size === 0) return false
  const isForeign = (name: string) => catalog.foreignTables.has(name) && !rules.foreignTables.has(name)
  if (relation.kin.some(isForeign) || relation.reads.some(isForeign)) return true
  return relation.reads.some(read => findByName(catalog, read)?.kin.some(isForeign) === true)
}

function showsExcluded(rules: TableRules, catalog: CatalogSnapshot, relation: CatalogRelation): boolean {
  if (relation.kin.some(rules.excludes) || relation.reads.some(rules.excludes)) return true
  if (rules.restricts && relation.reads.some(read => valueStatistics.has(read))) return true
  return relation.reads.some(read => findByName(catalog, read)?.kin.some(rules.excludes) === true)
}

/** By `schema.name`, as reads and kin give it; either may have dots of its own. */
export function findByName(catalog: CatalogSnapshot, qualified: string): CatalogRelation | undefined {
  return firstSplit(qualified, (schema, name) => catalog.relations.get(`${schema}\0${name}`))
}

/** A function behind an operator, a type or a cast that needs no admission: a known extension's, or made by CREATE TYPE … AS RANGE. */
export function isHarmlessCall(catalog: CatalogSnapshot, qualified: string): boolean {
  const entries = firstSplit(qualified, (schema, name) => catalog.functions.get(schema)?.get(name))
  if (entries === undefined) return false
  return entries.every(
    entry => entry.makesRange === true || (entry.extension !== null && isKnownExtension(entry.extension)),
  )
}

function firstSplit<Found>(
  qualified: string,
  find: (schema: string, name: string) => Found | undefined,
): Found | undefined {
  for (let dot = qualified.indexOf('.'); dot >= 0; dot = qualified.indexOf('.', dot + 1)) {
    const found = find(qualified.slice(0, dot), qualified.slice(dot + 1))
    if (found !== undefined) return found
  }
  return undefined
}

/** Catalogs that show the values of every table that a role may read, whatever the policy keeps back. */
export const valueStatistics: ReadonlySet<string> = new Set([
  'pg_catalog.pg_stats',
  'pg_catalog.pg_stats_ext',
  'pg_catalog.pg_stats_ext_exprs',
])

/** `*` any run of characters, `?` one; matched against `schema.name`, a glob without a dot against any schema. */
function globPattern(glob: string): RegExp {
  const whole = glob.includes('.') ? glob : `*.${glob}`
  const body = whole
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${body}$`, 'su')
}
