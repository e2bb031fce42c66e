import { beforeAll, describe, expect, test } from 'vitest'
import { storedFunction } from './fixtures.ts'
import { judging, type Said, word } from './judging.ts'

let said: Said
beforeAll(async () => {
  said = await judging()
})

describe('what reads runs', () => {
  test.each([
    'select 1',
    'select * from users',
    'select email from app.users u where u.id in (select user_id from orders) order by 1',
    'select u.id, count(*) filter (where o.total > 3) over (partition by u.id rows 3 preceding) from users u join orders o using (id)',
    'with recursive t(n) as (values (1) union all select n + 1 from t where n < 10) select * from t',
    'with recursive t as (select 1 n union all select n + 1 from t) search depth first by n set o cycle n set c using p select * from t',
    'table users',
    'values (1, 2), (3, 4)',
    'select 1 union all (select 2 limit 1) except select 3 order by 1 limit 2',
    'select * from users u, lateral (select * from orders o where o.user_id = u.id limit 3) x',
    'select * from generate_series(1, 10) with ordinality as g(n, o)',
    'select * from rows from (generate_series(1, 2), jsonb_to_recordset(\'[{"a":1}]\') as (a int)) as r(a, b)',
    "select * from json_table('[1,2]', '$[*]' columns (n for ordinality, v int path '$')) j",
    "select * from xmltable('/r/a' passing '<r><a>1</a></r>' columns a int path '.')",
    'select grouping(id), rollup_total from (select id, sum(total) as rollup_total from orders group by rollup (id)) x group by 1, 2',
    'select * from orders tablesample bernoulli (10) repeatable (1)',
    'select distinct on (id) id, case id when 1 then 2 else 3 end, coalesce(email, $1), greatest(1, 2) from users',
    'select (array[1, 2])[1:2], row(1, 2), (row(1, 2)).f1, current_date, current_user, x is distinct from 1 from (select 1) as y(x)',
    "select json_object('a': 1), json_arrayagg(id), json_value('{}', '$.a' returning int default 0 on error) from users",
    "select xmlelement(name a, xmlattributes(1 as b), 'c'), xmlserialize(content '<a/>' as text)",
    "select email collate \"C\", id operator(pg_catalog.=) 1, interval '1' hour, email like 'a%' escape '!' from users",
    'select * from users where (id, id) in (select id, id from orders) and id = any(array[1]) and exists (select)',
    'explain select * from users',
    'explain (analyze, buffers, format json) select * from users',
    'declare c scroll cursor for select * from users',
    'declare c binary insensitive no scroll cursor without hold for select 1',
    'copy (select * from users) to stdout',
    'copy users (id, email) to stdout with (format csv, header, delimiter ";", force_quote *)',
    'copy users to stdout binary',
  ])('%s', text => {
    expect(said(text)).toMatchObject({ kind: 'run' })
  })

  test('with the relations and functions that it names', () => {
    expect(said('select lower(email), count(*) from users join app.orders using (id) group by 1')).toMatchObject({
      statementKind: 'select',
      relations: ['app.users', 'app.orders'],
      functions: ['pg_catalog.lower', 'pg_catalog.count'],
      dirties: false,
    })
  })

  test.each([
    ['copy users to stdout csv header', { type: 'copy', header: true, binary: false }],
    ['copy users to stdout (format binary)', { type: 'copy', header: false, binary: true }],
    ['copy users to stdout (header false)', { type: 'copy', header: false, binary: false }],
    ['declare "C x" cursor for select 1', { type: 'declare', cursor: 'C x' }],
    ['select 1', { type: 'rows' }],
  ])('%s: with its effect', (text, effect) => {
    expect(said(text)).toMatchObject({ kind: 'run', effect })
  })
})

