import { beforeAll, describe, expect, test } from 'vitest'
import { relation } from './fixtures.ts'
import { judging, type Said, tables, upstream, word } from './judging.ts'

let said: Said
beforeAll(async () => {
  said = await judging()
})

describe('a name means what it means to Postgres', () => {
  test.each([
    ['a CTE hides the table', 'with hidden as (select 1) select * from hidden', 'run'],
    ['but not under its schema', 'with hidden as (select 1) select * from app.hidden', '42501'],
    ['not inside itself', 'with hidden as (select * from hidden) select * from hidden', '42501'],
    [
      'with RECURSIVE inside itself too',
      'with recursive hidden as (select 1 union select * from hidden) select * from hidden',
      'run',
    ],
    ['not before it', 'with a as (select * from hidden), hidden as (select 1) select * from a', '42501'],
    [
      'with RECURSIVE before it too',
      'with recursive a as (select * from hidden), hidden as (select 1) select * from a',
      'run',
    ],
    ['after it', 'with hidden as (select 1), a as (select * from hidden) select * from a', 'run'],
    [
      'not outside of the query that has it',
      'select * from (with hidden as (select 1) select * from hidden) x, hidden',
      '42501',
    ],
    ['in a subquery', 'with hidden as (select 1) select (select count(*) from (select * from hidden) x)', 'run'],
    ['in the arms of a union', 'with hidden as (select 1) select * from hidden union select * from hidden', 'run'],
    [
      'an arm of a union has its own',
      '(with hidden as (select 1) select * from hidden) union select * from hidden',
      '42501',
    ],
    [
      'a CTE inside a CTE',
      'with a as (with hidden as (select 1) select * from hidden) select * from a, hidden',
      '42501',
    ],
    ['case is folded', 'select * from HIDDEN', '42501'],
    ['quotes keep it', 'select * from "HIDDEN"', '42P01'],
    ['unicode escapes too', 'select * from U&"\\0068idden"', '42501'],
    ['three parts of this database', 'select * from acme.app.users', 'run'],
    ['three parts of another', 'select * from postgres.app.users', '0A000'],
    ['an alias is no relation', 'select * from users hidden where hidden.id = 1', 'run'],
    ['ONLY', 'select * from only (hidden)', '42501'],
    ['TABLE', 'table hidden', '42501'],
    ['COPY', 'copy hidden to stdout', '42501'],
    ['in a join', 'select * from users join (orders join hidden on true) on true', '42501'],
    ['in EXISTS', 'select 1 where exists (select from hidden)', '42501'],
    ['in a VALUES list', 'values ((select secret from hidden))', '42501'],
    ['in ORDER BY', 'select 1 order by (select secret from hidden)', '42501'],
    ['in LIMIT', 'select 1 limit (select 1 from hidden)', '42501'],
    [
      'in an aggregate',
      'select string_agg(email, (select secret from hidden) order by (select 1 from hidden)) from users',
      '42501',
    ],
    ['in FILTER', 'select count(*) filter (where (select true from hidden)) from users', '42501'],
    ['in a window', 'select sum(id) over (order by (select 1 from hidden)) from users', '42501'],
    ['in a frame', 'select sum(id) over (rows (select 1 from hidden) preceding) from users', '42501'],
    [
      'in a named window',
      'select sum(id) over w from users window w as (partition by (select 1 from hidden))',
      '42501',
    ],
    ['in a subscript', "select ('{1}'::int[])[(select 1 from hidden)]", '42501'],
    ['in a function in FROM', 'select * from generate_series(1, (select 1 from hidden))', '42501'],
    ['in TABLESAMPLE', 'select * from users tablesample system ((select 1 from hidden))', '42501'],
    ['in JSON', "select json_object('a': (select secret from hidden))", '42501'],
    ['in JSON_TABLE', "select * from json_table((select secret from hidden), '$' columns (a int path '$.a'))", '42501'],
    ['in XML', 'select xmlelement(name a, (select secret from hidden))', '42501'],
    ['in XMLTABLE', "select * from xmltable('/a' passing (select secret from hidden) columns a int)", '42501'],
    ['in a named argument', 'select make_interval(days => (select 1 from hidden))', '42501'],
    ['in GROUPING SETS', 'select 1 from users group by grouping sets (((select 1 from hidden)))', '42501'],
    ['in EXPLAIN', 'explain select * from hidden', '42501'],
    ['in a cursor', 'declare c cursor for select * from hidden', '42501'],
  ])('%s: %s', (_, text, outcome) => {
    expect(word(said(text))).toBe(outcome)
  })

  test('an unknown one is refused as Postgres says it, for the session to look again', () => {
    expect(said('select 1, * from nowhere')).toMatchObject({
      reason: 'unknown-relation',
      error: { code: '42P01', message: 'relation "nowhere" does not exist', position: 18 },
    })
    expect(said('select * from app.nowhere')).toMatchObject({
      error: { message: 'relation "app.nowhere" does not exist' },
    })
  })

  test('the search path decides, and pg_catalog comes first unless it is named', async () => {
    const shadow = relation('app', 'pg_class', ['x'])
    const first = await judging({ catalog: { relations: [...tables, shadow] }, searchPath: ['app'] })
    expect(first('select * from pg_class')).toMatchObject({ relations: ['pg_catalog.pg_class'] })
    const last = await judging({ catalog: { relations: [...tables, shadow] }, searchPath: ['app', 'pg_catalog'] })
    expect(last('select * from pg_class')).toMatchObject({ relations: ['app.pg_class'] })
    const none = await judging({ searchPath: [] })
    expect(word(none('select * from users'))).toBe('42P01')
  })
})

