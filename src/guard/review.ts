/**
 * From a catalog as the database gave it to one that judging uses: every stored definition that a reader could run (views,
 * row security, domain checks, casts, operators) is walked once, and what it reaches is written beside it.
 */
import { SqlError } from '../errors.ts'
import type { CatalogRelation, CatalogSnapshot, RawCatalog, RawFunction, RawRelation } from './catalog.ts'
import type { JudgeContext } from './judgement.ts'
import { openJudgement } from './open-judgement.ts'
import type { ParsedText } from './parse.ts'
import { defaultLimits, type Policy } from './policy.ts'
import { Refusal } from './refusal.ts'
import { indexTypes, reachable, rowsNamingRoles } from './review-types.ts'
import { openScope } from './scope.ts'

/** What one definition reaches by itself. */
interface Reach {
  readonly reads: ReadonlySet<string>
  readonly calls: ReadonlySet<string>
  readonly refused: string | null
}

/** `parse` as JudgeContext.parse. Pure; a definition that cannot be followed refuses what it defines. */
export function reviewCatalog(raw: RawCatalog, parse: (text: string) => ParsedText): CatalogSnapshot {
  const names = indexCatalog(raw)
  const base: JudgeContext = { policy: reviewPolicy, catalog: names, searchPath: [], user: '', parse }
  const typed: CatalogSnapshot = { ...names, types: indexTypes(raw, check => follow(`select ${check}`, base)) }
  const context: JudgeContext = { ...base, catalog: typed }
  const reach = new Map(raw.relations.map(relation => [nameOf(relation), reachOf(relation, context)]))
  const kin = kinOf(raw.relations)
  const roles = rowsNamingRoles(raw)
  const relations = raw.relations.map((relation): [string, CatalogRelation] => [
    `${relation.schema}\0${relation.name}`,
    {
      ...relation,
      ...close(relation, reach),
      kin: kin.get(nameOf(relation)) ?? [],
      ...(roles.has(nameOf(relation)) && { refused: roleColumn }),
    },
  ])
  return { ...typed, relations: new Map(relations) }
}

/** `coalesce(column, '16384')` reads any text as the column's type. A view over it may show the names as text. */
const roleColumn = 'it has a column of type regrole, which could name roles of the whole server'

const reviewPolicy: Policy = {
  version: '',
  role: 'reader',
  schemas: [],
  allowedTables: null,
  excludedTables: [],
  functions: [],
  foreignTables: [],
  limits: defaultLimits,
}

function nameOf(relation: { readonly schema: string; readonly name: string }): string {
  return `${relation.schema}.${relation.name}`
}

/** Names alone, nothing reviewed yet: enough to resolve what definitions name. */
function indexCatalog(raw: RawCatalog): CatalogSnapshot {
  const functions = new Map<string, Map<string, RawFunction[]>>()
  for (const entry of raw.functions) place(functions, entry.schema, entry.name).push(entry)
  const operators = new Map<string, Map<string, string[]>>()
  for (const entry of raw.operators) place(operators, entry.schema, entry.name).push(entry.function)
  return {
    version: raw.version,
    major: raw.major,
    database: raw.database,
    schemas: new Set(raw.schemas),
    relations: new Map(
      raw.relations.map(relation => [
        `${relation.schema}\0${relation.name}`,
        { ...relation, reads: [], calls: [], kin: [], refused: null },
      ]),
    ),
    functions,
    operators,
    types: new Map(),
    rowFunctions: new Set(raw.functions.filter(entry => entry.rowArgument).map(entry => entry.name)),
    extensions: new Map(raw.extensions.map(entry => [entry.name, entry.schema])),
    filteredViews: new Set(raw.filteredViews),
    foreignTables: new Set(raw.relations.filter(relation => relation.kind === 'f').map(nameOf)),
  }
}

function place<Entry>(index: Map<string, Map<string, Entry[]>>, schema: string, name: string): Entry[] {
  const names = index.get(schema) ?? new Map<string, Entry[]>()
  index.set(schema, names)
  const entries = names.get(name) ?? []
  names.set(name, entries)
  return entries
}

/** A materialized view is read without running its definition: it shows what that reads and calls nothing. */
function reachOf(relation: RawRelation, context: JudgeContext): Reach {
  const definition = relation.definition === null ? nothing : follow(relation.definition, context)
  const policies = relation.policies.map(policy => follow(`select ${policy}`, context))
  const running = relation.kind === 'm' ? policies : [definition, ...policies]
  return {
    reads: definition.reads,
    calls: new Set(running.flatMap(each => [...each.calls])),
    refused: [definition, ...policies].find(each => each.refused !== null)?.refused ?? null,
  }
}

const nothing: Reach = { reads: new Set(), calls: new Set(), refused: null }

function follow(definition: string, context: JudgeContext): Reach {
  try {
    const [statement, ...more] = context.parse(definition).statements
    if (statement === undefined || more.length > 0) return { ...nothing, refused: 'its definition cannot be read' }
    const judgement = openJudgement(statement, context, true)
    const { relations, calls } = judgement
    try {
      judgement.walk(statement.node, openScope(undefined, undefined))
      return { reads: relations, calls, refused: null }
    } catch (thrown) {
      return { reads: relations, calls, refused: `its definition is refused: ${refusalOf(thrown)}` }
    }
  } catch (thrown) {
    if (thrown instanceof SqlError) return { ...nothing, refused: 'its definition cannot be read' }
    throw thrown
  }
}

function refusalOf(thrown: unknown): string {
  if (thrown instanceof Refusal) return thrown.error.message
  if (thrown instanceof RangeError) return 'it is too complex'
  throw thrown
}

/** Everything that reading it reaches, through views over views. */
function close(
  relation: RawRelation,
  reach: ReadonlyMap<string, Reach>,
): Pick<CatalogRelation, 'reads' | 'calls' | 'refused'> {
  const own = reach.get(nameOf(relation)) ?? nothing
  const reads = new Set<string>()
  const calls = new Set(own.calls)
  let { refused } = own
  const pending = [...own.reads]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (reads.has(next)) continue
    reads.add(next)
    const further = reach.get(next)
    if (further === undefined) continue
    if (relation.kind !== 'm') for (const call of further.calls) calls.add(call)
    refused ??= further.refused
    pending.push(...further.reads)
  }
  return { reads: [...reads], calls: [...calls], refused }
}

/** Partitions and inheritors share rows with their parents, both ways. */
function kinOf(relations: readonly RawRelation[]): ReadonlyMap<string, readonly string[]> {
  const parents = new Map(relations.map(relation => [nameOf(relation), relation.parents ?? []]))
  const children = new Map<string, string[]>()
  for (const [child, above] of parents) {
    for (const parent of above) children.set(parent, [...(children.get(parent) ?? []), child])
  }
  const kin = new Map<string, readonly string[]>()
  for (const name of parents.keys()) {
    const related = [...reachable(name, parents), ...reachable(name, children)]
    if (related.length > 0) kin.set(name, related)
  }
  return kin
}
