/** Functions by name: the manifest's, known extensions', and the tenant's own that the policy admits. */
import type { RawFunction } from './catalog.ts'
import { judgeCatalogArguments } from './catalog-arguments.ts'
import { isAdmittedByExtension } from './extensions.ts'
import { type Judgement, refuse } from './judgement.ts'
import { namesRoles } from './review-types.ts'
import type { Scope } from './scope.ts'
import { judgeSizes } from './sized.ts'
import { judgeSpecialFunction } from './special-functions.ts'
import { spliceTwinFunction } from './splice-calls.ts'
import { tableRulesOf } from './table-rules.ts'
import { type Fields, listOf, locationOf, namesOf } from './tree.ts'
import { isClusterType, judgeClusterCast, judgeTypeName } from './type-names.ts'

type Candidate =
  | { readonly type: 'manifest'; readonly schema: string; readonly rule: string }
  | { readonly type: 'stored'; readonly schema: string; readonly entries: readonly RawFunction[] }

export function judgeFuncCall(judgement: Judgement, fields: Fields, scope: Scope, node: Fields): void {
  const names = namesOf(fields.funcname)
  const name = names.at(-1) ?? ''
  judgement.walkFields('FuncCall', fields, scope)
  const candidates = findFunctions(judgement, names)
  if (candidates.length === 0) return judgeCastCall(judgement, names, { fields, node }, scope)
  // `lower('x')` casts to a type of that name, where there is one, before it is lower(text): func_get_detail.
  if (listOf(fields.args).length === 1) judgeTypeName(judgement, { names: fields.funcname, location: fields.location })
  for (const candidate of candidates) {
    judgement.functions.add(`${candidate.schema}.${name}`)
    if (candidate.type === 'stored') judgeStoredFunction(judgement, candidate, name, locationOf(fields))
    else judgeByRule(judgement, candidate.rule, name, { fields, node }, scope)
  }
}

/** All functions of the name that Postgres would choose from: overloads of every schema on the path compete. */
function findFunctions(judgement: Judgement, names: readonly string[]): readonly Candidate[] {
  const name = names.at(-1) ?? ''
  const schema = names.at(-2)
  const database = names.at(-3)
  if (database !== undefined && database !== judgement.context.catalog.database) return []
  const candidates: Candidate[] = []
  // Up to 15 json_object is no word of the grammar: what the tree has under pg_catalog is looked up on the path there.
  const looked = schema === undefined || (name === 'json_object' && judgement.context.catalog.major < 16)
  for (const place of looked ? judgement.path : [schema]) {
    candidates.push(...findIn(judgement, place, name))
  }
  return candidates
}

/** A superuser or an extension can have added some to the built-in ones. */
function findIn(judgement: Judgement, schema: string, name: string): readonly Candidate[] {
  const { manifest, context } = judgement
  const rule =
    schema === 'pg_catalog'
      ? manifest.functions.get(name)
      : schema === 'information_schema'
        ? manifest.functions.get(`${schema}.${name}`)
        : undefined
  const entries = context.catalog.functions.get(schema)?.get(name)
  const candidates: Candidate[] = []
  if (rule !== undefined) candidates.push({ type: 'manifest', schema, rule })
  if (entries !== undefined) candidates.push({ type: 'stored', schema, entries })
  return candidates
}

interface Call {
  readonly fields: Fields
  /** The wrapped node. */
  readonly node: Fields
}

function judgeByRule(judgement: Judgement, rule: string, name: string, call: Call, scope: Scope): void {
  if (rule === 'allow') return
  const { fields } = call
  switch (rule) {
    case 'special':
      return judgeSpecialFunction(judgement, name, fields, scope, call.node)
    case 'catalog-argument':
      return judgeCatalogArguments(judgement, name, fields, scope)
    case 'sized':
      return judgeSizes(judgement, name, fields)
    case 'twin':
      return spliceTwinFunction(judgement, name, fields)
    default:
      if (!isArityAllowed(rule, fields)) refuseFunction(judgement, rule, name, locationOf(fields))
  }
}

/** `arity:1,2`: exactly so many plain arguments. */
function isArityAllowed(rule: string, fields: Fields): boolean {
  if (!rule.startsWith('arity:') || fields.func_variadic === true) return false
  const args = listOf(fields.args)
  const named = args.some(arg => typeof arg === 'object' && arg !== null && 'NamedArgExpr' in arg)
  return !named && rule.slice('arity:'.length).split(',').includes(String(args.length))
}

