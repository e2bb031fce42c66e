/**
 * Helpers that describe objects by number or name: definitions, sizes, privileges. They may be asked about what the
 * caller sees in a catalog of the same query, or about an object that is written out and may be read.
 */
import type { Wanted } from './catalog-columns.ts'
import { type Judgement, refuse } from './judgement.ts'
import { comesFromCatalog, isWholeCast } from './provenance.ts'
import { findRelation } from './relations.ts'
import type { Scope } from './scope.ts'
import { splitIdentifierList } from './settings.ts'
import { tableRulesOf, whyNotReadable } from './table-rules.ts'
import { constantOf, type Fields, isFields, kindOf, listOf, locationOf, namesOf, unwrap } from './tree.ts'

/**
 * Those that tell of the whole cluster, and what each argument that identifies something must be. The others of their
 * arguments are flags, numbers of columns, privileges.
 */
const clusterWide: ReadonlyMap<string, readonly (Wanted | undefined)[]> = new Map([
  ['acldefault', [undefined, 'role']],
  ['has_database_privilege', ['role', 'database']],
  ['has_tablespace_privilege', ['role', 'tablespace']],
  ['pg_database_size', ['database']],
  ['pg_describe_object', ['class', 'object']],
  ['pg_get_userbyid', ['role']],
  ['pg_has_role', ['role', 'role']],
  ['pg_identify_object', ['class', 'object']],
  ['pg_identify_object_as_address', ['class', 'object']],
  ['pg_tablespace_databases', ['tablespace']],
  ['pg_tablespace_location', ['tablespace']],
])

/** They answer from what every reader sees in pg_class, pg_inherits and pg_partitioned_table: psql asks them of every relation that it describes. */
const seenAnyway: ReadonlySet<string> = new Set([
  'pg_column_is_updatable',
  'pg_get_partkeydef',
  'pg_partition_ancestors',
  'pg_partition_root',
  'pg_relation_is_publishable',
  'pg_relation_is_updatable',
])

export function judgeCatalogArguments(judgement: Judgement, name: string, call: Fields, scope: Scope): void {
  const wanted = clusterWide.get(name)
  const args = listOf(call.args)
  if (wanted !== undefined) return judgeClusterArguments(judgement, name, call, wanted, scope)
  if (judgement.stored || seenAnyway.has(name)) return
  const asked = isPositional(call) ? args.filter((_, at) => isIdentifying(name, at, args.length)) : args
  if (!asked.every(arg => isDescribable(judgement, arg, scope))) refuseArgument(judgement, name, call)
}

function judgeClusterArguments(
  judgement: Judgement,
  name: string,
  call: Fields,
  wanted: readonly (Wanted | undefined)[],
  scope: Scope,
): void {
  const args = listOf(call.args)
  if (!isPositional(call)) refuseArgument(judgement, name, call)
  // has_…_privilege (user, object, privilege) may leave the user out.
  const offset = name.startsWith('has_') && args.length < 3 ? 1 : 0
  const isShortRole = name === 'pg_has_role' && args.length < 3
  // Under a class of this database that is written out every number is an object of this database, or none.
  const isOwnClass =
    constantOf(stripCasts(args[0]))?.type === 'string' &&
    wanted[0] === 'class' &&
    isOwnConstant(judgement, 'class', args[0])
  for (const [at, arg] of args.entries()) {
    const asked = isShortRole && at > 0 ? undefined : wanted[at + offset]
    if (asked === undefined) continue
    const kind = asked === 'object' && isOwnClass ? 'relation' : asked
    if (!comesFromCatalog(arg, kind, scope) && !isOwnConstant(judgement, kind, arg))
      refuseArgument(judgement, name, call)
  }
}

function isPositional(call: Fields): boolean {
  return call.func_variadic !== true && listOf(call.args).every(arg => unwrap(arg, 'NamedArgExpr') === undefined)
}

/** Which arguments say what is asked about; the others are column numbers, flags, privileges. */
function isIdentifying(name: string, at: number, count: number): boolean {
  return at === 0 || (name.startsWith('has_') && at === 1 && count > 2)
}

function refuseArgument(judgement: Judgement, name: string, call: Fields): never {
  refuse(judgement, 'function', {
    code: '42501',
    message: `permission denied for function ${name}`,
    detail: 'It was asked about an object that cannot be told from the text.',
    hint: 'Give it a column of a system catalog in the same query, or the name of a table that you may read.',
    at: locationOf(call),
  })
}

/** Catalogs that all databases share: their rows are no objects of this one. */
const sharedCatalog =
  /^(?:pg_catalog\.)?pg_(?:authid|auth_members|database|db_role_setting|parameter_acl|replication_origin|subscription|sh\w+|tablespace)$/

/** What may be written out: nothing at all, the name of this database, a catalog of its own. No number. */
function isOwnConstant(judgement: Judgement, wanted: Wanted, node: unknown): boolean {
  const constant = constantOf(stripCasts(node))
  if (constant?.type === 'null') return true
  if (wanted === 'class' && namesOf(unwrap(node, 'ColumnRef')?.fields).at(-1) === 'tableoid') return true
  if (constant?.type !== 'string') return false
  if (wanted === 'database') return constant.value === judgement.context.catalog.database
  return wanted === 'class' && /^(?:pg_catalog\.)?pg_\w+$/.test(constant.value) && !sharedCatalog.test(constant.value)
}

/** An object of this database: seen in a catalog, named by a text made of such, or written out. */
function isDescribable(judgement: Judgement, node: unknown, scope: Scope): boolean {
  const value = stripCasts(node)
  const constant = constantOf(value)
  switch (constant?.type) {
    case undefined:
      return comesFromCatalog(value, 'relation', scope) || isNameOfCatalog(judgement, value, scope)
    case 'integer':
      return isDescribableNumber(judgement, constant.value)
    case 'string':
      return isDescribableText(judgement, constant.value)
    case 'null':
      return true
    case 'float':
      return /^\d+$/.test(constant.value) && isDescribableNumber(judgement, Number(constant.value))
    case 'boolean':
    case 'bits':
      return false
  }
}

function isDescribableText(judgement: Judgement, text: string): boolean {
  if (/^[ \t\n\r\f\v]*\d+[ \t\n\r\f\v]*$/.test(text)) return isDescribableNumber(judgement, Number(text))
  const names = splitIdentifierList(text.replace(/\.(?=(?:[^"]|"[^"]*")*$)/g, ','))
  const name = names?.at(-1)
  if (name === undefined || /(?:^|\.)\s*\d/.test(text)) return false
  const found = findRelation(judgement, { schema: names?.at(-2), name })
  if (found === undefined || found.type === 'catalog') return true
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
  return comesFromCatalog(node, 'relation', scope) || isNameOfCatalog(judgement, node, scope)
}

/** Casts that leave what stands under them as it is, or name it. */
const keeping: ReadonlySet<string> = new Set([
  'int2',
  'int4',
  'int8',
  'name',
  'oid',
  'regclass',
  'regnamespace',
  'regproc',
  'regprocedure',
  'regtype',
  'text',
])

/** What is cast: `'hidden!'::varchar(6)` or `'0x10'::int` is something else than what stands there. */
function stripCasts(node: unknown): unknown {
  const cast = unwrap(node, 'TypeCast')
  if (cast === undefined || !isFields(cast.typeName)) return node
  const isKept = isWholeCast(cast) && keeping.has(namesOf(cast.typeName.names).at(-1) ?? '')
  const isArray = listOf(cast.typeName.arrayBounds).length > 0
  return isKept && !isArray ? stripCasts(cast.arg) : node
}
