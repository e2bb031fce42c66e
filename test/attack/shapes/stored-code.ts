/** Code that stands in the database: whoever wrote it, a reader's statement must not set it off unless the policy says so. */
import { expression, query, type Shape, statement } from '../support/shape.ts'

/** Run by the owner in schema crm. Whatever runs says LEAK-RAN, in a value or a notice. */
export const storedCode = `
  create function leak(u users) returns text language sql volatile security definer as $$ select 'LEAK-RAN' $$;
  create function leak_any(x anyelement) returns text language sql volatile security definer as $$ select 'LEAK-RAN' $$;
  create function leak_none() returns text language sql volatile security definer as $$ select 'LEAK-RAN' $$;
  create function leak_rows() returns setof text language sql volatile security definer as $$ select 'LEAK-RAN' $$;
  create function leak_default(x int default 1) returns text language sql immutable as $$ select 'LEAK-RAN' $$;
  create function leak_many(variadic x text[]) returns text language sql stable as $$ select 'LEAK-RAN' $$;
  create function noisy(x text) returns boolean language plpgsql immutable security definer
    as $$ begin raise notice 'LEAK-RAN'; return true; end $$;
  create function noisy_int(a int, b int) returns boolean language plpgsql immutable as $$ begin raise notice 'LEAK-RAN'; return true; end $$;
  create function becomes() returns text language plpgsql
    as $$ begin perform set_config('role', 'none', false); return current_user; end $$;
  create function dynamic(q text) returns text language plpgsql as $$ declare r text; begin execute q into r; return r; end $$;
  create procedure leak_call() language sql as $$ select 1 $$;
  create function sum_step(s int, x int) returns int language plpgsql as $$ begin raise notice 'LEAK-RAN'; return 1; end $$;
  create aggregate leak_sum (int) (sfunc = sum_step, stype = int, initcond = '0');
  create domain dom as text check (noisy(value));
  create domain dom_over as dom;
  create type comp as (a dom);
  create type comp_over as (b comp);
  create table held (d dom);
  create domain who as regrole;
  create table owned (r regrole);
  create type range_over as range (subtype = text);
  create operator === (function = noisy_int, leftarg = int, rightarg = int);
  create operator !== (function = noisy, rightarg = text);
  create type color as enum ('red');
  create function color_int(c color) returns int language plpgsql as $$ begin raise notice 'LEAK-RAN'; return 1; end $$;
  create cast (color as int) with function color_int(color) as implicit;
  create table paints (id int, c color);
  insert into paints values (1, 'red');
  create table documents (id int, body text);
  insert into documents values (1, 'x');
  create policy visible on documents using (noisy(body));
  alter table documents enable row level security;
  alter table documents force row level security;
  create view view_leak as select leak_any(1) as v;
  create view view_over as select * from view_leak;
  create view view_domain as select 'x'::dom as v;
  create view view_operator as select 1 === 2 as v;
  create view view_documents as select * from documents;
  create view view_role as select set_config('role', 'none', true) as v;
  create view view_text as select query_to_xml('select v from vault.gold', true, false, '') as v;
  create view view_next as select nextval('counter') as v;
  create view view_sleep as select pg_sleep(0)::text as v;
  create view view_neighbours as select datname from pg_database;
  create view view_roles as select rolname from pg_roles;
  create view view_activity as select * from pg_stat_activity;
  create view view_userbyid as select pg_get_userbyid(g::oid) as v from generate_series(1, 3) g;
  create materialized view matview_excluded as select * from payroll;
  create table parent (id int, v text) partition by list (id);
  create table part_one partition of parent for values in (1);
  -- Polyfills of what later majors have as keywords.
  create function "json_scalar"(x text) returns text language sql security definer as $$ select 'LEAK-RAN' $$;
  create function "json_value"(x text, y text) returns text language sql security definer as $$ select 'LEAK-RAN' $$;
  create function "json_query"(x text, y text) returns text language sql security definer as $$ select 'LEAK-RAN' $$;
  create function "json_exists"(x text, y text) returns boolean language plpgsql as $$ begin raise notice 'LEAK-RAN'; return true; end $$;
  create function "json_serialize"(x text) returns text language sql security definer as $$ select 'LEAK-RAN' $$;
  create function "json_array"(x text) returns text language sql security definer as $$ select 'LEAK-RAN' $$;
  create function "json_arrayagg"(x text) returns text language sql security definer as $$ select 'LEAK-RAN' $$;
  create function "json_table"(x text) returns text language sql security definer as $$ select 'LEAK-RAN' $$;
  create function "merge_action"() returns text language sql security definer as $$ select 'LEAK-RAN' $$;
  create function "json_object"(x text) returns text language sql security definer as $$ select 'LEAK-RAN' $$;
  create function pg_backend_pid() returns int language plpgsql as $$ begin raise notice 'LEAK-RAN'; return 1; end $$;
`