describe('what the session does in its own words', () => {
  test.each([
    ['begin', { type: 'transaction', op: 'begin' }],
    [
      'begin isolation level serializable, read write, not deferrable',
      { type: 'transaction', op: 'begin', isolation: 'serializable', readWrite: true, deferrable: false },
    ],
    ['start transaction read only', { type: 'transaction', op: 'start' }],
    ['commit and chain', { type: 'transaction', op: 'commit', chain: true }],
    ['end', { type: 'transaction', op: 'commit' }],
    ['abort', { type: 'transaction', op: 'rollback' }],
    ['savepoint "A"', { type: 'transaction', op: 'savepoint', savepoint: 'A' }],
    ['release a', { type: 'transaction', op: 'release', savepoint: 'a' }],
    ['rollback to a', { type: 'transaction', op: 'rollback-to', savepoint: 'a' }],
    ['set transaction read write', { type: 'transaction', op: 'set-transaction', readWrite: true }],
    [
      'set session characteristics as transaction isolation level read uncommitted',
      { type: 'transaction', op: 'set-characteristics', isolation: 'read uncommitted' },
    ],
    [
      "set default_transaction_isolation to 'repeatable read'",
      { type: 'transaction', op: 'set-characteristics', isolation: 'repeatable read' },
    ],
    ['set transaction_read_only = off', { type: 'transaction', op: 'set-transaction', readWrite: true }],
    ['discard all', { type: 'discard', target: 'ALL' }],
    ['discard plans', { type: 'discard', target: 'PLANS' }],
    ['discard temp', { type: 'discard', target: 'TEMP' }],
    ['discard sequences', { type: 'discard', target: 'SEQUENCES' }],
    ['deallocate all', { type: 'deallocate', name: null }],
    ['deallocate prepare "S_1"', { type: 'deallocate', name: 'S_1' }],
    ['unlisten *', { type: 'unlisten' }],
    ['close all', { type: 'close-cursor', cursor: null }],
    ['close c', { type: 'close-cursor', cursor: 'c' }],
    ['fetch c', { type: 'fetch', cursor: 'c', direction: 'forward', count: 1, move: false }],
    ['fetch forward all from c', { type: 'fetch', cursor: 'c', direction: 'forward', count: null, move: false }],
    ['fetch backward 3 in c', { type: 'fetch', cursor: 'c', direction: 'backward', count: 3, move: false }],
    ['fetch last c', { type: 'fetch', cursor: 'c', direction: 'absolute', count: -1, move: false }],
    ['move relative -2 from c', { type: 'fetch', cursor: 'c', direction: 'relative', count: -2, move: true }],
    ['fetch 0 c', { type: 'fetch', cursor: 'c', direction: 'forward', count: 0, move: false }],
    ['select pg_advisory_unlock_all()', { type: 'advisory-unlock-all', column: 'pg_advisory_unlock_all' }],
    ['select pg_catalog.pg_advisory_unlock_all() as u', { type: 'advisory-unlock-all', column: 'u' }],
    ['reset all', { type: 'reset-all' }],
    ['reset role', { type: 'role-default', tag: 'RESET' }],
    ['reset session authorization', { type: 'role-default', tag: 'RESET' }],
    ['set session authorization default', { type: 'role-default', tag: 'SET' }],
  ])('%s', (text, answer) => {
    expect(said(text)).toMatchObject({ kind: 'answer', answer })
  })
})

describe('what writes is refused as Postgres refuses it in a read-only transaction', () => {
  test.each([
    ['insert into users values (1)', 'INSERT'],
    ['update users set id = 1', 'UPDATE'],
    ['delete from users', 'DELETE'],
    ['merge into users u using orders o on true when matched then delete', 'MERGE'],
    ['truncate users', 'TRUNCATE TABLE'],
    ['copy users from stdin', 'COPY FROM'],
    ['create table t (a int)', 'CREATE TABLE'],
    ['create table t as select 1', 'CREATE TABLE AS'],
    ['create materialized view m as select 1', 'CREATE MATERIALIZED VIEW'],
    ['create or replace view v as select 1', 'CREATE VIEW'],
    ['create function f() returns int language sql as $$ select 1 $$', 'CREATE FUNCTION'],
    ['drop table users', 'DROP TABLE'],
    ['alter table users add x int', 'ALTER TABLE'],
    ['alter table users rename to y', 'ALTER TABLE'],
    ['grant select on users to public', 'GRANT'],
    ['revoke select on users from public', 'REVOKE'],
    ['alter role gate reset role', 'ALTER ROLE'],
    ["comment on table users is 'x'", 'COMMENT'],
    ['refresh materialized view v', 'REFRESH MATERIALIZED VIEW'],
    ['alter system set port = 1', 'ALTER SYSTEM'],
    ['select 1 into x', 'SELECT INTO'],
    ['with x as (delete from users returning *) select * from x', 'DELETE'],
    ['select * from (with x as (insert into users values (1) returning *) select * from x) y', 'INSERT'],
    ['select (with x as (update users set id = 1 returning id) select id from x)', 'UPDATE'],
    ['select * from users for update', 'SELECT FOR UPDATE'],
    ['select * from users for no key update of users nowait', 'SELECT FOR NO KEY UPDATE'],
    ['select * from (select * from users for share) x', 'SELECT FOR SHARE'],
    ['declare c cursor for select * from users for key share', 'SELECT FOR KEY SHARE'],
    ['explain analyze delete from users', 'DELETE'],
    ['explain insert into users values (1)', 'INSERT'],
    ['explain create table t as select 1', 'CREATE TABLE AS'],
    ['copy (delete from users returning *) to stdout', 'DELETE'],
    ["select nextval('s')", 'nextval()'],
    ["select pg_catalog.setval('s', 1)", 'setval()'],
    ["select lo_from_bytea(4242, '\\x41')", 'lo_from_bytea()'],
  ])('%s', (text, command) => {
    expect(said(text)).toMatchObject({
      kind: 'refuse',
      reason: 'writes',
      error: { code: '25006', message: `cannot execute ${command} in a read-only transaction` },
    })
  })

  test.each(['create temp table t (a int)', 'create temporary table t as select 1', 'select 1 into temp t'])(
    '%s: as one who may not make temporary tables',
    text => {
      expect(said(text)).toMatchObject({
        error: { code: '42501', message: 'permission denied to create temporary tables in database "acme"' },
      })
    },
  )
})

