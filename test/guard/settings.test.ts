import { beforeAll, describe, expect, test } from 'vitest'
import { judging, type Said, word } from './judging.ts'

let said: Said
beforeAll(async () => {
  said = await judging()
})

describe('SET', () => {
  test.each([
    ["set application_name = 'PostgreSQL JDBC Driver'", 'application_name', ['PostgreSQL JDBC Driver']],
    ['set extra_float_digits = 3', 'extra_float_digits', ['3']],
    ['set session DateStyle to ISO, DMY', 'datestyle', ['iso, dmy']],
    ["set datestyle = 'ISO'", 'datestyle', ['ISO']],
    ["set time zone 'Europe/Berlin'", 'timezone', ['Europe/Berlin']],
    ['set time zone -3.5', 'timezone', ['-3.5']],
    ["set time zone interval '+02:00' hour to minute", 'timezone', ["INTERVAL '+02:00'"]],
    ["set names 'UTF8'", 'client_encoding', ['UTF8']],
    ['set client_encoding = unicode', 'client_encoding', ['unicode']],
    ['set search_path to app, "$user", public, nowhere', 'search_path', ['app', '$user', 'public', 'nowhere']],
    ["set search_path = ''", 'search_path', ['']],
    ["set schema 'app'", 'search_path', ['app']],
    ['set jit = off', 'jit', ['off']],
    ['set statement_timeout = 0', 'statement_timeout', ['0']],
    ["set lock_timeout = '1h'", 'lock_timeout', ['1h']],
    ['set standard_conforming_strings = on', 'standard_conforming_strings', ['on']],
    ['set default_transaction_read_only = on', 'default_transaction_read_only', undefined],
    ['set row_security to true', 'row_security', ['true']],
    ['set xml option content', 'xmloption', ['CONTENT']],
    ['set client_min_messages to warning', 'client_min_messages', ['warning']],
  ])('%s', (text, name, values) => {
    if (values === undefined) expect(word(said(text))).toBe('transaction')
    else
      expect(said(text)).toMatchObject({
        kind: 'answer',
        answer: { type: 'set', name, values, local: false, tag: 'SET' },
      })
  })

  test.each([
    ['set local jit = off', { local: true, values: ['off'] }],
    ['set timezone to default', { values: null, tag: 'SET' }],
    ['reset timezone', { values: null, tag: 'RESET' }],
    ['reset work_mem', { values: null, tag: 'RESET' }],
  ])('%s', (text, answer) => {
    expect(said(text)).toMatchObject({ kind: 'answer', answer })
  })

  test.each([
    ['set role tenant_b', '42501'],
    ['set role none', '42501'],
    ['set "role" = x', '42501'],
    ["set session authorization 'x'", '42501'],
    ['set local session authorization x', '42501'],
    ["set work_mem = '1GB'", '42501'],
    ['set client_encoding = latin1', '42501'],
    ['set standard_conforming_strings = off', '42501'],
    ['set row_security = off', '42501'],
    ['set session_replication_role = replica', '42501'],
    ['set search_path = other', '42501'],
    ['set search_path = app, pg_temp', '42501'],
    ['set search_path = postern_catalog', '42501'],
    ["set app.tenant = 'b'", '42501'],
    ['set log_statement = none', '42501'],
    ["set data_directory = 'x'", '42501'],
    ['set nonsense = 1', '42704'],
    ["set jit = 'on', 'off'", '22023'],
  ])('%s: %s', (text, code) => {
    expect(word(said(text))).toBe(code)
  })
})

describe('SHOW and current_setting', () => {
  test.each([
    ['show search_path', { type: 'show', name: 'search_path' }],
    ['show TimeZone', { type: 'show', name: 'timezone' }],
    ['show time zone', { type: 'show', name: 'timezone' }],
    ['show transaction isolation level', { type: 'show', name: 'transaction_isolation' }],
    ['show session authorization', { type: 'show', name: 'session_authorization' }],
    ['show max_connections', { type: 'show', name: 'max_connections' }],
    ['show all', { type: 'show-all' }],
  ])('%s', (text, answer) => {
    expect(said(text)).toMatchObject({ kind: 'answer', answer })
  })

  test.each([
    'data_directory',
    'hba_file',
    'config_file',
    'listen_addresses',
    'port',
    'unix_socket_directories',
    'ssl_key_file',
    'primary_conninfo',
    'archive_command',
    'shared_preload_libraries',
    'log_directory',
    'cluster_name',
  ])('%s is not told', name => {
    expect(word(said(`show ${name}`))).toBe('42501')
    expect(word(said(`select current_setting('${name}')`))).toBe('42501')
    expect(word(said(`select pg_catalog.current_setting('${name.toUpperCase()}', true)`))).toBe('42501')
  })

  test.each([
    ["select current_setting('server_version_num')::int / 100", 'run'],
    ["select current_setting('Search_Path', true)", 'run'],
    ['select current_setting(s.name) from pg_settings s', 'run'],
    ['select current_setting(name) from pg_settings', 'run'],
    ["select current_setting('data' || '_directory')", '42501'],
    ['select current_setting($1::int::text)', '42501'],
    ["select current_setting($1 || '')", '42501'],
    ['select current_setting($1::varchar(4))', '42501'],
    ["select current_setting(name) from (select 'data_directory' as name) pg_settings", '42501'],
    ["select current_setting(s.name) from pg_settings x, (values ('data_directory')) s(name)", '42501'],
    [
      "select current_setting(s.name) from (select 'data_directory' as name union select name from pg_settings) s",
      '42501',
    ],
    ["select current_setting('app.secret', true)", '42501'],
    ['show nonsense', '42704'],
  ])('%s', (text, outcome) => {
    expect(word(said(text))).toBe(outcome)
  })
})