/** By the superuser: what only he may make. */
export const storedBySuperuser = `
  create foreign data wrapper postern_attack;
  create server postern_attack foreign data wrapper postern_attack;
  create foreign table crm.far (id int, v text) server postern_attack;
  create foreign table crm.part_far partition of crm.parent for values in (2) server postern_attack;
  create view crm.view_far as select * from crm.far;
  grant select on crm.far, crm.view_far to public;
  create function crm.int_json(i int) returns json language plpgsql as $$ begin raise notice 'LEAK-RAN'; return '1'; end $$;
  create cast (int as json) with function crm.int_json(int);
  create function pg_catalog.leak_text(x text) returns text language sql as $$ select 'LEAK-RAN' $$;
  create function pg_catalog.leak_row(x anyelement) returns text language sql as $$ select 'LEAK-RAN' $$;
`

const rowCalls = [
  'u.leak',
  '(u).leak',
  '(u.*).leak',
  'users.leak',
  'crm.users.leak',
  'u.leak_any',
  '(u).leak_any',
  'u."leak"',
  'u.U&"\\006ceak"',
  'u /* */ . leak',
]

export const storedCodeShapes: readonly Shape[] = [
  ...rowCalls.map(column => query(`select ${column} from users${/^(?:users|crm)/.test(column) ? '' : ' u'} limit 1`)),
  ...[
    'select leak.leak from users as leak',
    'select leak.leak from (select * from users) as leak',
    'select leak.leak from (table users) as leak (a, b)',
    'with leak as (select * from users) select leak.leak from leak',
    'with leak as (select u from users u) select (leak.u).leak from leak',
    'select leak.leak from (users a join users b using (id)) as leak',
    'select leak.leak from (select null::users) as leak (x)',
    'select (leak.x).leak from (select null::users) as leak (x)',
    "select leak.leak from jsonb_populate_record(null::users, '{}') as leak",
    "select leak.leak from json_populate_recordset(null::users, '[{}]') as leak",
    'select leak.leak from unnest(array(select u from users u limit 1)) as leak',
    'select leak_any.leak_any from users a join users b using (id) as leak_any',
    'select leak.leak from unnest(array[null::users], array[1]) as leak',
    'select leak.leak from rows from (unnest(array[null::users])) as leak',
    "select leak_any.leak_any from json_to_record('{}') as leak_any (a int)",
    "select leak_any.leak_any from xmltable('/a' passing xmlelement(name a) columns x text path '.') as leak_any",
    'select leak_any.leak_any from generate_series(1, 1) as leak_any (x)',
    'select max(u.leak) from users u',
    'select id from users u where u.leak is not null',
    'select id from users u order by u.leak',
    'select id from users u group by id, u.leak',
    'select count(*) filter (where u.leak is null) from users u',
    'select (select u.leak) from users u',
    'select s.* from users u, lateral (select u.leak) s',
    'select x.leak from users u cross join lateral (select u.*) x',
    'select (array_agg(u))[1].leak from users u',
    'select ((array_agg(u))[1]).leak from users u',
    'select (row(u.id, u.name)::users).leak from users u',
    'select (row(1, $$x$$)::users).leak',
    'select (null::users).leak',
    'select (null::crm.users).leak_any',
    'select leak(null)',
    'select leak(u) from users u',
    'select crm.leak(u.*) from users u',
    'select leak_any(1)',
    'select * from leak_any(1)',
    'select * from leak_any(1) as f (leak)',
    'select * from rows from (leak_any(1), leak_rows())',
    'select leak_none()',
    'select leak_rows()',
    'select leak_default()',
    'select leak_default(x => 2)',
    "select leak_many('a', 'b')",
    "select leak_many(variadic array['a'])",
    'select leak_sum(id) from users',
    'select leak_sum(id) over () from users limit 1',
    'select leak_sum(id order by id) filter (where true) from users',
    'select becomes()',
    "select dynamic('select v from vault.gold')",
    'select leak_call()',
    'select 1 === 2',
    'select 1 operator(crm.===) 2',
    "select !== 'x'",
    "select operator(crm.!==) 'x'",
    'select 1 === any (array[2])',
    'select 1 === all (select id from users)',
    'select id from users order by id using ===',
    'select (1, 2) === (3, 4)',
    "select 'red'::color::int",
    "select cast('red'::color as int)",
    "select int4('red'::color)",
    'select 1::json',
    'select json(1)',
    'select cast(1 as json)',
    'select * from view_leak',
    'select * from view_over',
    'select * from view_domain',
    'select * from view_operator',
    'select * from view_documents',
    'select * from view_role',
    'select * from view_text',
    'select * from view_next',
    'select * from view_sleep',
    'select * from view_neighbours',
    'select * from view_roles',
    'select * from view_activity',
    'select * from view_userbyid',
    'select * from documents',
    'select count(*) from documents',
    'select * from matview_excluded',
    'select * from far',
    'select * from view_far',
    'select * from parent',
    'select * from part_far',
    'select * from part_one join parent using (id)',
    'select count(*) from only parent, part_far',
  ].map(sql => query(sql)),
  ...[
    "'x'::dom",
    "'x'::crm.dom",
    "cast('x' as dom)",
    "dom 'x'",
    "dom('x')",
    "crm.dom('x'::text)",
    "('x'::text).dom",
    "'x'::dom_over",
    "'{x}'::dom[]",
    "'{x}'::_dom",
    "'{x}'::crm._dom",
    "array['x']::dom[]",
    "row('x')::comp",
    "'(x)'::comp",
    "row(row('x'))::comp_over",
    '\'{"(x)"}\'::_comp',
    "row('x')::held",
    "'(x)'::crm.held",
    'json_populate_record(null::comp, \'{"a": "x"}\')',
    'jsonb_populate_record(null::held, \'{"d": "x"}\')',
    'jsonb_populate_record(null::comp_over, \'{"b": {"a": "x"}}\')',
    'jsonb_populate_record_valid(null::comp, \'{"a": "x"}\')',
    "json_value('\"x\"', '$' returning dom)",
    "json_query('\"x\"', '$' returning dom)",
    'json_query(\'{"a": "x"}\', \'$\' returning comp)',
    'xmlserialize(content xmlelement(name x) as dom)',
    'to_json(1::int)',
  ].map(sql => expression(sql)),
  ...[
    'select * from json_to_record(\'{"a": "x"}\') as r (a dom)',
    'select * from json_to_record(\'{"a": {"a": "x"}}\') as r (a comp)',
    'select * from json_to_recordset(\'[{"a": ["x"]}]\') as r (a dom[])',
    'select * from json_to_recordset(\'[{"d": "x"}]\') as r (a held)',
    "select * from json_table('[\"x\"]', '$[*]' columns (a dom path '$')) t",
    "select * from xmltable('/a' passing xmlelement(name a, 'x') columns x dom path '.') t",
    'select * from json_populate_recordset(null::held, \'[{"d": "x"}]\')',
  ].map(sql => query(sql)),
  ...[
    "select json_scalar('x')",
    "select json_value('x', '$')",
    "select json_query('x', '$')",
    "select json_exists('x', '$')",
    "select json_serialize('x')",
    'select merge_action()',
  ].map(sql => query(sql, { until: 16 })),
  ...["select json_array('x')", "select json_object('x')", "select json_arrayagg('x')"].map(sql =>
    query(sql, { until: 15 }),
  ),
  ...[
    "select leak_text('x')",
    "select pg_catalog.leak_text('x')",
    "select ('x'::text).leak_text",
    'select u.leak_row from users u',
    'select (u).leak_row from users u',
    "select '10'::who",
    'select json_populate_record(null::owned, \'{"r": "10"}\')',
    "select coalesce(null, r, '10') from owned",
  ].map(sql => query(sql)),
  query('select pg_backend_pid()'),
  query('select crm.pg_backend_pid()'),
  statement('call leak_call()'),
  statement('set search_path = crm, pg_catalog; select pg_backend_pid()'),
]
