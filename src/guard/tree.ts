/**
 * Reading the parse tree. It is JSON from the parser, so every access checks the shape; a field at its default
 * (0, false, '', none) is absent.
 */

/** The fields of a node, or a wrapped node `{ Kind: fields }`. */
export type Fields = { readonly [field: string]: unknown }

export type Constant =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'integer'; readonly value: number }
  /** Numerals that are no int4: as written. */
  | { readonly type: 'float'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'bits'; readonly value: string }
  | { readonly type: 'null' }

export const noFields: Fields = {}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

/** The kind of a wrapped node; undefined for the empty object that stands for a null list entry. */
export function kindOf(node: Fields): string | undefined {
  for (const kind in node) return kind
  return undefined
}

/** The fields of a wrapped node if it is of this kind. */
export function unwrap(node: unknown, kind: string): Fields | undefined {
  if (!isFields(node)) return undefined
  const fields = node[kind]
  return isFields(fields) ? fields : undefined
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

export function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

/** `[{ String: { sval } } …]` → the texts; `*` for A_Star, '' for anything else. */
export function namesOf(value: unknown): string[] {
  const list = listOf(value)
  const names: string[] = []
  for (let at = 0; at < list.length; at += 1) {
    const string = unwrap(list[at], 'String')
    names.push(string !== undefined ? textOf(string.sval) : unwrap(list[at], 'A_Star') !== undefined ? '*' : '')
  }
  return names
}

/** The byte where a node stands in the whole text; undefined where the parser does not say. */
export function locationOf(fields: Fields): number | undefined {
  const location = numberOf(fields.location)
  return location < 0 ? undefined : location
}

export function constantOf(node: unknown): Constant | undefined {
  const constant = unwrap(node, 'A_Const')
  if (constant === undefined) return undefined
  if (constant.isnull === true) return { type: 'null' }
  if (isFields(constant.sval)) return { type: 'string', value: textOf(constant.sval.sval) }
  if (isFields(constant.ival)) return { type: 'integer', value: numberOf(constant.ival.ival) }
  if (isFields(constant.fval)) return { type: 'float', value: textOf(constant.fval.fval) }
  if (isFields(constant.boolval)) return { type: 'boolean', value: constant.boolval.boolval === true }
  if (isFields(constant.bsval)) return { type: 'bits', value: textOf(constant.bsval.bsval) }
  return undefined
}

/** A constant's text as Postgres would take it for a setting; undefined for anything that is no constant. */
export function constantText(node: unknown): string | undefined {
  const constant = constantOf(node)
  if (constant === undefined || constant.type === 'null' || constant.type === 'bits') return undefined
  if (constant.type === 'boolean') return constant.value ? 'true' : 'false'
  return String(constant.value)
}

/** What a cast to text or varchar of any length, and to nothing else, is a cast of; any other node as it is. */
export function uncastText(node: unknown): unknown {
  const cast = unwrap(node, 'TypeCast')
  const type = cast?.typeName
  if (cast === undefined || !isFields(type)) return node
  const names = namesOf(type.names)
  const plain = listOf(type.typmods).length === 0 && listOf(type.arrayBounds).length === 0 && type.setof !== true
  const name = names.at(-1)
  const isOwn = names.length === 2 && names[0] === 'pg_catalog'
  const isText = isOwn ? name === 'text' || name === 'varchar' : names.length === 1 && name === 'text'
  return plain && isText ? cast.arg : node
}
