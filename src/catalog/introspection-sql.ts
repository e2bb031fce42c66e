/**
 * One statement that reads a whole schema as the reader sees it: $1 is the schema's name. Rows are (part, json). One
 * statement is one moment; a fixed number of rows, whatever the schema's size, stays below any limit of rows.
 */

/** Objects that initdb made have smaller oids (access/transam.h, FirstNormalObjectId). */
const firstOwnOid = 16384

/** Tables are spread over so many rows, each of which must stay below the limit of a cell. */
const buckets = 8

const schemaOid = '(select s.oid from pg_catalog.pg_namespace s where s.nspname = $1)'
const relations = `(select r.oid from pg_catalog.pg_class r where r.relnamespace = ${schemaOid} and r.relkind in ('r', 'p', 'v', 'm', 'f'))`

/** How many rows of the catalog, and their (key, xmin) hashed together in any order; `second` is the rest of a key of two. */
function fingerprint(from: string, key: string, second = '0'): string {
  return `(select pg_catalog.count(*) || '-' || pg_catalog.to_hex(coalesce(pg_catalog.bit_xor(pg_catalog.hashtextextended(
      x.xmin::pg_catalog.text, ((${key})::pg_catalog.int8 << 16) | ${second})), 0)) from pg_catalog.${from})`
}

/** Comments, keys, indexes, defaults and enum values too, which the guard's own version of the catalog leaves out. */
const version = `pg_catalog.concat_ws('.',
  ${fingerprint('pg_namespace x where x.nspname = $1', 'x.oid')},
  ${fingerprint(`pg_class x where x.relnamespace = ${schemaOid}`, 'x.oid')},
  ${fingerprint(`pg_attribute x where x.attnum > 0 and x.attrelid in ${relations}`, 'x.attrelid', 'x.attnum')},
  ${fingerprint(`pg_attrdef x where x.adrelid in ${relations}`, 'x.oid')},
  ${fingerprint(`pg_constraint x where x.conrelid in ${relations} or x.confrelid in ${relations}`, 'x.oid')},
  ${fingerprint(`pg_index x where x.indrelid in ${relations}`, 'x.indexrelid')},
  ${fingerprint(`pg_inherits x where x.inhrelid in ${relations}`, 'x.inhrelid', 'x.inhseqno')},
  ${fingerprint(`pg_type x where x.oid >= ${firstOwnOid} and x.typtype in ('d', 'e')`, 'x.oid')},
  ${fingerprint('pg_enum x', 'x.oid')},
  ${fingerprint(`pg_description x where x.objoid in ${relations}`, 'x.objoid', 'x.objsubid')},
  ${fingerprint(`pg_description x where x.classoid in ('pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_namespace'::pg_catalog.regclass) and x.objoid >= ${firstOwnOid}`, 'x.objoid')})`

/** A text that changes with whatever below depends on DDL; sizes change unseen. */
export const versionSql = `select ${version}`

function comment(of: string, oid: string, column = '0'): string {
  return `(select d.description from pg_catalog.pg_description d
    where d.classoid = 'pg_catalog.${of}'::pg_catalog.regclass and d.objoid = ${oid} and d.objsubid = ${column})`
}

const columns = `(select pg_catalog.json_agg(pg_catalog.json_build_object(
    'number', a.attnum, 'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
    'typeOid', a.atttypid::pg_catalog.int8, 'notNull', a.attnotnull, 'identity', a.attidentity, 'generated', a.attgenerated,
    'default', (select pg_catalog.pg_get_expr(f.adbin, f.adrelid) from pg_catalog.pg_attrdef f
                 where f.adrelid = a.attrelid and f.adnum = a.attnum),
    'readable', pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'select'),
    'description', ${comment('pg_class', 'a.attrelid', 'a.attnum')}) order by a.attnum)
  from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)`

/** The definition without what stands before the method's name: CREATE INDEX … ON … USING. */
const indexHead = `'CREATE ' || case when i.indisunique then 'UNIQUE ' else '' end || 'INDEX ' || pg_catalog.quote_ident(x.relname)
  || ' ON ' || case x.relkind when 'I' then 'ONLY ' else '' end || pg_catalog.quote_ident(n.nspname) || '.'
  || pg_catalog.quote_ident(c.relname) || ' USING '`

