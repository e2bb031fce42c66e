/** Schemas that users provision for themselves: made, described, measured and dropped in a tenant database. */
import { SqlError } from '../errors.ts'
import { type Administrator, inTransaction, type Query, withAdministrator } from './administrator.ts'
import { checkSchemaName, type DatabaseRoles } from './names.ts'
import { quoteName, quoteRelation, quoteText } from './quote.ts'

export interface SchemaTarget {
  readonly administrator: Administrator
  /** The database's real name. */
  readonly database: string
  readonly roles: DatabaseRoles
  /** Whether the reader may read every table that the owner makes there; else grants are given table by table. */
  readonly readerReadsAll: boolean
}

/** What stands in a schema. */
export interface SchemaContent {
  readonly tables: readonly SchemaTable[]
  /** Objects of other schemas that are built on it, as Postgres names them: `view reports.monthly`. */
  readonly dependents: readonly string[]
}

export interface SchemaTable {
  readonly name: string
  readonly kind: 'table' | 'view' | 'materialized view' | 'partitioned table' | 'foreign table'
  /** -1: not known yet. */
  readonly rowsEstimate: number
  readonly bytes: number
}

/** Stands in the schema's comment; a schema without it is never dropped by the sweep. */
const mark = 'provisioned by Postern'

/**
 * Makes the schema, owned by the owner role, or takes the one that stands. May be run again at any time. `confirm` is
 * asked last, when nothing but COMMIT is left to do: where it throws, nothing has happened.
 * @throws SqlError 42602 for its name, 42P06 where one of this name is somebody else's, 42501 for lack of a privilege
 */
export async function createSchema(target: SchemaTarget, name: string, confirm: () => Promise<void>): Promise<void> {
  checkSchemaName(name)
  const { roles } = target
  const [schema, owner, live, reader] = [name, roles.owner, roles.live, roles.reader].map(quoteName)
  await withAdministrator(target.administrator, target.database, query =>
    inTransaction(query, async () => {
      await holdSchema(query, name)
      await query(`create schema if not exists ${schema} authorization ${owner}`)
      const [row] = await query(
        'select pg_catalog.pg_get_userbyid(nspowner) from pg_catalog.pg_namespace where nspname = $1',
        [name],
      )
      if (row?.[0] !== roles.owner) throw new SqlError({ code: '42P06', message: `schema "${name}" exists already` })
      await query(`comment on schema ${schema} is ${quoteText(mark)}`)
      await query(`revoke all on schema ${schema} from public, ${live}, ${reader}`)
      await query(`grant usage on schema ${schema} to ${live}, ${reader}`)
      const readers = target.readerReadsAll ? `${live}, ${reader}` : live
      await query(`alter default privileges for role ${owner} in schema ${schema} grant select on tables to ${readers}`)
      await confirm()
    }),
  )
}

/** What the schema holds and what would be lost elsewhere. Nothing where it is not there. */
export async function describeSchema(target: SchemaTarget, name: string): Promise<SchemaContent> {
  return await withAdministrator(target.administrator, target.database, async query => ({
    tables: await listTables(query, name),
    dependents: await listDependents(query, name),
  }))
}

/** Bytes of the schemas by name, indexes included; those that are not there are left out. */
export async function measureSchemas(
  target: SchemaTarget,
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await withAdministrator(target.administrator, target.database, query =>
    query(
      `select n.nspname, coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(c.oid)), 0)
         from pg_catalog.pg_namespace n
         left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'm')
        where n.nspname = any ($1) group by n.nspname`,
      [[...names]],
    ),
  )
  return new Map(rows.map(([name, bytes]) => [name ?? '', Number(bytes)]))
}

/** The schemas of the database that {@link createSchema} has made, whoever may still know of them. */
export async function listProvisioned(target: SchemaTarget): Promise<readonly string[]> {
  const rows = await withAdministrator(target.administrator, target.database, query =>
    query(
      `select n.nspname from pg_catalog.pg_namespace n
        where pg_catalog.pg_get_userbyid(n.nspowner) = $1
          and pg_catalog.obj_description(n.oid, 'pg_namespace') = $2 order by n.nspname`,
      [target.roles.owner, mark],
    ),
  )
  return rows.map(([name]) => name ?? '')
}

/**
 * Drops the schema with all that it holds, and nothing outside it. `confirm` as for {@link createSchema}.
 * @throws SqlError 2BP01 where something of another schema is built on it, 42501 for a schema that is not Postern's,
 * 55P03 where somebody reads it for too long
 */
