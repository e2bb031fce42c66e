/**
 * Writes src/guard/data/functions-14.json … functions-18.json and functions-unknown.json from the functions that real
 * servers have: `{ "<name>": value }`, functions of information_schema with their schema. The values and the review
 * behind them are in function-rules.ts. An unknown major is given what all known ones agree on.
 *
 *     scripts/fetch-majors.sh && node scripts/generate-functions.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CatalogFunction, isRefusal, judgeFunction } from './function-rules.ts'
import { majors, type Query, withServer } from './servers.ts'

const dataFolder = join(import.meta.dirname, '../src/guard/data')

const functionsQuery = `
  select
    case n.nspname when 'pg_catalog' then p.proname::text else n.nspname || '.' || p.proname end as name,
    p.provolatile as volatility,
    array(select format_type(a.type, null) from unnest(p.proargtypes) with ordinality as a (type, place) order by a.place) as arguments,
    format_type(p.prorettype, null) as result
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('pg_catalog', 'information_schema')
  order by 1`

async function main(): Promise<void> {
  const manifests: Map<string, string>[] = []
  for (const major of majors) {
    const functions = await withServer(major, readFunctions)
    const overloads = Map.groupBy(functions, entry => entry.name)
    const manifest = new Map([...overloads].map(([name, entries]) => [name, judgeFunction(name, entries)]))
    manifests.push(manifest)
    write(String(major), manifest)
  }
  write('unknown', intersect(manifests))
}

async function readFunctions(query: Query): Promise<CatalogFunction[]> {
  return (await query(functionsQuery)).map(row => ({
    name: String(row.name),
    volatility: String(row.volatility),
    argumentTypes: Array.isArray(row.arguments) ? row.arguments.map(String) : [],
    resultType: String(row.result),
  }))
}

function intersect(manifests: readonly Map<string, string>[]): Map<string, string> {
  const names = new Set(manifests.flatMap(manifest => [...manifest.keys()]))
  return new Map(
    [...names].map(name => {
      const values = new Set(
        manifests.map(manifest => manifest.get(name) ?? 'is not in every known version of PostgreSQL'),
      )
      const [value, ...others] = values
      const agreed = others.length === 0 ? value : [...values].find(isRefusal)
      return [name, agreed ?? 'differs between versions of PostgreSQL']
    }),
  )
}

function write(label: string, manifest: Map<string, string>): void {
  const sorted = Object.fromEntries([...manifest].sort(([a], [b]) => (a < b ? -1 : 1)))
  writeFileSync(join(dataFolder, `functions-${label}.json`), `${JSON.stringify(sorted, null, 1)}\n`)
  const counts = new Map(
    [...Map.groupBy(manifest, ([, value]) => value)].map(([value, entries]) => [value, entries.length]),
  )
  console.log(label, manifest.size, Object.fromEntries([...counts].sort((a, b) => b[1] - a[1])))
}

await main()
