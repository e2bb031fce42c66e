/** What the catalog knows of a result's columns: names of types that a database made itself, tables, NOT NULL, keys. */
import { z } from 'zod'
import type { CatalogRelation, CatalogSnapshot } from '../guard/catalog.ts'
import type { CallerDatabase, StatementAnswer, StatementRequest } from '../session/callers.ts'
import type { ToolContext } from './tool.ts'
import { builtInType, type TypeInfo } from './type-names.ts'

export interface TableFacts {
  /** Numbers of the columns that cannot be NULL. */
  readonly notNull: ReadonlySet<number>
  /** Names of the primary key's columns; empty: there is none. */
  readonly primaryKey: readonly string[]
}

/** As long as the catalog does not change. */
interface Known {
  readonly relations: ReadonlyMap<number, CatalogRelation>
  readonly tables: Map<number, TableFacts>
  readonly types: Map<number, TypeInfo>
}

export interface ColumnFacts {
  relationOf(oid: number): CatalogRelation | undefined
  tableOf(oid: number): TableFacts | undefined
  typeOf(oid: number): TypeInfo | undefined
}

const known = new WeakMap<CatalogSnapshot, Known>()

const attributesSql = `
select a.attrelid::pg_catalog.int8, a.attnum, a.attname, a.attnotnull, coalesce(a.attnum = any (i.indkey), false)
from pg_catalog.pg_attribute a
left join pg_catalog.pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = any ($1::pg_catalog.oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum`

const typesSql = `
select t.oid::pg_catalog.int8, pg_catalog.format_type(t.oid, null), t.typelem::pg_catalog.int8, t.typlen
from pg_catalog.pg_type t where t.oid = any ($1::pg_catalog.oid[])`

const oid = z.string().transform(Number)
const flag = z.enum(['t', 'f']).transform(value => value === 't')
const attributeRow = z.tuple([oid, oid, z.string(), flag, flag])
const typeRow = z.tuple([oid, z.string(), oid, z.string()])

/** Asks the database, as the caller, for what is not known yet: nothing for a table and types that were seen before. */
export async function factsOf(
  answer: StatementAnswer,
  database: CallerDatabase,
  context: ToolContext,
): Promise<ColumnFacts> {
  const facts = knownOf(database.catalog())
  const typeOf = (type: number) => builtInType(type) ?? facts.types.get(type)
  const tables = answer.columns.map(column => column.tableOid)
  const newTables = unique(tables.filter(table => facts.relations.has(table) && !facts.tables.has(table)))
  if (newTables.length > 0) await learnTables(facts, newTables, database, context)
  let newTypes = unique(answer.columns.map(column => column.typeOid).filter(type => typeOf(type) === undefined))
  while (newTypes.length > 0) {
    await learnTypes(facts, newTypes, database, context)
    newTypes = unique(
      newTypes.flatMap(type => facts.types.get(type)?.element ?? []).filter(type => typeOf(type) === undefined),
    )
  }
  return { relationOf: table => facts.relations.get(table), tableOf: table => facts.tables.get(table), typeOf }
}

function knownOf(catalog: CatalogSnapshot): Known {
  let facts = known.get(catalog)
  if (facts === undefined) {
    const relations = new Map([...catalog.relations.values()].map(relation => [relation.oid, relation]))
    facts = { relations, tables: new Map(), types: new Map() }
    known.set(catalog, facts)
  }
  return facts
}

async function learnTables(facts: Known, tables: readonly number[], database: CallerDatabase, context: ToolContext) {
  const { rows } = await context.services.callers.run(request(attributesSql, tables, database, context))
  const read = rows.map(row => attributeRow.parse(row))
  for (const table of tables) {
    const own = read.filter(([relation]) => relation === table)
    facts.tables.set(table, {
      notNull: new Set(own.filter(([, , , notNull]) => notNull).map(([, column]) => column)),
      primaryKey: own.filter(([, , , , inKey]) => inKey).map(([, , name]) => name),
    })
  }
}

async function learnTypes(facts: Known, types: readonly number[], database: CallerDatabase, context: ToolContext) {
  const { rows } = await context.services.callers.run(request(typesSql, types, database, context))
  for (const type of types) facts.types.set(type, { name: `type ${type}`, element: undefined })
  for (const row of rows) {
    const [type, name, element, length] = typeRow.parse(row)
    facts.types.set(type, { name, element: element !== 0 && length === '-1' ? element : undefined })
  }
}

function request(
  text: string,
  oids: readonly number[],
  database: CallerDatabase,
  context: ToolContext,
): StatementRequest {
  const { principal, client, signal, requestId, traceId } = context
  const origin = { requestId, traceId }
  return { principal, database, text, parameters: [`{${oids.join(',')}}`], client, origin, signal }
}

function unique(numbers: readonly number[]): number[] {
  return [...new Set(numbers)]
}