describe('what the policy keeps back', () => {
  test('another schema', () => {
    expect(upstream(said('select * from other.notes'))).toBe('42501 permission denied for schema other')
    expect(upstream(said('select * from other.nowhere'))).toBe('42501 permission denied for schema other')
  })

  test('all but what is allowed', async () => {
    const narrow = await judging({ policy: { allowedTables: ['app.u*'], excludedTables: [] } })
    expect(word(narrow('select * from users'))).toBe('run')
    expect(upstream(narrow('select * from orders'))).toBe('42501 permission denied for table orders')
    expect(word(narrow('select * from pg_class'))).toBe('run')
    expect(word(narrow('select * from pg_stats'))).toBe('42501')
  })

  test('a view over statistics, where tables are kept back', async () => {
    const v = relation('app', 'v', ['x'], { kind: 'v', definition: 'select most_common_vals as x from pg_stats' })
    expect(word((await judging({ catalog: { relations: [v] } }))('select * from v'))).toBe('42501')
    const open = await judging({ catalog: { relations: [v] }, policy: { excludedTables: [] } })
    expect(word(open('select * from v'))).toBe('run')
  })

  test('foreign tables, but those admitted by name; and what shows them', async () => {
    const relations = [
      relation('app', 'ext', ['a'], { kind: 'f' }),
      relation('app', 'v', ['a'], { kind: 'v', definition: 'select ext.a from app.ext' }),
    ]
    const without = await judging({ catalog: { relations } })
    expect(word(without('select * from ext'))).toBe('42501')
    expect(word(without('select * from v'))).toBe('42501')
    const admitted = await judging({ catalog: { relations }, policy: { foreignTables: ['app.ext'] } })
    expect(word(admitted('select * from ext'))).toBe('run')
    expect(admitted('select * from v')).toMatchObject({ kind: 'run', relations: ['app.v', 'app.ext'] })
  })
})

describe('catalogs of the whole cluster are read through their filtered views', () => {
  test.each([
    ['select rolname from pg_roles', 'select rolname from postern_catalog.pg_roles AS pg_roles\nLIMIT 10001'],
    ['select r.rolname from pg_catalog.pg_roles r limit 1', 'select r.rolname from postern_catalog.pg_roles r limit 1'],
    [
      'select pg_catalog.pg_roles.rolname, pg_catalog.pg_roles.* from pg_catalog . "pg_roles" limit 1',
      'select pg_roles.rolname, pg_roles.* from postern_catalog.pg_roles AS pg_roles limit 1',
    ],
    [
      'select acme.pg_catalog.pg_database.datname from acme.pg_catalog.pg_database limit 1',
      'select pg_database.datname from postern_catalog.pg_database AS pg_database limit 1',
    ],
    [
      "select 'é💥', 1 from pg_database d, only pg_roles where true limit 1",
      "select 'é💥', 1 from postern_catalog.pg_database d, only postern_catalog.pg_roles AS pg_roles where true limit 1",
    ],
    [
      'select (select count(*) from pg_database where pg_catalog.pg_roles.oid = datdba) from pg_catalog.pg_roles limit 1',
      'select (select count(*) from postern_catalog.pg_database AS pg_database where pg_roles.oid = datdba) from postern_catalog.pg_roles AS pg_roles limit 1',
    ],
    [
      "select shobj_description(d.oid, 'pg_database') from pg_database d limit 1",
      "select postern_catalog.shobj_description(d.oid, 'pg_database') from postern_catalog.pg_database d limit 1",
    ],
  ])('%s', (text, rewritten) => {
    expect(upstream(said(text))).toBe(rewritten)
  })

  test('the verdict keeps their own names', () => {
    expect(said('select * from pg_stat_activity')).toMatchObject({ relations: ['pg_catalog.pg_stat_activity'] })
  })

  test('a CTE of that name is the CTE', () => {
    expect(upstream(said('with pg_roles as (select 1) select * from pg_roles limit 1'))).toContain(
      'from pg_roles limit',
    )
  })

  test('a name that cannot be found in the text is refused, not guessed', () => {
    expect(word(said('select * from U&"pg_roles"'))).toBe('0A000')
    expect(word(said('select * from U&"pg\\005froles"'))).toBe('0A000')
  })

  test('the filtered views themselves are out of reach', () => {
    expect(word(said('select * from postern_catalog.pg_roles'))).toBe('42P01')
    expect(word(said("select postern_catalog.shobj_description(1, 'x')"))).toBe('42883')
  })

  test('without them the catalogs are refused, with a hint', async () => {
    const bare = await judging({ catalog: { filteredViews: [] } })
    expect(bare('select * from pg_roles')).toMatchObject({
      error: { code: '42501', hint: expect.stringContaining('database check') },
    })
    expect(word(bare('select * from pg_class'))).toBe('run')
  })

  test.each(['pg_authid', 'pg_shadow', 'pg_statistic', 'pg_largeobject', 'pg_hba_file_rules', 'pg_file_settings'])(
    '%s is not offered at all',
    name => {
      expect(word(said(`select * from ${name}`))).toBe('42501')
      expect(word(said(`copy pg_catalog.${name} to stdout`))).toBe('42501')
    },
  )
})
