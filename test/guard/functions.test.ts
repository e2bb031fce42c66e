import { beforeAll, describe, expect, test } from 'vitest'
import { storedFunction } from './fixtures.ts'
import { judging, type Said, upstream, word } from './judging.ts'

let said: Said
beforeAll(async () => {
  said = await judging()
})

describe('built-in functions', () => {
  test.each([
    [
      'pure ones',
      "select lower('A'), now(), count(*), pg_catalog.format_type(23, null), random(), gen_random_uuid()",
      'run',
    ],
    ['of information_schema', 'select (information_schema._pg_expandarray(array[1])).n', 'run'],
    ['files', "select pg_read_file('x')", '42501'],
    ['in FROM', "select * from pg_ls_dir('.')", '42501'],
    ['in VALUES', "values (pg_read_file('x'))", '42501'],
    ['in another call', "select upper(pg_catalog.pg_read_file('x'))", '42501'],
    ['in quotes', 'select "pg_read_file"(\'x\')', '42501'],
    ['in unicode escapes', 'select U&"\\0070g_read_file"(\'x\')', '42501'],
    ['with its database', "select acme.pg_catalog.lower('x')", 'run'],
    ['of another database', "select other.pg_catalog.lower('x')", '42883'],
    ['SQL in text', "select query_to_xml('select 1', true, true, '')", '42501'],
    ['statistics of text', "select * from ts_stat('select 1')", '42501'],
    ['ts_rewrite of queries', "select ts_rewrite('a & b', 'a', 'c')", 'run'],
    ['ts_rewrite of SQL', "select ts_rewrite('a & b', 'select 1')", '42501'],
    ['ts_rewrite by a list', "select ts_rewrite(variadic array['a', 'b', 'c'])", '42501'],
    ['locks', 'select pg_advisory_lock(1)', '42501'],
    ['other sessions', 'select pg_stat_get_activity(null)', '42501'],
    ['sleep', 'select pg_sleep(1)', '42501'],
    ['notify', "select pg_notify('a', 'b')", '42501'],
    ['kill', 'select pg_terminate_backend(1)', '42501'],
    ['unlock among others', 'select pg_advisory_unlock_all(), 1', '42501'],
    ['nowhere', 'select strftime(1)', '42883'],
    ['a cast in function form', "select int4('1'), regclass('users')", 'run'],
    ['such a cast to a role', 'select regrole(10)', '42501'],
  ])('%s: %s', (_, text, outcome) => {
    expect(word(said(text))).toBe(outcome)
  })

  test('an unknown major has what all have', async () => {
    const future = await judging({ major: 25 })
    expect(word(future("select lower('A')"))).toBe('run')
    expect(word(future("select pg_read_file('A')"))).toBe('42501')
    expect(word(future("select ('A'::text).pg_read_something_new"))).toBe('42501')
    expect(word(future('select (row(1, 2)).f1, (information_schema._pg_expandarray(array[1])).n'))).toBe('run')
  })
})

describe('a name selected from a value is a call where no column has it', () => {
  test.each([
    ["select ('/etc/passwd'::text).pg_read_file", '42501'],
    ["select x.pg_read_file from unnest(array['/etc/passwd']) x", '42501'],
    ['select u.pg_read_file from users u', '42501'],
    ['select (u).pg_read_file from users u', '42501'],
    ['select (10::oid).regrole', '42501'],
    ['select (10::oid).pg_get_userbyid', '42501'],
    ['select (10::oid).regroleout', '42501'],
    ["select ('data_directory'::text).current_setting", '42501'],
    ["select ('s'::text).nextval", '25006'],
    ['select u.row_to_json, (u).email, u.* from users u', 'run'],
    ['select q.pg_read_file from (select 1 as pg_read_file) q', 'run'],
    ['select q.pg_read_file from (select 1) q(pg_read_file)', 'run'],
    ['with q as (select 1 as pg_read_file) select q.pg_read_file from q', 'run'],
    ['select q.system from (select true as system) q', 'run'],
    // What the alias means depends on where it stands: the nearer q is not seen by a subquery that is not LATERAL.
    [
      "select (select r from (select 1 as pg_read_file) q, (select q.pg_read_file as r) z) from unnest(array['/etc/passwd']) q",
      '42501',
    ],
    [
      "select (select 1 from ((select 1 as pg_read_file) q cross join users) as j where q.pg_read_file is null) from unnest(array['x']) q",
      '42501',
    ],
    ["select (u).pg_read_file from (select '/etc/passwd'::text as u) t, (select 1 as pg_read_file) u", '42501'],
  ])('%s', (text, outcome) => {
    expect(word(said(text))).toBe(outcome)
  })
})

