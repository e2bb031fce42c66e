/** RangeVar → the relation that Postgres would read, whether the policy lets it through, and the splice to its filtered twin. */
import type { CatalogRelation } from './catalog.ts'
import { type Judgement, refuse } from './judgement.ts'
import { ownsSchema } from './own-schemas.ts'
import { findCte, type Scope, type ScopeItem } from './scope.ts'
import { spliceFilteredRelation } from './splice-relations.ts'
import { findByName, tableRulesOf, valueStatistics, whyNotReadable } from './table-rules.ts'
import { type Fields, isFields, locationOf, namesOf, textOf } from './tree.ts'

interface RelationName {
  readonly schema: string | undefined
  readonly name: string
  readonly alias: string | undefined
  readonly renamed: readonly string[]
}

/** Judges a relation in FROM and adds it to the scope. */
export function judgeRangeVar(judgement: Judgement, fields: Fields, scope: Scope): void {
  const name = readName(judgement, fields)
  if (name.schema === undefined) {
    const query = findCte(scope, name.name)
    if (query !== undefined) {
      scope.items.push({ type: 'query', name: name.alias ?? name.name, query, renamed: name.renamed })
      return
    }
  }
  if (judgeOwnRelation(judgement, fields, name, scope)) return
  const found = findRelation(judgement, name)
  if (found === undefined) refuseUnknown(judgement, fields, name)
  if (found.type === 'tenant') judgeTenantRelation(judgement, fields, found.relation)
  const filtered = found.type === 'catalog' && judgeCatalogRelation(judgement, fields, found.schema, name)
  scope.items.push({
    type: 'relation',
    name: name.alias ?? name.name,
    schema: found.schema,
    relation: name.name,
    columns: found.columns,
    renamed: name.renamed,
    filtered,
    aliased: name.alias !== undefined,
  } satisfies ScopeItem)
}

/**
 * Whatever may be a run's own: what stands in its schemas, and any name without a schema that is none of a system catalog
 * (a temporary table comes first). The snapshot may not know such a relation yet, or other columns of it: none is taken for
 * known.
 */
function judgeOwnRelation(judgement: Judgement, fields: Fields, name: RelationName, scope: Scope): boolean {
  const { builder } = judgement.context.policy
  if (builder === undefined || judgement.stored) return false
  const isOwn = name.schema === 'pg_temp' || (name.schema !== undefined && ownsSchema(builder, name.schema))
  if (name.schema !== undefined && !isOwn) return false
  const found = findRelation(judgement, name)
  if (found?.type === 'catalog') return false
  if (name.schema === undefined) judgePlaces(judgement, fields, name.name, found)
  judgement.relations.add(`${found?.schema ?? name.schema ?? 'pg_temp'}.${name.name}`)
  const { alias, renamed } = name
  scope.items.push({
    type: 'other',
    name: alias ?? name.name,
    source: undefined,
    ordinality: false,
    declared: [],
    renamed,
  })
  return true
}

/** A name without a schema may mean a live table too, whether the snapshot knows it yet or not. */
function judgePlaces(judgement: Judgement, fields: Fields, name: string, found: Found | undefined): void {
  const { builder } = judgement.context.policy
  if (found?.type === 'tenant' && builder !== undefined && !ownsSchema(builder, found.schema))
    judgeTenantRelation(judgement, fields, found.relation)
  const rules = tableRulesOf(judgement.context.policy)
  const kept = builder?.liveSchemas.some(live => rules.excludes(`${live}.${name}`) || !rules.allows(`${live}.${name}`))
  if (!rules.restricts || kept !== true) return
  refuse(judgement, 'relation', {
    code: '42501',
    message: `permission denied for table ${name}`,
    hint: 'Write its schema too.',
    at: locationOf(fields),
  })
}

/** Of three parts of a name the first must be this database. */
export function requireDatabase(judgement: Judgement, names: readonly string[], at: number | undefined): void {
  const database = names.at(-3)
  if (database === undefined || database === judgement.context.catalog.database) return
  refuse(judgement, 'relation', {
    code: '0A000',
    message: `cross-database references are not implemented: "${names.join('.')}"`,
    at,
  })
}

/** `database.schema.name` of a RangeVar as far as it is given; the database must be this one. */
function readName(judgement: Judgement, fields: Fields): RelationName {
  const schema = typeof fields.schemaname === 'string' ? fields.schemaname : undefined
  const name = textOf(fields.relname)
  if (fields.catalogname !== undefined)
    requireDatabase(judgement, [textOf(fields.catalogname), schema ?? '', name], locationOf(fields))
  const alias = isFields(fields.alias) ? fields.alias : undefined
  return {
    schema,
    name,
    alias: alias === undefined ? undefined : textOf(alias.aliasname),
    renamed: alias === undefined ? [] : namesOf(alias.colnames),
  }
}

type Found =
  | { readonly type: 'catalog'; readonly schema: string; readonly columns: ReadonlySet<string> }
  | {
      readonly type: 'tenant'
      readonly schema: string
      readonly columns: ReadonlySet<string>
      readonly relation: CatalogRelation
    }