describe('what is not offered', () => {
  test.each([
    'listen x',
    "notify x, 'y'",
    'lock users',
    'vacuum users',
    'analyze users',
    'call p()',
    'do $$ begin end $$',
    "load 'x'",
    'checkpoint',
    "prepare transaction 'x'",
    "commit prepared 'x'",
    'prepare p as select 1',
    'execute p',
    'explain execute p',
    'declare c cursor with hold for select 1',
    "set transaction snapshot '00000003-0000001B-1'",
    'set constraints all deferred',
    'set work_mem from current',
    'explain declare c cursor for select 1',
    'copy users to stdout (on_error ignore)',
    "copy users to stdout (encoding 'latin1')",
  ])('%s', text => {
    expect(word(said(text))).toBe('0A000')
  })

  test.each(["copy users to '/tmp/x'", "copy (select 1) to program 'sh'", "copy users to '/tmp/x' csv"])(
    '%s: files and programs',
    text => {
      expect(word(said(text))).toBe('42501')
    },
  )
})

describe('positions are in characters of the statement', () => {
  test.each([
    ["select 'é💥', nope(1)", 14],
    ['select * from app.hidden', 15],
    ['select 1 /* ü */ + nowhere.f()', 20],
  ])('%s: %i', (text, position) => {
    expect(said(text)).toMatchObject({ error: { position } })
  })
})

test('nothing is too deep to judge or to refuse', () => {
  const texts = [
    `select 1${' + 1'.repeat(980)}`,
    `select ${'('.repeat(300)}select 1${')'.repeat(300)}`,
    `select 1${' union all select 1'.repeat(600)}`,
    `select ${'lower('.repeat(400)}'a'${')'.repeat(400)}`,
    `select ${'not '.repeat(450)}true`,
  ]
  for (const text of texts) expect(word(said(text))).toBe('run')
})

describe('types of parameters that Parse names by number', () => {
  const typed = (types: readonly number[], setting = {}) => judging({ ...setting, parameterTypes: types })

  test.each([
    [[], 'run'],
    [[0, 23, 25], 'run'],
    [[4096], '42501'],
    [[25, 4097], '42501'],
    [[1034], '42501'],
    [[90001], 'run'],
  ])('%j: %s', async (types, outcome) => {
    expect(word((await typed(types))('select $1, $2'))).toBe(outcome)
  })

  test('a type of the tenant, where casts to one would run its functions', async () => {
    const catalog = {
      types: [{ schema: 'app', name: 'evil', kind: 'd', check: 'app.leak(VALUE)' }],
      functions: [storedFunction('app', 'leak')],
    }
    expect(word((await typed([90001], { catalog }))('select $1'))).toBe('42501')
    expect(word((await typed([23], { catalog }))('select $1'))).toBe('run')
  })
})

describe('an older server reads newer words as calls', () => {
  test.each([
    ["select json_value('{}', '$.a')", 16, '0A000'],
    ["select json_value('{}', '$.a')", 17, 'run'],
    ['select json_array(1, 2)', 15, '0A000'],
    ['select json_array(1, 2)', 16, 'run'],
    ["select * from json_table('[]', '$[*]' columns (a int path '$')) j", 14, '0A000'],
    ['select system_user', 15, '42883'],
  ])('%s on %i: %s', async (text, major, outcome) => {
    expect(word((await judging({ major }))(text))).toBe(outcome)
  })
})
