/**
 * Writes src/guard/data/catalog-14.json … catalog-18.json and catalog-unknown.json from the relations that real servers
 * have: `{ "<schema>.<relation>": value }`. The values and the review behind them are in catalog-rules.ts.
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

interface Relation {
  readonly name: string
  readonly shared: boolean
  readonly action: string
}

async function main(): Promise<void> {
  const manifests: Map<string, string>[] = []
  for (const major of majors) {
    const manifest = await withServer(major, query => judgeAll(major, query))
    manifests.push(manifest)
    write(String(major), manifest)
  }
  write('unknown', intersect(manifests))
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

function intersect(manifests: readonly Map<string, string>[]): Map<string, string> {
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

function write(label: string, manifest: Map<string, string>): void {
  const sorted = Object.fromEntries([...manifest].sort(([a], [b]) => (a < b ? -1 : 1)))
  writeFileSync(join(dataFolder, `catalog-${label}.json`), `${JSON.stringify(sorted, null, 1)}\n`)
  const counts = [...Map.groupBy(manifest, ([, value]) => value)].map(([value, entries]) => [value, entries.length])
  console.log(label, manifest.size, Object.fromEntries(counts))
}

await main()
