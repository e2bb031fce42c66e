import { beforeAll, describe, expect, test } from 'vitest'
import { relation } from './fixtures.ts'
import { judging, type Said, tables, word } from './judging.ts'

const ownersView = { kind: 'v', definition: 'select jobs.runs_as::text as o from app.jobs' }

let said: Said
beforeAll(async () => {
  said = await judging()
})

describe('helpers that describe things are asked about what a catalog of the query shows', () => {
  test.each([
    ['a column', 'select pg_get_userbyid(c.relowner) from pg_class c', 'run'],
    ['without its relation', 'select pg_get_userbyid(relowner), pg_table_size(oid) from pg_class', 'run'],
    ['under casts', 'select pg_get_userbyid(c.relowner::oid) from pg_class c', 'run'],
    ['through a subquery', 'select pg_get_userbyid(x.o) from (select relowner as o from pg_class) x', 'run'],
    ['through its renamed columns', 'select pg_get_userbyid(x.o) from (select relowner from pg_class) x(o)', 'run'],
    [
      'through a star',
      'select pg_get_userbyid(x.relowner) from (select c.*, 1 from pg_class c, pg_namespace) x',
      'run',
    ],
    ['through a CTE', 'with x as (select relowner from pg_class) select pg_get_userbyid(relowner) from x', 'run'],
    [
      'through all arms',
      'select pg_get_userbyid(o) from (select relowner o from pg_class union select proowner from pg_proc) x',
      'run',
    ],
    [
      'through a join with an alias',
      'select pg_get_userbyid(j.relowner) from (pg_class c join pg_index i on true) j',
      'run',
    ],
    ['through a scalar subquery', 'select pg_get_userbyid((select relowner from pg_class limit 1))', 'run'],
    [
      'through aclexplode',
      'select pg_get_userbyid((aclexplode(relacl)).grantee), pg_get_userbyid(a.grantor) from pg_class, aclexplode(relacl) a',
      'run',
    ],
    ['through acldefault', "select aclexplode(coalesce(relacl, acldefault('r', relowner))) from pg_class", 'run'],
    ['from outside of a subquery', 'select (select pg_get_userbyid(c.relowner)) from pg_class c', 'run'],
    ['through a filtered catalog', 'select pg_get_userbyid(datdba) from pg_database', 'run'],
    ['through casts of its array', 'select pg_get_userbyid(unnest(polroles::oid[])) from pg_policy', 'run'],
    ['rounded by a cast', 'select pg_get_userbyid(relowner::int8::float4::int8::oid) from pg_class', '42501'],
    ['cut by a cast to a domain', 'select pg_get_userbyid(relowner::text::app.cut::oid) from pg_class', '42501'],
    ['a level of partitions', "select pg_get_userbyid(t.level::oid) from pg_partition_tree('users') t", '42501'],
    ['a number', 'select pg_get_userbyid(16384)', '42501'],
    ['a generated number', 'select pg_get_userbyid(i::oid) from generate_series(1, 100000) i', '42501'],
    ['named like a column', 'select pg_get_userbyid(relowner) from generate_series(1, 100000) relowner', '42501'],
    ['beside a catalog', 'select pg_get_userbyid(relowner) from pg_class, (select 5::oid as relowner) x', '42501'],
    [
      'from outside of a catalog query',
      'select (select pg_get_userbyid(o) from pg_class limit 1) from generate_series(1, 9) o',
      '42501',
    ],
    [
      'outside, under a name that the inner one lacks',
      'select (select pg_get_userbyid(relowner) from pg_namespace limit 1) from generate_series(1, 9) relowner',
      '42501',
    ],
    [
      'in one arm of a union',
      'select pg_get_userbyid(o) from (select relowner o from pg_class union all select 16384) x',
      '42501',
    ],
    [
      'in a VALUES arm',
      'select pg_get_userbyid(o) from (select relowner o from pg_class union all values (16384::oid)) x',
      '42501',
    ],
    [
      'renamed',
      'select pg_get_userbyid(x.relowner) from (select i::oid, relowner from pg_class, generate_series(1, 9) i) x(relowner)',
      '42501',
    ],
    ['with arithmetic', 'select pg_get_userbyid((relowner::int + 1)::oid) from pg_class', '42501'],
    ['or something else', 'select pg_get_userbyid(coalesce(nullif(relowner, relowner), 16384)) from pg_class', '42501'],
    ['or a constant', 'select pg_get_userbyid(coalesce(relowner, 16384)) from pg_class', '42501'],
    ['of a table', 'select pg_get_userbyid(u.id) from users u, pg_class c', '42501'],
    ['a parameter', 'select pg_get_userbyid($1)', '42501'],
    [
      'a JSON_TABLE column',
      "select pg_get_userbyid(relowner) from json_table('[1]', '$[*]' columns (relowner oid path '$')) j",
      '42501',
    ],
    [
      'a recursive CTE',
      'with recursive r as (select relowner o from pg_class union select o from r) select pg_get_userbyid(o) from r',
      '42501',
    ],
    [
      'what a subquery that is not LATERAL does not see',
      'select (select z from (select relowner from pg_class) q, (select pg_get_userbyid(q.relowner) as z) y) from (select 16384::oid as relowner) q',
      '42501',
    ],
  ])('%s: %s', (_, text, outcome) => {
    expect(word(said(text))).toBe(outcome)
  })

  test('following columns has an end', () => {
    const ctes = Array.from({ length: 30 }, (_, n) => `c${n + 1} as (select a.o from c${n} a, c${n} b where a.o = b.o)`)
    const text = `with c0 as (select relowner o from pg_class), ${ctes.join(', ')} select pg_get_userbyid(o) from c30`
    const stars = ctes.map(cte => cte.replace('a.o from', '* from'))
    expect(word(said(text))).toBe('run')
    expect(
      word(
        said(`with c0 as (select relowner o from pg_class), ${stars.join(', ')} select pg_get_userbyid(o) from c30`),
      ),
    ).toBe('42501')
  })
})