test('a path with a control character in a name is refused: two paths would be written alike', () => {
  expect(word(said('set search_path to "app\u0001public"'))).toBe('42501')
  expect(word(said("select set_config('search_path', '\"app\u0001public\"', false)"))).toBe('42501')
  expect(word(said('set search_path to "nowhere at all"'))).toBe('set')
})

describe('current_setting of a parameter', () => {
  test.each([
    ['select current_setting($1)', [1]],
    ['select current_setting($2::text, true), current_setting($1::varchar), current_setting($2) from users', [2, 1]],
    ['select * from users where email <> current_setting($1::VARCHAR)', [1]],
    ['select 1', []],
  ])('%s: what it holds is to be looked at', (text, examines) => {
    expect(said(text)).toMatchObject({ kind: 'run', examines })
  })

  test('under a cast to a type of the database that goes by the name of text, it may be cut to another', async () => {
    const catalog = { types: [{ schema: 'app', name: 'text', kind: 'd', check: null, contains: [] }] }
    const tenant = await judging({ catalog, searchPath: ['app', 'pg_catalog'] })
    expect(word(tenant('select current_setting($1::text)'))).toBe('42501')
    expect(word(tenant('select current_setting($1::pg_catalog.text)'))).toBe('run')
    expect(word(tenant("select set_config('jit', 'off'::text, false)"))).toBe('42501')
  })
})

describe('set_config', () => {
  test.each([
    ["select set_config('jit', 'off', false)", [{ name: 'jit', value: { constant: 'off' }, local: false }]],
    [
      "select current_setting('jit') as cur, pg_catalog.set_config('JIT', $1, true) as new",
      [{ name: 'jit', value: { parameter: 1 }, local: true }],
    ],
    ["select set_config('search_path', '', false)", [{ name: 'search_path', value: { constant: '' }, local: false }]],
    [
      "select set_config('statement_timeout'::text, '5s', 'f')",
      [{ name: 'statement_timeout', value: { constant: '5s' }, local: false }],
    ],
  ])('%s', (text, sets) => {
    expect(said(text)).toMatchObject({ kind: 'run', sets })
  })

  test.each([
    "select set_config('role', 'tenant_b', true)",
    "select set_config('ROLE', $1, true)",
    "select \"set_config\"(E'r\\x6fle', 'none', true)",
    "select pg_catalog.set_config('session_authorization', 'x', false)",
    "select set_config('ro' || 'le', 'x', false)",
    'select set_config($1, $2, false)',
    "select set_config('jit', lower('OFF'), false)",
    "select set_config('jit', 'off', $1)",
    "select set_config('app.tenant', 'b', true)",
    "select set_config('row_security', 'off', true)",
    "select set_config('transaction_read_only', 'off', true)",
    "select set_config('statement_timeout', '0', false)",
    "select set_config('statement_timeout', '1h', false)",
    "select set_config('statement_timeout', $1, false)",
    "select set_config('search_path', 'other', false)",
    "select set_config('search_path', $1, false)",
    "select set_config('client_encoding', 'GBK', false)",
    "select set_config('client_encoding', $1, false)",
    "select set_config('standard_conforming_strings', 'off', false)",
    "select 1 from users where set_config('jit', 'off', false) = 'off'",
    "select set_config('jit', 'off', false) from users",
    "select set_config('jit', 'off', false) limit 0",
    "select upper(set_config('jit', 'off', false))",
    "select case when true then set_config('jit', 'off', false) end",
    "select (select set_config('jit', 'off', false))",
    "select * from set_config('jit', 'off', false)",
    "select * from users, lateral (select set_config('jit', 'off', false)) x",
    "values (set_config('jit', 'off', false))",
    "select count(*) filter (where set_config('role', 'x', true) = '') from users",
    "select 1 order by set_config('jit', 'off', false)",
    "select set_config('jit', 'off', false) union select '1'",
    "with x as (select set_config('jit', 'off', false)) select * from x",
    "explain analyze select set_config('jit', 'off', false)",
    "declare c cursor for select set_config('jit', 'off', false)",
    "copy (select set_config('jit', 'off', false)) to stdout",
  ])('%s is refused', text => {
    expect(word(said(text))).toBe('42501')
  })
})