export async function dropSchema(target: SchemaTarget, name: string, confirm: () => Promise<void>): Promise<void> {
  await withAdministrator(target.administrator, target.database, query =>
    inTransaction(query, async () => {
      await holdSchema(query, name)
      const [row] = await query(
        'select pg_catalog.pg_get_userbyid(nspowner) from pg_catalog.pg_namespace where nspname = $1',
        [name],
      )
      if (row !== undefined && row[0] !== target.roles.owner)
        throw new SqlError({ code: '42501', message: `schema "${name}" does not belong to Postern` })
      if (row !== undefined) await dropContent(query, name)
      await confirm()
    }),
  )
}

/** Nothing can be built on tables that are locked, so what was found to depend on them is all there is. */
async function dropContent(query: Query, name: string): Promise<void> {
  const tables = await query(
    `select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relkind in ('r', 'p') order by c.relname`,
    [name],
  )
  const relations = tables.map(([table]) => quoteRelation(name, table ?? ''))
  if (relations.length > 0) await query(`lock table ${relations.join(', ')} in access exclusive mode`)
  const dependents = await listDependents(query, name)
  if (dependents.length > 0) throw dependedOn(name, dependents)
  await query(`drop schema ${quoteName(name)} cascade`)
}

const dependentsShown = 20

function dependedOn(name: string, dependents: readonly string[]): SqlError {
  return new SqlError({
    code: '2BP01',
    message: `schema "${name}" cannot be dropped: ${dependents.length} objects of other schemas are built on it`,
    detail: dependents.slice(0, dependentsShown).join('\n'),
    hint: 'Drop these first.',
  })
}

/** Two provisioners at one schema wait for each other; the lock goes with the transaction. */
async function holdSchema(query: Query, name: string): Promise<void> {
  await query('select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))', [`postern schema ${name}`])
}

async function listTables(query: Query, name: string): Promise<SchemaTable[]> {
  const rows = await query(
    `select c.relname, c.relkind, c.reltuples::pg_catalog.int8, pg_catalog.pg_total_relation_size(c.oid)
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relkind in ('r', 'v', 'm', 'p', 'f') order by c.relname`,
    [name],
  )
  return rows.map(([table, kind, estimate, bytes]) => ({
    name: table ?? '',
    kind: kindOf(kind ?? ''),
    rowsEstimate: Number(estimate),
    bytes: Number(bytes),
  }))
}

function kindOf(relkind: string): SchemaTable['kind'] {
  if (relkind === 'v') return 'view'
  if (relkind === 'm') return 'materialized view'
  if (relkind === 'p') return 'partitioned table'
  return relkind === 'f' ? 'foreign table' : 'table'
}

/** Rules, constraints, defaults and triggers count as the relation that they belong to. */
async function listDependents(query: Query, name: string): Promise<string[]> {
  const rows = await query(
    `with schema as (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1),
     inside(classid, objid) as (
       select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid from pg_catalog.pg_class c, schema where c.relnamespace = schema.oid
       union all select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid from pg_catalog.pg_type t, schema where t.typnamespace = schema.oid
       union all select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid from pg_catalog.pg_proc p, schema where p.pronamespace = schema.oid
       union all select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid from pg_catalog.pg_operator o, schema where o.oprnamespace = schema.oid
       union all select 'pg_catalog.pg_collation'::pg_catalog.regclass, l.oid from pg_catalog.pg_collation l, schema where l.collnamespace = schema.oid
       union all select 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid from pg_catalog.pg_constraint k, schema where k.connamespace = schema.oid),
     dependent as (
       select d.classid, d.objid from pg_catalog.pg_depend d
         join inside i on d.refclassid = i.classid and d.refobjid = i.objid
        where d.deptype = 'n' or d.deptype = 'a' and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass),
     owner(classid, objid) as (
       select distinct case when r.oid is null and k.conrelid is null and f.oid is null and g.oid is null then d.classid
           else 'pg_catalog.pg_class'::pg_catalog.regclass end,
         coalesce(r.ev_class, nullif(k.conrelid, 0), f.adrelid, g.tgrelid, d.objid)
       from dependent d
         left join pg_catalog.pg_rewrite r on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = d.objid
         left join pg_catalog.pg_constraint k on d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = d.objid and k.conrelid <> 0
         left join pg_catalog.pg_attrdef f on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and f.oid = d.objid
         left join pg_catalog.pg_trigger g on d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and g.oid = d.objid)
     select x.type || ' ' || x.identity from owner o, pg_catalog.pg_identify_object(o.classid, o.objid, 0) x
      where x.schema is distinct from $1 and x.schema is distinct from 'pg_toast' and x.type is not null
      order by 1`,
    [name],
  )
  return rows.map(([dependent]) => dependent ?? '')
}