const noColumns: ReadonlySet<string> = new Set()

/** The first schema that holds the name: the one given, or those of the search path. */
export function findRelation(
  judgement: Judgement,
  name: { schema: string | undefined; name: string },
): Found | undefined {
  if (name.schema !== undefined) return findIn(judgement, name.schema, name.name)
  for (const schema of judgement.path) {
    const found = findIn(judgement, schema, name.name)
    if (found !== undefined) return found
  }
  return undefined
}

function findIn(judgement: Judgement, schema: string, name: string): Found | undefined {
  const { manifest, context } = judgement
  if (schema === 'pg_catalog' || schema === 'information_schema') {
    const key = `${schema}.${name}`
    if (!manifest.relations.has(key)) return undefined
    return { type: 'catalog', schema, columns: manifest.columns.get(key) ?? noColumns }
  }
  const relation = context.catalog.relations.get(`${schema}\0${name}`)
  return relation === undefined ? undefined : { type: 'tenant', schema, columns: columnsOf(relation), relation }
}

const columnSets = new WeakMap<CatalogRelation, ReadonlySet<string>>()

function columnsOf(relation: CatalogRelation): ReadonlySet<string> {
  const known = columnSets.get(relation)
  if (known !== undefined) return known
  const columns = new Set(relation.columns)
  columnSets.set(relation, columns)
  return columns
}

function refuseUnknown(judgement: Judgement, fields: Fields, name: RelationName): never {
  const { schema } = name
  if (schema !== undefined && judgement.context.catalog.schemas.has(schema)) {
    const rules = tableRulesOf(judgement.context.policy)
    if (!judgement.stored && !rules.schemas.has(schema)) refuseSchema(judgement, fields, schema)
  }
  refuse(judgement, 'unknown-relation', {
    code: '42P01',
    message: `relation "${schema === undefined ? '' : `${schema}.`}${name.name}" does not exist`,
    at: locationOf(fields),
  })
}

function refuseSchema(judgement: Judgement, fields: Fields, schema: string): never {
  refuse(judgement, 'relation', {
    code: '42501',
    message: `permission denied for schema ${schema}`,
    hint: `You may read the schemas ${judgement.context.policy.schemas.join(', ')}.`,
    at: locationOf(fields),
  })
}

function judgeTenantRelation(judgement: Judgement, fields: Fields, relation: CatalogRelation): void {
  const qualified = `${relation.schema}.${relation.name}`
  if (judgement.stored) {
    judgement.relations.add(qualified)
    return
  }
  const rules = tableRulesOf(judgement.context.policy)
  if (!rules.schemas.has(relation.schema)) refuseSchema(judgement, fields, relation.schema)
  const reason = whyNotReadable(rules, judgement.context.catalog, relation)
  if (reason !== undefined) {
    refuse(judgement, 'relation', {
      code: '42501',
      message: `permission denied for ${kindWord(relation.kind)} ${relation.name}`,
      detail: `It cannot be read here: ${reason}.`,
      at: locationOf(fields),
    })
  }
  judgement.relations.add(qualified)
  judgement.rowsEstimateMax = Math.max(judgement.rowsEstimateMax, relation.rowsEstimate)
  for (const read of relation.reads) {
    judgement.relations.add(read)
    const rows = findByName(judgement.context.catalog, read)?.rowsEstimate ?? -1
    judgement.rowsEstimateMax = Math.max(judgement.rowsEstimateMax, rows)
  }
  for (const call of relation.calls) {
    judgement.functions.add(call)
    judgement.calls.add(call)
  }
}

function kindWord(kind: string): string {
  if (kind === 'v') return 'view'
  if (kind === 'm') return 'materialized view'
  if (kind === 'S') return 'sequence'
  return kind === 'f' ? 'foreign table' : 'table'
}

function ruleOf(judgement: Judgement, schema: string, name: string): string | undefined {
  const rule = judgement.manifest.relations.get(`${schema}.${name}`)
  const shows = valueStatistics.has(`${schema}.${name}`) && tableRulesOf(judgement.context.policy).restricts
  return shows ? 'it shows values of tables outside the policy' : rule
}

/** Whether the relation is read through its filtered view. */
function judgeCatalogRelation(judgement: Judgement, fields: Fields, schema: string, name: RelationName): boolean {
  const qualified = `${schema}.${name.name}`
  const rule = ruleOf(judgement, schema, name.name)
  judgement.relations.add(qualified)
  if (rule === 'allow') return false
  const hasTwin = schema === 'pg_catalog' && judgement.context.catalog.filteredViews.has(name.name)
  if (hasTwin && !judgement.stored) {
    spliceFilteredRelation(judgement, fields)
    return true
  }
  refuse(judgement, 'relation', {
    code: '42501',
    message: `permission denied for ${name.name.startsWith('pg_stat_') ? 'view' : 'relation'} ${name.name}`,
    detail: rule === 'filtered' ? 'It shows the whole cluster.' : `It cannot be read here: ${rule}.`,
    ...(rule === 'filtered' && {
      hint: 'The operator can install filtered views of such catalogs: postern database check --apply.',
    }),
    at: locationOf(fields),
  })
}