const indexes = `(select pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', x.relname, 'unique', i.indisunique, 'primary', i.indisprimary, 'valid', i.indisvalid,
    'keys', (i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1], 'included', (i.indkey::pg_catalog.int2[])[i.indnkeyatts:],
    'computed', i.indexprs is not null or i.indpred is not null, 'partial', i.indpred is not null,
    'definition', pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), pg_catalog.length(${indexHead}) + 1))
    order by x.relname)
  from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid)`

const checks = `(select pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', k.conname, 'columns', k.conkey, 'definition', pg_catalog.pg_get_constraintdef(k.oid)) order by k.conname)
  from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.contype = 'c')`

const parents = `(select pg_catalog.json_agg(pg_catalog.json_build_object('schema', pn.nspname, 'name', p.relname) order by h.inhseqno)
  from pg_catalog.pg_inherits h join pg_catalog.pg_class p on p.oid = h.inhparent
  join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace where h.inhrelid = c.oid)`

/** A view that reads in the name of who asks shows nothing where he may not read what is behind it. */
const isOpen = `not (c.relkind = 'v' and pg_catalog.array_to_string(c.reloptions, ',') ~* 'security_invoker=(true|on|yes|1)'
  and exists (select from pg_catalog.pg_rewrite w join pg_catalog.pg_depend b on b.objid = w.oid
    where w.ev_class = c.oid and b.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      and b.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and b.refobjid <> c.oid
      and not pg_catalog.has_any_column_privilege(b.refobjid, 'select')))`

const tables = `
  select 'tables', pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', c.relname, 'kind', c.relkind, 'rows', c.reltuples, 'isPartition', c.relispartition,
    'partitionKey', case c.relkind when 'p' then pg_catalog.pg_get_partkeydef(c.oid) end,
    'parents', ${parents}, 'description', ${comment('pg_class', 'c.oid')},
    'columns', ${columns}, 'indexes', ${indexes}, 'checks', ${checks}))
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_any_column_privilege(c.oid, 'select')
    and ${isOpen}
  group by c.oid::pg_catalog.int8 % ${buckets}`

/** Names of columns, in the key's order. */
function columnNames(relation: string, key: string): string {
  return `array(select a.attname from pg_catalog.unnest(${key}) with ordinality u (number, place)
    join pg_catalog.pg_attribute a on a.attrelid = ${relation} and a.attnum = u.number order by u.place)`
}

/** Whether all columns of a key may be read. */
function isShown(relation: string, key: string): string {
  return `not exists (select from pg_catalog.pg_attribute a where a.attrelid = ${relation} and a.attnum = any (${key})
    and not pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'select'))`
}

/** Those that a partition has from its parent are left out. */
const foreignKeys = `
  select 'foreignKeys', pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', k.conname, 'schema', n.nspname, 'table', c.relname, 'columns', ${columnNames('k.conrelid', 'k.conkey')},
    'toSchema', fn.nspname, 'toTable', f.relname, 'toColumns', ${columnNames('k.confrelid', 'k.confkey')})
    order by n.nspname, c.relname, k.conname)
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class f on f.oid = k.confrelid join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace
  where k.contype = 'f' and k.conparentid = 0 and $1 in (n.nspname, fn.nspname)
    and ${isShown('k.conrelid', 'k.conkey')} and ${isShown('k.confrelid', 'k.confkey')}`

/** Enums, domains, arrays of both, and what extensions make. */
const types = `
  select 'types', pg_catalog.json_agg(pg_catalog.json_build_object(
    'oid', t.oid::pg_catalog.int8, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype,
    'base', t.typbasetype::pg_catalog.int8, 'baseType', case when t.typtype = 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod) end,
    'element', t.typelem::pg_catalog.int8, 'description', ${comment('pg_type', 't.oid')},
    'values', case when t.typtype = 'e' then array(select e.enumlabel from pg_catalog.pg_enum e where e.enumtypid = t.oid order by e.enumsortorder) end))
  from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  left join pg_catalog.pg_type l on l.oid = t.typelem
  where t.oid >= ${firstOwnOid} and (t.typtype in ('d', 'e') or (t.typtype = 'b' and coalesce(l.typtype, 'b') <> 'c'))`

const schema = `
  select 'schema', pg_catalog.json_build_object('version', ${version}, 'description', ${comment('pg_namespace', 'n.oid')},
    'usable', pg_catalog.has_schema_privilege(n.oid, 'usage'))
  from pg_catalog.pg_namespace n where n.nspname = $1`

export const introspectionSql = [schema, tables, foreignKeys, types].join('\n  union all')
