/**
 * Writes src/guard/data/catalog-14.json … catalog-18.json and catalog-unknown.json from the relations that real servers
 * have: `{ "<schema>.<relation>": value }`. The values and the review behind them are in catalog-rules.ts. Beside them
 * columns-*.json, `{ "<schema>.<relation>": [column, …] }` without system columns, and types-*.json, every type name of
 * pg_catalog, those of arrays and rows too. For an unknown major: what all known ones have of columns, and what any
 * has of types, since a type's name says that `t(x)` and `(x).t` may be casts.
 *
 *     node scripts/generate-functions.ts && node scripts/generate-catalogs.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { judgeRelation } from './catalog-rules.ts'
import { isRefusal } from './function-rules.ts'
import { majors, type Query, withServer } from './servers.ts'

const dataFolder = join(import.meta.dirname, '../src/guard/data')
/** How a stored query names what it reads and calls. */
const relationMark = /:relid (\d+)/g
const functionMark = /:(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)/g

const relationsQuery = `
  select c.oid::text, n.nspname || '.' || c.relname as name, c.relisshared as shared, r.ev_action::text as action
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_rewrite r on r.ev_class = c.oid and r.rulename = '_RETURN'
  where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v', 'm', 'p', 'f')
  order by 2`

const functionsQuery = `
  select p.oid::text, case n.nspname when 'pg_catalog' then p.proname::text else n.nspname || '.' || p.proname end as name
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace`

const columnsQuery = `
  select n.nspname || '.' || c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v', 'm', 'p', 'f')
  group by 1 order by 1`

const typesQuery = `
  select t.typname::text as name from pg_catalog.pg_type t
  where t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace order by 1`

interface Relation {
  readonly name: string
  readonly shared: boolean
  readonly action: string
}

type Columns = ReadonlyMap<string, readonly string[]>

interface Known {
  readonly manifest: ReadonlyMap<string, string>
  readonly columns: Columns
  readonly types: ReadonlySet<string>
}

async function main(): Promise<void> {
  const known: Known[] = []
  for (const major of majors) {
    const server = await withServer(major, async query => ({
      manifest: await judgeAll(major, query),
      columns: await readColumns(query),
      types: new Set((await query(typesQuery)).map(row => String(row.name))),
    }))
    known.push(server)
    write(String(major), server)
  }
  write('unknown', {
    manifest: intersect(known.map(server => server.manifest)),
    columns: intersectColumns(known.map(server => server.columns)),
    types: new Set(known.flatMap(server => [...server.types])),
  })
}

async function readColumns(query: Query): Promise<Columns> {
  const rows = await query(columnsQuery)
  return new Map(rows.map(row => [String(row.name), Array.isArray(row.columns) ? row.columns.map(String) : []]))
}

function intersectColumns(all: readonly Columns[]): Columns {
  const [first, ...others] = all
  return new Map(
    [...(first ?? [])]
      .filter(([name]) => others.every(columns => columns.has(name)))
      .map(([name, columns]) => [
        name,
        columns.filter(column => others.every(other => other.get(name)?.includes(column))),
      ]),
  )
}

async function judgeAll(major: number, query: Query): Promise<Map<string, string>> {
  const refused = await readRefusedFunctions(major, query)
  const rows = await query(relationsQuery)
  const relations = new Map(
    rows.map(row => [
      String(row.oid),
      { name: String(row.name), shared: row.shared === true, action: String(row.action ?? '') },
    ]),
  )
  return new Map(
    [...relations.values()].map(relation => [
      relation.name,
      judgeRelation(relation.name, reach(relation, relations, refused)),
    ]),
  )
}

/** oid → name of every function that callers may not call as they like, even over a catalog's columns. */
async function readRefusedFunctions(major: number, query: Query): Promise<Map<string, string>> {
  const manifest: Record<string, string> = JSON.parse(readFileSync(join(dataFolder, `functions-${major}.json`), 'utf8'))
  const mayShowOthers = (name: string) => {
    const value = manifest[name] ?? 'unknown'
    return isRefusal(value) || value === 'twin'
  }
  const rows = (await query(functionsQuery)).map(row => [String(row.oid), String(row.name)] as const)
  return new Map(rows.filter(([, name]) => mayShowOthers(name)))
}

/** The first shared relation or refused function that a relation is or reads through. */
function reach(
  relation: Relation,
  relations: ReadonlyMap<string, Relation>,
  refused: ReadonlyMap<string, string>,
): string | undefined {
  const seen = new Set<Relation>()
  const waiting = [relation]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next.shared) return next.name
    if (seen.has(next)) continue
    seen.add(next)
    for (const [, oid] of next.action.matchAll(functionMark)) {
      const name = refused.get(oid ?? '')
      if (name !== undefined) return name
    }
    for (const [, oid] of next.action.matchAll(relationMark)) {
      const read = relations.get(oid ?? '')
      if (read !== undefined) waiting.push(read)
    }
  }
  return undefined
}

function intersect(manifests: readonly ReadonlyMap<string, string>[]): Map<string, string> {
  const names = new Set(manifests.flatMap(manifest => [...manifest.keys()]))
  const missing = 'is not in every known version of PostgreSQL'
  return new Map(
    [...names].map(name => {
      const values = [...new Set(manifests.map(manifest => manifest.get(name) ?? missing))]
      return [
        name,
        values.length === 1
          ? (values[0] ?? missing)
          : (values.find(value => value !== 'allow' && value !== 'filtered') ?? 'filtered'),
      ]
    }),
  )
}

function write(label: string, known: Known): void {
  save(`catalog-${label}`, sortByName(known.manifest))
  save(`columns-${label}`, sortByName(known.columns))
  save(`types-${label}`, [...known.types].sort())
  const counts = [...Map.groupBy(known.manifest, ([, value]) => value)].map(([value, entries]) => [
    value,
    entries.length,
  ])
  console.log(label, known.manifest.size, Object.fromEntries(counts), `${known.types.size} types`)
}

function sortByName(map: ReadonlyMap<string, unknown>): Record<string, unknown> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function save(name: string, value: unknown): void {
  // One line per entry: diffs stay readable, lists of columns short.
  const lines = JSON.stringify(value, null, 1).replace(/\[[^\]]*\]/g, list =>
    name.startsWith('types') ? list : list.replace(/\s+/g, ''),
  )
  writeFileSync(join(dataFolder, `${name}.json`), `${lines}\n`)
}

await main()