describe('or about what is written out and may be read', () => {
  test.each([
    [
      "select pg_relation_size('users'), pg_total_relation_size('app.users'::regclass), pg_size_pretty(pg_table_size('\"users\"'))",
      'run',
    ],
    ["select pg_relation_size('app.hidden')", '42501'],
    ["select pg_relation_size('hidden'::regclass)", '42501'],
    ['select pg_relation_size(20001)', 'run'],
    ['select pg_relation_size(20003)', '42501'],
    ["select pg_relation_size('20003')", '42501'],
    ["select pg_relation_size('0x4e23'::int::oid)", '42501'],
    ["select pg_relation_size('20_003'::int::oid)", '42501'],
    ['select pg_relation_size((20003.0)::int::oid::regclass)', '42501'],
    ["select pg_get_viewdef(B'100111000100011'::int4::oid)", '42501'],
    ['select pg_get_viewdef(x::int4::oid) from (select 20003 as x) y', '42501'],
    ['select pg_relation_is_publishable(20003)', 'run'],
    ["select pg_relation_size('app.' || 'hidden')", '42501'],
    ["select pg_relation_size('app.hidden!'::varchar(10)::regclass)", '42501'],
    ["select pg_relation_size('app.\"hidden')", '42501'],
    ["select pg_database_size('acme'::char(2))", '42501'],
    ["select has_table_privilege('users', 'select'), has_table_privilege(current_user, 'app.users', 'select')", 'run'],
    ["select has_schema_privilege('app', 'usage')", 'run'],
    [
      "select has_table_privilege(c.oid, 'select'), has_column_privilege(c.oid, 1::int2, 'select') from pg_class c",
      'run',
    ],
    [
      "select pg_total_relation_size(quote_ident(schemaname) || '.' || quote_ident(relname)) from pg_stat_user_tables",
      'run',
    ],
    ["select pg_relation_size(format('%I.%I', schemaname, tablename)::regclass) from pg_tables", 'run'],
    ["select pg_relation_size(left(relname, 0) || 'app.hidden') from pg_class", '42501'],
    ["select pg_relation_size(format('app.hidden', relname)) from pg_class", '42501'],
    [
      "select pg_database_size(current_database()), pg_database_size('acme'), pg_database_size(datname) from pg_database",
      'run',
    ],
    ["select pg_database_size('postgres')", '42501'],
    ["select has_database_privilege('postgres', 'connect')", '42501'],
    [
      "select has_database_privilege(current_database(), 'connect'), pg_has_role(c.relowner, 'usage') from pg_class c",
      'run',
    ],
    ["select pg_has_role('somebody', 'usage')", '42501'],
    [
      "select pg_describe_object(classid, objid, 0), pg_describe_object('pg_class'::regclass, objid, 0) from pg_depend",
      'run',
    ],
    ['select pg_describe_object(1260, 16384, 0)', '42501'],
    ['select pg_describe_object(1260, objid, 0) from pg_depend', '42501'],
    ["select pg_describe_object('pg_authid'::regclass, objid, 0) from pg_depend", '42501'],
    ["select pg_describe_object('pg_operator'::regclass, oprcom, 0) from pg_operator", 'run'],
    ['select pg_describe_object(x.tableoid, oprcom, 0) from pg_operator, (select 1260::oid as tableoid) x', '42501'],
    ["select pg_describe_object('pg_authid'::regclass, oprcom, 0) from pg_operator", '42501'],
    ['select pg_describe_object(classid, oprcom, 0) from pg_operator, pg_depend', '42501'],
    ["select pg_describe_object('pg_operator'::regclass, setting::oid, 0) from pg_settings", '42501'],
    [
      'select pg_identify_object(tableoid, oid, 0), pg_describe_object(classid, setting::oid, 0) from pg_depend, pg_settings',
      '42501',
    ],
    ['select pg_identify_object(c.tableoid, c.oid, 0) from pg_class c', 'run'],
    ["select has_database_privilege(setting, 'connect') from pg_settings", '42501'],
    ['select pg_relation_size(setting::regclass) from pg_settings', '42501'],
    ["select pg_has_role(setting, 'usage') from pg_settings", '42501'],
    ["select pg_has_role(user_name => 'x')", '42501'],
    ["select acldefault('r', 16384)", '42501'],
  ])('%s', (text, outcome) => {
    expect(word(said(text))).toBe(outcome)
  })
})