function refuseFunction(judgement: Judgement, rule: string, name: string, at: number | undefined): never {
  if (rule.startsWith('writes: ') && judgement.context.policy.builder === undefined) {
    refuse(judgement, 'writes', {
      code: '25006',
      message: `cannot execute ${name}() in a read-only transaction`,
      at,
    })
  }
  refuse(judgement, 'function', {
    code: '42501',
    message: `permission denied for function ${name}`,
    detail: rule.startsWith('arity:') ? 'Not with these arguments.' : `It ${describe(rule)}.`,
    at,
  })
}

function describe(rule: string): string {
  return /^(?:special|catalog-argument|sized|twin)$/.test(rule) ? 'must be called as a function here' : rule
}

function judgeStoredFunction(
  judgement: Judgement,
  candidate: Candidate & { type: 'stored' },
  name: string,
  at: number | undefined,
): void {
  if (candidate.entries.every(entry => entry.makesRange === true || isAdmittedByExtension(entry.extension, name)))
    return
  const qualified = `${candidate.schema}.${name}`
  judgement.calls.add(qualified)
  judgement.functions.add(qualified)
  if (judgement.stored || tableRulesOf(judgement.context.policy).functions.has(qualified)) return
  refuse(judgement, 'function', {
    code: '42501',
    message: `permission denied for function ${name}`,
    detail: `${qualified} is not among the allowed functions.`,
    ...(judgement.manifest.functions.has(name) && { hint: `Write pg_catalog.${name} for the built-in one.` }),
    at,
  })
}

/** `t(x)` where t is no function but a type is a cast. */
function judgeCastCall(judgement: Judgement, names: readonly string[], call: Call, scope: Scope): void {
  const { fields, node } = call
  const typeName = { names: fields.funcname, location: fields.location }
  const args = listOf(fields.args)
  if (args.length === 1 && isType(judgement, names)) {
    judgeTypeName(judgement, typeName)
    if (isClusterType(judgement, typeName)) judgeClusterCast(judgement, { arg: args[0] }, typeName, scope, node)
    return
  }
  refuse(judgement, 'unknown-function', {
    code: '42883',
    message: `function ${names.join('.')} does not exist`,
    hint: 'No function matches the given name and argument types. You might need to add explicit type casts.',
    at: locationOf(fields),
  })
}

function isType(judgement: Judgement, names: readonly string[]): boolean {
  const name = names.at(-1) ?? ''
  const schema = names.at(-2)
  const places = schema === undefined ? judgement.path : [schema]
  return places.some(place =>
    place === 'pg_catalog'
      ? judgement.manifest.types.has(name)
      : judgement.context.catalog.types.get(place)?.has(name) === true,
  )
}

/** Whether a name selected from a value, `t.name` or `(x).name`, could be a call of more than a harmless function. Quick: asked of every column. */
export function mayCall(judgement: Judgement, name: string): boolean {
  const rule = judgement.manifest.functions.get(name)
  if (rule !== undefined && !isHarmlessSelection(rule, name)) return true
  if (namesRoles(judgement.manifest, name)) return true
  if (rule === undefined && !judgement.manifest.complete && looksBuiltIn.test(name)) return true
  for (const place of judgement.path) {
    if (judgement.context.catalog.functions.get(place)?.has(name) === true) return true
    if (judgement.context.catalog.types.get(place)?.has(name) === true) return true
  }
  return false
}

/** Names that a server newer than the manifest may have functions of. */
const looksBuiltIn = /^(?:pg|lo|ts|txid|has|inet|binary_upgrade)_|xml|file|config|setting/

/** Judges such a name as the call of one argument, or the cast, that it may be. */
export function judgeSelectedName(judgement: Judgement, name: string, at: number | undefined): void {
  for (const candidate of findFunctions(judgement, [name])) {
    if (candidate.type === 'stored') judgeStoredFunction(judgement, candidate, name, at)
    else if (!isHarmlessSelection(candidate.rule, name)) refuseFunction(judgement, candidate.rule, name, at)
  }
  if (!judgement.manifest.complete && !judgement.manifest.functions.has(name) && looksBuiltIn.test(name)) {
    refuseFunction(judgement, 'is not known on this version of the server', name, at)
  }
  if (namesRoles(judgement.manifest, name)) refuseFunction(judgement, 'names roles of the whole server', name, at)
  judgeTypeName(judgement, { names: [{ String: { sval: name } }], location: at ?? -1 })
}

/** Helpers over a catalog's row or column are refused too: what they are given cannot be told here. */
function isHarmlessSelection(rule: string, name: string): boolean {
  return rule === 'allow' || rule === 'sized' || name === 'system' || name === 'bernoulli'
}
