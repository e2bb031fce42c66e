/**
 * Helpers that describe objects by number or name: definitions, sizes, privileges. They may be asked about what the
 * caller sees in a catalog of the same query, or about an object that is written out and may be read.
 */
import { type Judgement, refuse } from './judgement.ts'
import { comesFromCatalog, isWholeCast } from './provenance.ts'
import { findRelation } from './relations.ts'
import type { Scope } from './scope.ts'
import { splitIdentifierList } from './settings.ts'
import { tableRulesOf, whyNotReadable } from './table-rules.ts'
import { constantOf, type Fields, isFields, kindOf, listOf, locationOf, namesOf, unwrap } from './tree.ts'

/** They tell of the whole cluster: only what stands in a catalog will do, and this database's own name. */
const clusterWide: ReadonlySet<string> = new Set([
  'acldefault',
  'has_database_privilege',
  'has_tablespace_privilege',
  'pg_database_size',
  'pg_describe_object',
  'pg_get_userbyid',
  'pg_has_role',
  'pg_identify_object',
  'pg_identify_object_as_address',
  'pg_tablespace_databases',
  'pg_tablespace_location',
])

export function judgeCatalogArguments(judgement: Judgement, name: string, call: Fields, scope: Scope): void {
  const isClusterWide = clusterWide.has(name)
  if (judgement.stored && !isClusterWide) return
  const args = listOf(call.args)
  const named = args.some(arg => unwrap(arg, 'NamedArgExpr') !== undefined)
  const asked =
    named || call.func_variadic === true ? args : args.filter((_, at) => isIdentifying(name, at, args.length))
  for (const arg of asked) {
    const isFine = isClusterWide
      ? comesFromCatalog(arg, scope) || isOwnConstant(judgement, arg)
      : isDescribable(judgement, arg, scope)
    if (!isFine) refuseArgument(judgement, name, call)
  }
}

/** Which arguments say what is asked about; the others are column numbers, flags, privileges. */
function isIdentifying(name: string, at: number, count: number): boolean {
  if (name.startsWith('has_') || name === 'pg_has_role') return at === 0 || (at === 1 && count > 2)
  if (secondIdentifies.has(name)) return at === 1
  return at === 0
}

const secondIdentifies: ReadonlySet<string> = new Set([
  'acldefault',
  'pg_describe_object',
  'pg_identify_object',
  'pg_identify_object_as_address',
])

function refuseArgument(judgement: Judgement, name: string, call: Fields): never {
  refuse(judgement, 'function', {
    code: '42501',
    message: `permission denied for function ${name}`,
    detail: 'It was asked about an object that cannot be told from the text.',
    hint: 'Give it a column of a system catalog in the same query, or the name of a table that you may read.',
    at: locationOf(call),
  })
}

/** The name of this database, or nothing: no number, and no other name. */
function isOwnConstant(judgement: Judgement, node: unknown): boolean {
  const constant = constantOf(stripCasts(node))
  if (constant?.type === 'null') return true
  return constant?.type === 'string' && constant.value === judgement.context.catalog.database
}

/** An object of this database: seen in a catalog, named by a text made of such, or written out. */
function isDescribable(judgement: Judgement, node: unknown, scope: Scope): boolean {
  const value = stripCasts(node)
  const constant = constantOf(value)
  if (constant !== undefined) {
    if (constant.type === 'integer') return isDescribableNumber(judgement, constant.value)
    if (constant.type !== 'string' && constant.type !== 'float') return true
    const isNumber = /^\s*\d+\s*$/.test(constant.value)
    return isNumber
      ? isDescribableNumber(judgement, Number(constant.value))
      : isDescribableText(judgement, constant.value)
  }
  return comesFromCatalog(value, scope) || isNameOfCatalog(judgement, value, scope)
}

function isDescribableText(judgement: Judgement, text: string): boolean {
  const names = splitIdentifierList(text.replace(/\.(?=(?:[^"]|"[^"]*")*$)/g, ','))
  const name = names?.at(-1)
  if (name === undefined) return false
  const found = findRelation(judgement, { schema: names?.at(-2), name })
  if (found === undefined) return true
  if (found.type === 'catalog') return true
  return whyNotReadable(tableRulesOf(judgement.context.policy), judgement.context.catalog, found.relation) === undefined
}

/** A relation's number as it stands in pg_class. */
function isDescribableNumber(judgement: Judgement, oid: number): boolean {
  for (const relation of judgement.context.catalog.relations.values()) {
    if (relation.oid !== oid) continue
    return whyNotReadable(tableRulesOf(judgement.context.policy), judgement.context.catalog, relation) === undefined
  }
  return true
}

/** `quote_ident(schemaname) || '.' || quote_ident(relname)` and format('%I.%I', …). */
function isNameOfCatalog(judgement: Judgement, node: unknown, scope: Scope): boolean {
  const value = stripCasts(node)
  if (!isFields(value)) return false
  switch (kindOf(value)) {
    case 'A_Expr': {
      const operation = unwrap(value, 'A_Expr')
      if (namesOf(operation?.name).at(-1) !== '||') return false
      return isNamePart(judgement, operation?.lexpr, scope) && isNamePart(judgement, operation?.rexpr, scope)
    }
    case 'FuncCall': {
      const call = unwrap(value, 'FuncCall')
      const name = namesOf(call?.funcname).at(-1)
      const args = listOf(call?.args)
      if (name === 'to_regclass' || name === 'regclass')
        return args.length === 1 && isDescribable(judgement, args[0], scope)
      if (name === 'replace') return isQuoteDoubling(args) && isNamePart(judgement, args[0], scope)
      if (name !== 'format' && name !== 'concat' && name !== 'quote_ident') return false
      return args.every(arg => isNamePart(judgement, arg, scope))
    }
    default:
      return false
  }
}

/** `replace(name, '"', '""')` */
function isQuoteDoubling(args: readonly unknown[]): boolean {
  const [from, to] = args.slice(1).map(constantOf)
  return from?.type === 'string' && from.value === '"' && to?.type === 'string' && to.value === '""'
}

/** Dots and quotes between names are written out; names are not. */
function isNamePart(judgement: Judgement, node: unknown, scope: Scope): boolean {
  const constant = constantOf(stripCasts(node))
  if (constant?.type === 'string') return /^[."]*$|^(?:%[IsL]|[."])+$/.test(constant.value)
  return comesFromCatalog(node, scope) || isNameOfCatalog(judgement, node, scope)
}

/** What is cast, where the cast keeps it whole: `'hidden!'::varchar(6)` is another text. */
function stripCasts(node: unknown): unknown {
  const cast = unwrap(node, 'TypeCast')
  return cast === undefined || !isWholeCast(cast) ? node : stripCasts(cast.arg)
}
