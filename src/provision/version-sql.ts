/**
 * The catalog's version as one SQL expression: for each catalog that the snapshot reads, how many rows of the tenant's own
 * schemas it has, and their (key, xmin) hashed together in any order.
 */

/** pg_toast and pg_temp_… are left out: temporary tables come and go. */
export const ownSchemas = `(select n.oid from pg_catalog.pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema')`

/** Objects that initdb made have smaller oids (access/transam.h, FirstNormalObjectId). */
export const firstOwnOid = 16384

/** Above this a table's size counts, in powers of four: limits depend on it. */
const largeTableRows = 65_536

/** count-hash of the rows of `from`; `second`, below 65536, is the rest of a key of two. */
function fingerprint(from: string, key: string, second = '0'): string {
  return `(select pg_catalog.count(*) || '-' || pg_catalog.to_hex(coalesce(pg_catalog.bit_xor(
      pg_catalog.hashtextextended(x.xmin::pg_catalog.text, ((${key})::pg_catalog.int8 << 16) | ${second})), 0))
    from ${from})`
}

const ownRelations = `(select c.oid from pg_catalog.pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relnamespace in ${ownSchemas})`

export const versionSql = `pg_catalog.concat_ws('.',
  ${fingerprint(`pg_catalog.pg_namespace x where x.oid in ${ownSchemas}`, 'x.oid')},
  ${fingerprint(
    `pg_catalog.pg_class x where x.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and x.relnamespace in ${ownSchemas}`,
    'x.oid',
    `(pg_catalog.ln(greatest(x.reltuples, ${largeTableRows})::pg_catalog.float8) / pg_catalog.ln(4::pg_catalog.float8))::pg_catalog.int8`,
  )},
  ${fingerprint(`pg_catalog.pg_attribute x where x.attnum > 0 and x.attrelid in ${ownRelations}`, 'x.attrelid', 'x.attnum')},
  ${fingerprint(`pg_catalog.pg_proc x where x.pronamespace in ${ownSchemas} or (x.oid >= ${firstOwnOid} and x.pronamespace = 'pg_catalog'::pg_catalog.regnamespace)`, 'x.oid')},
  ${fingerprint(`pg_catalog.pg_type x where x.typnamespace in ${ownSchemas} or (x.oid >= ${firstOwnOid} and x.typnamespace = 'pg_catalog'::pg_catalog.regnamespace)`, 'x.oid')},
  ${fingerprint(`pg_catalog.pg_constraint x where x.contypid >= ${firstOwnOid}`, 'x.oid')},
  ${fingerprint(`pg_catalog.pg_operator x where x.oprnamespace in ${ownSchemas} or (x.oid >= ${firstOwnOid} and x.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace)`, 'x.oid')},
  ${fingerprint(`pg_catalog.pg_cast x where x.oid >= ${firstOwnOid}`, 'x.oid')},
  ${fingerprint(`pg_catalog.pg_rewrite x where x.ev_class in ${ownRelations}`, 'x.oid')},
  ${fingerprint(`pg_catalog.pg_policy x where x.polrelid in ${ownRelations}`, 'x.oid')},
  ${fingerprint(`pg_catalog.pg_inherits x where x.inhrelid in ${ownRelations}`, 'x.inhrelid', 'x.inhseqno')},
  ${fingerprint('pg_catalog.pg_extension x', 'x.oid')})`