describe('psql describes what it lists, though it may not be read', () => {
  test.each([
    ["select 1 from pg_publication p where pg_catalog.pg_relation_is_publishable('20003')", 'run'],
    ["select pg_relation_is_updatable(20003, true), pg_column_is_updatable('app.hidden', 1::int2, true)", 'run'],
    ["select pg_catalog.pg_get_partkeydef('20003'::pg_catalog.oid)", 'run'],
    ["select relid from pg_catalog.pg_partition_ancestors('20003')", 'run'],
    ["select '20003'::pg_catalog.regclass", 'run'],
    ["select pg_get_viewdef('20003'::oid, true)", '42501'],
    ["select pg_relation_size('20003')", '42501'],
    ["select * from pg_sequence_parameters('20003')", '42501'],
  ])('%s: %s', (text, outcome) => {
    expect(word(said(text))).toBe(outcome)
  })
})

describe('types that name roles', () => {
  test.each([
    ['select relowner::regrole from pg_class', 'run'],
    ['select relowner::regrole::text from pg_class where relowner::regrole::text = current_user', 'run'],
    ['select relacl::text[], relacl from pg_class', 'run'],
    ['select 16384::regrole', '42501'],
    ["select '16384'::regrole", '42501'],
    ['select cast($1 as regrole)', '42501'],
    ["select setting::regrole from pg_settings where name = 'application_name'", '42501'],
    ['select application_name::regrole from pg_stat_activity', '42501'],
    ['select oid::regrole from pg_class', '42501'],
    ['select roleid::regrole, member::regrole from pg_auth_members', 'run'],
    ['select i::oid::regrole from generate_series(1, 100) i', '42501'],
    ["select array['16384']::regrole[]", '42501'],
    ["select coalesce(nullif(relowner::regrole, relowner::regrole), '16384') from pg_class", '42501'],
    ["select relowner::regrole from pg_class union all select '16384'", '42501'],
    ["select case when relname = '' then relowner::regrole else '16384' end from pg_class", '42501'],
    ["select coalesce(o, '16384') from (select relowner::regrole as o from pg_class) x", '42501'],
    ["select '{=r/16384}'::aclitem[]", '42501'],
    ["select to_regrole('16384')", '42501'],
    ['select regroleout(16384::oid)', '42501'],
    ['select pg_catalog.regrole(16384)', '42501'],
    ["select * from json_table('[16384]', '$[*]' columns (r regrole path '$')) j", '42501'],
    ['select * from jsonb_to_record(\'{"r":16384}\') as x(r regrole)', '42501'],
    ["select json_value('16384', '$' returning regrole)", '42501'],
    ["select * from xmltable('/a' passing '<a>1</a>' columns r regrole path '.')", '42501'],
    ["select * from rows from (json_to_record('{}') as (a regrole)) r", '42501'],
    ["select json_query('[1]', '$' returning regrole[])", '42501'],
    ['select attacl from json_populate_record(null::pg_catalog.pg_attribute, \'{"attacl":"{a=r/a}"}\')', '42501'],
    ["select ('x'::text).pg_class", '42501'],
    ["select '{}'::pg_class[], null::_pg_proc", '42501'],
  ])('%s', (text, outcome) => {
    expect(word(said(text))).toBe(outcome)
  })
})

describe('types of the database that hold such a type', () => {
  const type = (name: string, kind: string, ...contains: string[]) => ({
    schema: 'app',
    name,
    kind,
    check: null,
    contains,
  })
  const catalog = {
    relations: [relation('app', 'jobs', ['runs_as']), relation('app', 'owners', ['o'], ownersView), ...tables],
    types: [
      type('who', 'd', 'pg_catalog.regrole'),
      type('many', 'd', 'app.who'),
      type('jobs', 'c', 'app.who'),
      type('class_copy', 'c', 'pg_catalog.pg_class'),
      type('access', 'c', 'pg_catalog.aclitem'),
      type('users', 'c'),
      type('owners', 'c'),
    ],
  }

  test.each([
    ["select '16384'::who", '42501'],
    ["select '{16384}'::app.who[]", '42501'],
    ["select '{16384}'::_many", '42501'],
    ["select json_populate_record(null::jobs, '{}')", '42501'],
    ["select json_populate_record(null::class_copy, '{}')", '42501'],
    ['select null::access', '42501'],
    ['select null::users', 'run'],
    // Any text becomes such a column's value: coalesce(runs_as, '16384').
    ['select * from jobs', '42501'],
    ['select * from owners', 'run'],
  ])('%s', async (text, outcome) => {
    expect(word((await judging({ catalog }))(text))).toBe(outcome)
  })
})