describe("a tenant's own functions", () => {
  const leak = storedFunction('app', 'leak', { securityDefiner: true, rowArgument: true })
  const lower = storedFunction('app', 'lower')

  test('are refused, however they are called', async () => {
    const tenant = await judging({ catalog: { functions: [leak] } })
    for (const text of [
      'select leak(u) from users u',
      'select app.leak(u) from users u',
      'select u.leak from users u',
      'select (u).leak from users u',
    ]) {
      expect(upstream(tenant(text))).toBe('42501 permission denied for function leak')
    }
  })

  test.each([
    'select leak.leak from unnest(array(select u from users u limit 1)) as leak',
    "select leak.leak from jsonb_populate_record(null::app.users, '{}') as leak",
    "select leak.leak from json_to_record('{}') as leak (a int)",
    'select leak.leak from generate_series(1, 1) as leak (x)',
    "select leak.leak from xmltable('/a' passing '<a/>' columns x text path '.') as leak",
    "select q.leak from xmltable('/a' passing '<a/>' columns leak text path '.') as q (x)",
    "select q.leak from json_table('[]', '$[*]' columns (leak int path '$')) as q (x)",
    'select j.leak from (users join orders using (id)) as j',
    'select leak.leak from users join orders using (id) as leak',
  ])('are refused under the name of what they are selected from: %s', async text => {
    const tenant = await judging({ catalog: { functions: [leak] } })
    expect(upstream(tenant(text))).toBe('42501 permission denied for function leak')
  })

  test.each([
    "select q.leak from xmltable('/a' passing '<a/>' columns leak text path '.') as q",
    "select q.leak from json_to_record('{}') as q (leak int)",
    'select q.leak from generate_series(1, 1) as q (leak)',
  ])('but a column of that name is a column: %s', async text => {
    const tenant = await judging({ catalog: { functions: [leak] } })
    expect(word(tenant(text))).toBe('run')
  })

  test('run when the policy names them, on an upstream that is not lent on', async () => {
    const tenant = await judging({ catalog: { functions: [leak] }, policy: { functions: ['app.leak'] } })
    expect(tenant('select u.leak from users u')).toMatchObject({ kind: 'run', dirties: true, functions: ['app.leak'] })
    expect(tenant('select app.leak(u) from users u')).toMatchObject({ kind: 'run', dirties: true })
  })

  test('of a built-in name shadow it while their schema is on the path', async () => {
    const shadowed = await judging({ catalog: { functions: [lower] } })
    expect(shadowed("select lower('A')")).toMatchObject({
      error: { code: '42501', hint: 'Write pg_catalog.lower for the built-in one.' },
    })
    expect(word(shadowed("select pg_catalog.lower('A')"))).toBe('run')
    const elsewhere = await judging({ catalog: { functions: [lower] }, searchPath: ['public'] })
    expect(word(elsewhere("select lower('A')"))).toBe('run')
  })

  test('behind operators, casts and domains are refused with them', async () => {
    const tenant = await judging({
      catalog: {
        functions: [leak],
        operators: [
          { schema: 'app', name: '=', function: 'app.leak' },
          { schema: 'app', name: '@@@', function: 'app.leak' },
        ],
        types: [
          { schema: 'app', name: 'cash', kind: 'b', check: null, contains: [] },
          { schema: 'app', name: 'plain', kind: 'e', check: null, contains: [] },
        ],
        casts: [{ schema: 'app', type: 'cash', function: 'app.leak' }],
      },
    })
    expect(word(tenant('select 1 @@@ 2'))).toBe('42501')
    expect(word(tenant('select 1 operator(app.@@@) 2'))).toBe('42501')
    expect(word(tenant('select 1 operator(other.@@@) 2'))).toBe('42883')
    for (const text of [
      'select 1 = 2',
      'select 1 in (2)',
      'select case 1 when 2 then 3 end',
      'select nullif(1, 2)',
      'select 1 in (select 2)',
      'select * from users join orders using (id)',
    ]) {
      expect(word(tenant(text))).toBe('42501')
    }
    expect(word(tenant('select 1 operator(pg_catalog.=) 2'))).toBe('run')
    expect(word(tenant("select 'x'::cash"))).toBe('42501')
    expect(word(tenant("select '{}'::app.cash[], cash('x')"))).toBe('42501')
    expect(word(tenant("select '{}'::_cash"))).toBe('42501')
    expect(word(tenant("select 'x'::plain"))).toBe('run')
  })

  test('behind a cast between built-in types are refused with it', async () => {
    const cast = { schema: 'pg_catalog', type: 'json', function: 'app.leak' }
    const tenant = await judging({ catalog: { functions: [leak], casts: [cast] } })
    expect(word(tenant('select 1::json'))).toBe('42501')
    expect(word(tenant('select cast(1 as pg_catalog.json)'))).toBe('42501')
    expect(word(tenant('select json(1)'))).toBe('42501')
    expect(word(tenant('select 1::jsonb'))).toBe('run')
  })
})

describe('extensions', () => {
  const of = (extension: string, ...names: string[]) => names.map(name => storedFunction('public', name, { extension }))

  test('known ones by their lists', async () => {
    const known = await judging({
      catalog: {
        functions: [
          ...of('pg_trgm', 'similarity', 'set_limit'),
          ...of('tablefunc', 'crosstab'),
          ...of('postgis', 'st_area', 'st_findextent'),
          ...of('citext', 'replace'),
        ],
        operators: [{ schema: 'public', name: '%', function: 'public.similarity' }],
      },
    })
    expect(known("select similarity('a', 'b'), 'a' % 'b', st_area($1), replace('a', 'b', 'c')")).toMatchObject({
      kind: 'run',
      dirties: false,
    })
    expect(word(known("select * from crosstab('select 1') as t(a int)"))).toBe('42501')
    expect(word(known("select st_findextent('a', 'b')"))).toBe('42501')
    expect(word(known('select set_limit(0.1)'))).toBe('42501')
  })
})

describe('sizes that are written out are capped', () => {
  test.each([
    "select length(repeat('x', 1000000000))",
    "select repeat('x', 1000 * 1000 * 1000)",
    "select repeat('x', 1e9::int)",
    "select repeat(repeat('x', 100000), 100000)",
    "select lpad('x', 999999999), 1",
    "select rpad('x', '999999999')",
    'select * from generate_series(1, 1000000000000)',
    'select array_fill(0, array[10000, 10000])',
    "select format('%999999999s', 'x')",
  ])('%s', text => {
    expect(said(text)).toMatchObject({ reason: 'size', error: { code: '54000' } })
  })

  test.each([
    "select repeat('ab', 1000), lpad('x', 10), repeat(email, id) from users",
    "select * from generate_series(1, 1000000), generate_series(now(), now(), '1 day')",
  ])('%s', text => {
    expect(word(said(text))).toBe('run')
  })
})
