/** The whole catalog as one JSON text: the fields of RawCatalog under their own names. */
import { filteredSchema } from './filtered-views.ts'
import { quoteText } from './quote.ts'
import { firstOwnOid, ownSchemas, versionSql } from './version-sql.ts'

const twins = quoteText(filteredSchema)

/** Our own twins are no relations of the tenant. */
const tenantSchemas = `(select n.oid from pg_catalog.pg_namespace n where n.oid in ${ownSchemas} and n.nspname <> ${twins})`

const relations = `
  select c.oid::pg_catalog.int8 as oid, n.nspname as schema, c.relname as name, c.relkind as kind, c.reltuples as "rowsEstimate",
    array(select a.attname from pg_catalog.pg_attribute a
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns,
    case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid) end as definition,
    array(select pg_catalog.pg_get_expr(p.polqual, p.polrelid) from pg_catalog.pg_policy p
           where p.polrelid = c.oid and p.polqual is not null order by p.oid) as policies,
    array(select pn.nspname || '.' || pc.relname from pg_catalog.pg_inherits i
            join pg_catalog.pg_class pc on pc.oid = i.inhparent
            join pg_catalog.pg_namespace pn on pn.oid = pc.relnamespace
           where i.inhrelid = c.oid order by i.inhseqno) as parents
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.oid in ${tenantSchemas}`

/** Of the tenant, or put among the built-in ones by a superuser or an extension. */
function isOwn(oid: string, namespace: string): string {
  return `(${namespace} in ${tenantSchemas} or (${oid} >= ${firstOwnOid} and ${namespace} = 'pg_catalog'::pg_catalog.regnamespace))`
}

/** rowArgument errs on the wide side: whatever one argument a row might be passed as, record, any… and domains included. */
const functions = `
  select n.nspname as schema, p.proname as name, p.provolatile as volatility, p.prosecdef as "securityDefiner",
    (select e.extname from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
        and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass) as extension,
    p.pronargs >= 1 and p.pronargs - p.pronargdefaults <= 1 and exists (
      select from pg_catalog.pg_type t where t.oid = p.proargtypes[0]
        and (t.typtype in ('c', 'p', 'd') or t.oid >= ${firstOwnOid})) as "rowArgument",
    p.prolang = (select l.oid from pg_catalog.pg_language l where l.lanname = 'internal')
      and p.prosrc ~ '^(multi)?range_constructor[0-3]$' as "makesRange"
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where ${isOwn('p.oid', 'n.oid')}`

const operators = `
  select n.nspname as schema, o.oprname as name, fn.nspname || '.' || f.proname as function
  from pg_catalog.pg_operator o join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  join pg_catalog.pg_proc f on f.oid = o.oprcode join pg_catalog.pg_namespace fn on fn.oid = f.pronamespace
  where ${isOwn('o.oid', 'n.oid')}`

/** What a value of type t is made of, an array standing for its elements: types of the tenant, rows of catalogs, aclitem and regrole. */
const contents = `
  select distinct en.nspname || '.' || e.typname as name
  from (select t.typbasetype where t.typtype = 'd'
        union all select a.atttypid from pg_catalog.pg_attribute a
                   where a.attrelid = t.typrelid and t.typrelid <> 0 and a.attnum > 0 and not a.attisdropped
        union all select r.rngsubtype from pg_catalog.pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)) held (oid)
  join pg_catalog.pg_type h on h.oid = held.oid
  join pg_catalog.pg_type e on e.oid = case when h.typelem <> 0 and h.typlen = -1 then h.typelem else h.oid end
  join pg_catalog.pg_namespace en on en.oid = e.typnamespace
  where e.oid >= ${firstOwnOid} or e.typtype = 'c'
     or e.oid in ('pg_catalog.aclitem'::pg_catalog.regtype, 'pg_catalog.regrole'::pg_catalog.regtype)
  order by name`

const types = `
  select n.nspname as schema, t.typname as name, t.typtype as kind,
    (select pg_catalog.string_agg('(' || pg_catalog.pg_get_expr(k.conbin, 0) || ')', ' and ' order by k.oid)
       from pg_catalog.pg_constraint k where k.contypid = t.oid and k.conbin is not null) as "check",
    array(${contents}) as contains
  from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  where ${isOwn('t.oid', 'n.oid')}
    and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)`

/** One row for each end of the cast that is not pg_catalog's; for both where neither is. */
const casts = `
  select tn.nspname as schema, t.typname as type, fn.nspname || '.' || f.proname as function
  from pg_catalog.pg_cast k join pg_catalog.pg_proc f on f.oid = k.castfunc
  join pg_catalog.pg_namespace fn on fn.oid = f.pronamespace
  join pg_catalog.pg_type t on t.oid in (k.castsource, k.casttarget)
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  where k.oid >= ${firstOwnOid}
    and (t.oid >= ${firstOwnOid} or (k.castsource < ${firstOwnOid} and k.casttarget < ${firstOwnOid}))`

const extensions = `
  select e.extname as name, n.nspname as schema
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace`

/** Usable by whoever asks: where the views stand but may not be read, there are none. */
const filteredViews = `
  select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = ${twins} and c.relkind = 'v'
    and pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(c.oid, 'select')
  order by c.relname`

function listOf(sql: string): string {
  return `(select coalesce(pg_catalog.json_agg(x), '[]') from (${sql}) x)`
}

export const catalogSql = `pg_catalog.json_build_object(
  'version', ${versionSql},
  'major', pg_catalog.current_setting('server_version_num')::pg_catalog.int4 / 10000,
  'database', pg_catalog.current_database(),
  'schemas', array(select n.nspname from pg_catalog.pg_namespace n where n.oid in ${ownSchemas} order by n.nspname),
  'relations', ${listOf(relations)},
  'functions', ${listOf(functions)},
  'operators', ${listOf(operators)},
  'types', ${listOf(types)},
  'casts', ${listOf(casts)},
  'extensions', ${listOf(extensions)},
  'filteredViews', array(${filteredViews}))::pg_catalog.text`
