/** What naming a type may run or tell, through all that its values hold. */
import type { CatalogType, RawCatalog } from './catalog.ts'
import { type Manifest, manifestOf } from './manifest.ts'

/** What a domain's check reaches. */
interface CheckReach {
  readonly calls: ReadonlySet<string>
  readonly refused: string | null
}

type Edges = ReadonlyMap<string, readonly string[]>

/** A value of a type is read from a text of all that it holds, so what that runs, it runs. `follow` walks a check. */
export function indexTypes(
  raw: RawCatalog,
  follow: (check: string) => CheckReach,
): ReadonlyMap<string, ReadonlyMap<string, CatalogType>> {
  const own = new Map<string, CatalogType[]>()
  const note = (name: string, type: CatalogType) => own.set(name, [...(own.get(name) ?? []), type])
  for (const type of raw.types) {
    const check = type.check === null ? undefined : follow(type.check)
    if (check !== undefined) note(nameOf(type), { calls: [...check.calls], refused: check.refused })
  }
  for (const { schema, type, function: call } of raw.casts ?? [])
    note(`${schema}.${type}`, { calls: [call], refused: null })
  const contents = contentsOf(raw)
  const manifest = manifestOf(raw.major)
  const index = new Map<string, Map<string, CatalogType>>()
  for (const [schema, name] of typeNames(raw)) {
    const names = index.get(schema) ?? new Map<string, CatalogType>()
    index.set(schema, names)
    names.set(name, closeType(`${schema}.${name}`, own, contents, manifest))
  }
  return index
}

/** A superuser can make casts between types of pg_catalog too. */
function typeNames(raw: RawCatalog): readonly (readonly [string, string])[] {
  const types = raw.types.map(type => [type.schema, type.name] as const)
  return types.concat((raw.casts ?? []).map(cast => [cast.schema, cast.type] as const))
}

function closeType(
  name: string,
  own: ReadonlyMap<string, readonly CatalogType[]>,
  contents: Edges,
  manifest: Manifest,
): CatalogType {
  const held = [name, ...reachable(name, contents)]
  const parts = held.flatMap(each => own.get(each) ?? [])
  const refused = parts.find(part => part.refused !== null)?.refused ?? null
  return {
    calls: [...new Set(parts.flatMap(part => part.calls))],
    refused: held.some(each => isOfRoles(each, manifest)) ? 'it could name roles of the whole server' : refused,
  }
}

function isOfRoles(name: string, manifest: Manifest): boolean {
  return name.startsWith('pg_catalog.') && namesRoles(manifest, name.slice('pg_catalog.'.length))
}

/** Relations, `schema.name`, with a column that reads any number as a role: the row of a relation is a type of its name. */
export function rowsNamingRoles(raw: RawCatalog): ReadonlySet<string> {
  const contents = contentsOf(raw)
  const rows = raw.types.filter(type => type.kind === 'c').map(nameOf)
  return new Set(rows.filter(row => reachable(row, contents).has('pg_catalog.regrole')))
}

function contentsOf(raw: RawCatalog): Edges {
  return new Map(raw.types.map(type => [nameOf(type), type.contains]))
}

function nameOf(type: { readonly schema: string; readonly name: string }): string {
  return `${type.schema}.${type.name}`
}

/** Everything that edges lead to. */
export function reachable(from: string, edges: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const reached = new Set<string>()
  const pending = [...(edges.get(from) ?? [])]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (reached.has(next)) continue
    reached.add(next)
    pending.push(...(edges.get(next) ?? []))
  }
  return reached
}

/** Types whose text forms name roles of the whole cluster. */
const clusterTypes: ReadonlySet<string> = new Set(['regrole', 'aclitem', '_regrole', '_aclitem'])

/** Whether values of this type of pg_catalog, or a field of it, are written as names of roles: pg_class has relacl. */
export function namesRoles(manifest: Manifest, type: string): boolean {
  if (clusterTypes.has(type)) return true
  const relation = type.startsWith('_pg_') ? type.slice(1) : type
  if (!relation.startsWith('pg_')) return false
  const columns = manifest.columns.get(`pg_catalog.${relation}`)
  if (columns === undefined) return false
  for (const column of columns) if (column.endsWith('acl') || column === 'initprivs') return true
  return false
}
