/** The reviewed vocabulary of pg_catalog and information_schema per server major: data/, generated and checked in. */
import catalog14 from './data/catalog-14.json' with { type: 'json' }
import catalog15 from './data/catalog-15.json' with { type: 'json' }
import catalog16 from './data/catalog-16.json' with { type: 'json' }
import catalog17 from './data/catalog-17.json' with { type: 'json' }
import catalog18 from './data/catalog-18.json' with { type: 'json' }
import catalogUnknown from './data/catalog-unknown.json' with { type: 'json' }
import columns14 from './data/columns-14.json' with { type: 'json' }
import columns15 from './data/columns-15.json' with { type: 'json' }
import columns16 from './data/columns-16.json' with { type: 'json' }
import columns17 from './data/columns-17.json' with { type: 'json' }
import columns18 from './data/columns-18.json' with { type: 'json' }
import columnsUnknown from './data/columns-unknown.json' with { type: 'json' }
import functions14 from './data/functions-14.json' with { type: 'json' }
import functions15 from './data/functions-15.json' with { type: 'json' }
import functions16 from './data/functions-16.json' with { type: 'json' }
import functions17 from './data/functions-17.json' with { type: 'json' }
import functions18 from './data/functions-18.json' with { type: 'json' }
import functionsUnknown from './data/functions-unknown.json' with { type: 'json' }
import types14 from './data/types-14.json' with { type: 'json' }
import types15 from './data/types-15.json' with { type: 'json' }
import types16 from './data/types-16.json' with { type: 'json' }
import types17 from './data/types-17.json' with { type: 'json' }
import types18 from './data/types-18.json' with { type: 'json' }
import typesUnknown from './data/types-unknown.json' with { type: 'json' }

export interface Manifest {
  /** Made from a server of this very major: what is not in it does not exist. */
  readonly complete: boolean
  /** Name → 'allow', 'special', 'catalog-argument', 'sized', 'twin', 'arity:…', or why it is refused. Those of information_schema under `information_schema.name`. */
  readonly functions: ReadonlyMap<string, string>
  /** `schema.name` → 'allow', 'filtered', or why it is refused. */
  readonly relations: ReadonlyMap<string, string>
  /** `schema.name` → columns. */
  readonly columns: ReadonlyMap<string, ReadonlySet<string>>
  /** Types of pg_catalog. */
  readonly types: ReadonlySet<string>
}

interface Lists {
  readonly functions: Readonly<Record<string, string>>
  readonly relations: Readonly<Record<string, string>>
  readonly columns: Readonly<Record<string, readonly string[]>>
  readonly types: readonly string[]
}

/** A major that is not here gets what is common to all. */
const lists: ReadonlyMap<number, Lists> = new Map<number, Lists>([
  [14, { functions: functions14, relations: catalog14, columns: columns14, types: types14 }],
  [15, { functions: functions15, relations: catalog15, columns: columns15, types: types15 }],
  [16, { functions: functions16, relations: catalog16, columns: columns16, types: types16 }],
  [17, { functions: functions17, relations: catalog17, columns: columns17, types: types17 }],
  [18, { functions: functions18, relations: catalog18, columns: columns18, types: types18 }],
])
const unknown: Lists = {
  functions: functionsUnknown,
  relations: catalogUnknown,
  columns: columnsUnknown,
  types: typesUnknown,
}

const indexed = new Map<number, Manifest>()

export function manifestOf(major: number): Manifest {
  const known = indexed.get(major)
  if (known !== undefined) return known
  const { functions, relations, columns, types } = lists.get(major) ?? unknown
  const manifest: Manifest = {
    complete: lists.has(major),
    functions: new Map(Object.entries(functions)),
    relations: new Map(Object.entries(relations)),
    columns: new Map(Object.entries(columns).map(([name, list]) => [name, new Set(list)])),
    types: new Set(types),
  }
  indexed.set(major, manifest)
  return manifest
}
