/** What a builder's statement writes to must be the run's own, by name. */
import { type Judgement, type RefusalFields, refuse } from './judgement.ts'
import { ownsSchema } from './own-schemas.ts'
import { requireDatabase } from './relations.ts'
import type { ScopeItem } from './scope.ts'
import { type Fields, isFields, listOf, locationOf, namesOf, numberOf, textOf, unwrap } from './tree.ts'

/** Judges the relation that is written to or changed; it must be the run's. @returns what expressions may call it */
export function requireOwn(judgement: Judgement, relation: unknown): ScopeItem {
  if (!isFields(relation)) refuseDenied(judgement, 'a relation without a name', undefined)
  const { schemaname, catalogname } = relation
  for (const field in relation) if (!targetFields.has(field)) refuseDenied(judgement, field, locationOf(relation))
  const names = [catalogname, schemaname, relation.relname].filter(name => name !== undefined).map(textOf)
  requireOwnName(judgement, names, locationOf(relation))
  const alias = isFields(relation.alias) ? textOf(relation.alias.aliasname) : textOf(relation.relname)
  return unknownColumns(alias)
}

const targetFields = new Set(['catalogname', 'schemaname', 'relname', 'inh', 'relpersistence', 'alias', 'location'])

/** A relation whose columns are not known: they may have been changed a moment ago. */
export function unknownColumns(name: string): ScopeItem {
  return { type: 'other', name, source: undefined, ordinality: false, renamed: [], declared: [] }
}

/** `[[database,] schema,] name`, as DROP and COMMENT give it. */
export function requireOwnName(judgement: Judgement, names: readonly string[], at: number | undefined): void {
  const name = names.at(-1) ?? ''
  const schema = names.at(-2)
  requireDatabase(judgement, names, at)
  if (name === '' || names.length > 3) refuseDenied(judgement, names.join('.'), at)
  if (schema === undefined) return requireOwnPlace(judgement, name, at)
  if (!isOwn(judgement, schema)) refuseSchema(judgement, schema, at)
  judgement.relations.add(`${schema}.${name}`)
}

/** A temporary table comes first, and is in no snapshot; what is found elsewhere must be the run's. */
function requireOwnPlace(judgement: Judgement, name: string, at: number | undefined): void {
  const { catalog } = judgement.context
  for (const place of judgement.path) {
    const isCatalog = judgement.manifest.relations.has(`${place}.${name}`)
    if (!isCatalog && !catalog.relations.has(`${place}\0${name}`)) continue
    if (!isOwn(judgement, place)) refuseSchema(judgement, place, at)
    judgement.relations.add(`${place}.${name}`)
    return
  }
  judgement.relations.add(`pg_temp.${name}`)
}

/** Judges the relation that a statement makes. */
export function requireNew(judgement: Judgement, relation: unknown): ScopeItem {
  if (!isFields(relation)) refuseDenied(judgement, 'a relation without a name', undefined)
  const name = textOf(relation.relname)
  const at = locationOf(relation)
  for (const field in relation) if (!targetFields.has(field)) refuseDenied(judgement, field, at)
  const schema = typeof relation.schemaname === 'string' ? relation.schemaname : undefined
  requireDatabase(judgement, [relation.catalogname, schema, name].filter(part => part !== undefined).map(textOf), at)
  const isTemporary = relation.relpersistence === 't' || schema === 'pg_temp'
  requireName(judgement, name, isTemporary, at)
  if (schema !== undefined && !isOwn(judgement, schema)) refuseSchema(judgement, schema, at)
  const [first] = judgement.context.searchPath
  if (schema === undefined && !isTemporary && (first === undefined || !isOwn(judgement, first)))
    refuseSchema(judgement, first ?? 'public', at)
  judgement.relations.add(`${isTemporary ? 'pg_temp' : (schema ?? first)}.${name}`)
  return unknownColumns(name)
}

/**
 * A name of ours may not stand before one of the system's: a temporary relation comes before every schema, and its row type
 * before every type.
 */
export function requireName(judgement: Judgement, name: string, isTemporary: boolean, at: number | undefined): void {
  const { relations, types } = judgement.manifest
  const shadows = name.startsWith('pg_') || relations.has(`pg_catalog.${name}`)
  if (!shadows && !(isTemporary && types.has(name.replace(/^_+/, '')))) return
  refuse(judgement, 'relation', {
    code: '42939',
    message: `unacceptable relation name "${name}"`,
    detail: 'The system has something of that name.',
    at,
  })
}

function isOwn(judgement: Judgement, schema: string): boolean {
  const { builder } = judgement.context.policy
  return builder !== undefined && (schema === 'pg_temp' || ownsSchema(builder, schema))
}

function refuseSchema(judgement: Judgement, schema: string, at: number | undefined): never {
  refuse(judgement, 'relation', {
    code: '42501',
    message: `permission denied for schema ${schema}`,
    hint: `This run writes in ${judgement.context.policy.builder?.schemas.join(', ')} only.`,
    at,
  })
}

function refuseDenied(judgement: Judgement, what: string, at: number | undefined): never {
  refuse(judgement, 'node', { code: '0A000', message: `${what} is not supported here`, at })
}

/** Refuses fields of a statement that nobody looks at. */
export function requireFields(judgement: Judgement, kind: string, fields: Fields, known: string): void {
  const names = known.split(' ')
  for (const field in fields) {
    if (!names.includes(field)) refuseDenied(judgement, `${kind}.${field}`, undefined)
  }
}

/** Options by name; their values must be constants. */
export function requireOptions(judgement: Judgement, options: unknown, known: ReadonlySet<string>): void {
  for (const entry of listOf(options)) {
    const option = unwrap(entry, 'DefElem')
    const name = textOf(option?.defname)
    const isPlain = option?.arg === undefined || plainValue(option.arg)
    if (option !== undefined && known.has(name) && isPlain && option.defnamespace === undefined) continue
    const fields: RefusalFields = { code: '0A000', message: `option "${name}" is not supported here` }
    refuse(judgement, 'statement', { ...fields, at: option === undefined ? undefined : locationOf(option) })
  }
}

function plainValue(value: unknown): boolean {
  if (['String', 'Integer', 'Float', 'Boolean', 'A_Const'].some(kind => unwrap(value, kind) !== undefined)) return true
  // `fillfactor = on`, an identifier: taken for a type's name.
  const type = unwrap(value, 'TypeName')
  return type !== undefined && namesOf(type.names).length === 1 && numberOf(type.typemod) <= 0
}
