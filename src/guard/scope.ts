/**
 * What names mean inside one SELECT: the CTEs that it can see and the items of its FROM clause
 * (manual, 7.2 and 7.8; parse_relation.c for the order of look-ups).
 */
import type { Fields } from './tree.ts'

export interface Scope {
  readonly parent: Scope | undefined
  /** The fields of the SelectStmt; undefined outside of any. */
  readonly select: Fields | undefined
  /** CTEs of this level that are visible so far. */
  readonly ctes: Map<string, Query>
  readonly items: ScopeItem[]
  /** Left and right of a set operation. */
  readonly arms: Scope[]
  /** Scopes of the queries inside this one. */
  readonly children: Scope[]
}

/** A query whose output columns others can name. `scope` is set once it has been judged. */
export interface Query {
  scope: Scope | undefined
  /** Column names given from outside: `t (a, b)`. */
  readonly columns: readonly string[]
}

export type ScopeItem =
  /** `columns` are the relation's own names, `schema` its resolved one. */
  | {
      readonly type: 'relation'
      readonly name: string
      readonly schema: string
      readonly relation: string
      readonly columns: ReadonlySet<string>
      readonly renamed: readonly string[]
      /** Spliced to its filtered view: `schema.name.column` must lose its schema. */
      readonly filtered: boolean
      readonly aliased: boolean
    }
  | { readonly type: 'query'; readonly name: string; readonly query: Query; readonly renamed: readonly string[] }
  /** A join with an alias, which hides what it joins. */
  | {
      readonly type: 'join'
      readonly name: string
      readonly items: readonly ScopeItem[]
      readonly renamed: readonly string[]
    }
  /** A function, XMLTABLE, JSON_TABLE, JOIN … USING (…) AS: columns are not known. */
  | {
      readonly type: 'other'
      readonly name: string
      readonly source: Fields | undefined
      readonly ordinality: boolean
      /** Names that the text gives its columns, renamed or not: any may be one. */
      readonly declared: readonly string[]
      readonly renamed: readonly string[]
    }

export function openScope(parent: Scope | undefined, select: Fields | undefined): Scope {
  const scope: Scope = { parent, select, ctes: new Map(), items: [], arms: [], children: [] }
  parent?.children.push(scope)
  return scope
}

export function findCte(scope: Scope, name: string): Query | undefined {
  for (let level: Scope | undefined = scope; level !== undefined; level = level.parent) {
    const query = level.ctes.get(name)
    if (query !== undefined) return query
  }
  return undefined
}

/** Every FROM item of this name that could be meant, the nearest first. */
export function findItems(scope: Scope, name: string): readonly ScopeItem[] {
  const items: ScopeItem[] = []
  for (let level: Scope | undefined = scope; level !== undefined; level = level.parent) {
    for (const item of level.items) if (item.name === name) items.push(item)
  }
  return items
}
