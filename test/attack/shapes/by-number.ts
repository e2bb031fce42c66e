/** Another tenant's role or database, named by its number. */
import type { Arena } from '../support/arena.ts'
import { call, expression, query, type Shape } from '../support/shape.ts'

/** A number names an object whatever database it is in. */
export function byNumber({ neighbour }: Arena): Shape[] {
  const { roleOid: role, databaseOid: database } = neighbour
  const numbers = [
    `${role}`,
    `'${role}'::oid`,
    `(${role - 1} + 1)::oid`,
    `'${role}'::text::oid`,
    `(select ${role})::oid`,
  ]
  return [
    ...numbers.flatMap((number): Shape[] => [
      call('pg_get_userbyid', number),
      expression(`(${number})::oid::regrole`),
      expression(`(${number})::oid::regrole::text`),
      call('acldefault', `'r', (${number})::oid`),
      call('pg_describe_object', `1260, (${number})::oid, 0`),
      call('pg_identify_object', `1260, (${number})::oid, 0`),
    ]),
    call('pg_describe_object', `1262, ${database}, 0`),
    call('pg_describe_object', `'pg_database'::regclass, ${database}, 0`),
    call('pg_identify_object', `1262, ${database}, 0`),
    call('pg_identify_object_as_address', `1262, ${database}, 0`),
    call('pg_get_object_address', `'role', '{postgres}', '{}'`),
    call('shobj_description', `${database}, 'pg_database'`, {
      harmless: 'the filtered twin knows this database alone',
    }),
    call('shobj_description', `${role}, 'pg_authid'`, { harmless: 'the filtered twin knows this database alone' }),
    call('pg_database_size', `${database}`),
    call('pg_database_size', `${database}::oid`),
    call('pg_database_size', `(select ${database})::oid`),
    call('has_database_privilege', `${database}, 'connect'`),
    call('pg_has_role', `${role}, 'member'`),
    call('pg_tablespace_databases', '1663'),
    call('pg_tablespace_location', '1663'),
    call('to_regrole', `'${role}'`),
    call('to_regrole', "'postgres'"),
    call('makeaclitem', `${role}, ${role}, 'SELECT', false`),
    call('pg_get_acl', `1260, ${role}, 0`, { since: 18 }),
    call('regrole', `'${role}'`),
    call('pg_catalog.regrole', `${role}`),
    expression(`'${role}'::regrole`),
    expression(`regrole '${role}'`),
    expression(`cast('${role}' as regrole)`),
    expression(`cast('${role}' as pg_catalog."regrole")`),
    expression(`'{${role}}'::regrole[]`),
    expression(`'{${role}}'::_regrole`),
    expression(`array['${role}']::regrole[]`),
    expression(`(${role}::oid).regrole`),
    expression(`('${role}'::text).regrole`),
    query(`select o.regrole from (values (${role}::oid)) o (x)`),
    query(`select (o.x).regrole from (values (${role}::oid)) o (x)`),
    query(`select oid.regrole from unnest(array[${role}::oid]) oid`),
    query(`select coalesce(relowner::regrole, '${role}') from pg_class limit 1`),
    query(`select case when false then relowner::regrole else '${role}' end from pg_class limit 1`),
    query(`select relowner::regrole from pg_class union all select '${role}' limit 1`),
    query(`select array[relowner::regrole, '${role}'] from pg_class limit 1`),
    query(`select greatest(relowner::regrole, '${role}') from pg_class limit 1`),
    query(`select lag(relowner::regrole, 1, '${role}') over () from pg_class limit 1`),
    query(
      `with a as (select relowner::regrole as r from pg_class limit 1) select coalesce(null::text, r::text) from a union all select '${role}'`,
    ),
    query(`select array_append(relacl, 'postgres=r/postgres') from pg_class limit 1`, {
      harmless: 'says no more than its text',
    }),
    ...declaredRoles(role),
    ...fromWhatTheClientWrote(role),
  ]
}

/** The type stands where no cast is. */
function declaredRoles(role: number): Shape[] {
  return ['regrole', 'pg_catalog.regrole', '"regrole"'].flatMap((type): Shape[] => [
    query(`select * from json_to_record('{"a": "${role}"}') as x (a ${type})`),
    query(`select * from jsonb_to_record('{"a": "${role}"}') as x (a ${type})`),
    query(`select * from json_to_recordset('[{"a": "${role}"}]') as x (a ${type})`),
    query(`select * from jsonb_to_recordset('[{"a": "${role}"}]') as x (a ${type})`),
    query(`select * from json_to_record('{"a": ["${role}"]}') as x (a ${type}[])`),
    query(`select * from rows from (json_to_record('{"a": "${role}"}') as (a ${type}), generate_series(1, 2)) x`),
    query(`select * from json_table('["${role}"]', '$[*]' columns (a ${type} path '$')) t`, { since: 17 }),
    query(`select * from json_table('["${role}"]', '$[*]' columns (nested path '$' columns (a ${type} path '$'))) t`, {
      since: 17,
    }),
    query(`select * from xmltable('/a' passing xmlparse(document '<a>${role}</a>') columns a ${type} path '.') t`),
    query(`select json_value('"${role}"', '$' returning ${type})`, { since: 17 }),
    query(`select json_query('["${role}"]', '$' returning ${type}[])`, { since: 17 }),
    query(`select json_serialize('"${role}"' returning ${type})`, { since: 17 }),
    query(`select json_scalar('${role}')::text::${type}`, { since: 17 }),
    query(`select xmlserialize(content xmlparse(content '${role}') as ${type})`),
    query(`select * from json_populate_record(null::record, '{"a": "${role}"}') as x (a ${type})`),
  ])
}

/** Catalogs show what the client itself wrote: such a column is no catalog's number. */
function fromWhatTheClientWrote(role: number): Shape[] {
  const setup = `set application_name = '${role}'`
  return [
    `select pg_get_userbyid(setting::oid) from pg_settings where name = 'application_name'`,
    `select setting::regrole from pg_settings where name = 'application_name'`,
    `select pg_describe_object(1260, setting::oid, 0) from pg_settings where name = 'application_name'`,
    `select has_database_privilege(setting, 'connect') from pg_settings where name = 'application_name'`,
    `select pg_get_userbyid(application_name::oid) from pg_stat_activity where application_name ~ '^\\d+$'`,
    `select application_name::regrole from pg_stat_activity where application_name ~ '^\\d+$'`,
    `select pg_get_userbyid(length(query)::oid) from pg_stat_activity`,
    `select pg_get_userbyid(u) from pg_stats, unnest(histogram_bounds::text::oid[]) u where tablename = 'orders'`,
    `select pg_get_userbyid(seq_tup_read::oid) from pg_stat_user_tables`,
    `select pg_get_userbyid(last_value::oid) from pg_sequences`,
    `select pg_get_userbyid(maximum_value::oid) from information_schema.sequences`,
    `select pg_get_userbyid(reltuples::int::oid) from pg_class`,
    `select pg_get_userbyid(attnum::int::oid) from pg_attribute`,
    `select pg_describe_object(1262, attnum::int::oid, 0) from pg_attribute`,
  ].map(sql => query(sql, { setup }))
}
