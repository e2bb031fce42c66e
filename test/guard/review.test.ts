import { describe, expect, test } from 'vitest'
import { relation, storedFunction } from './fixtures.ts'
import { judging, tables, upstream, word } from './judging.ts'

const view = (name: string, definition: string, kind = 'v') => relation('app', name, ['x'], { kind, definition })

async function reading(...views: ReturnType<typeof view>[]) {
  return judging({ catalog: { relations: [...tables, ...views], functions: [storedFunction('app', 'leak')] } })
}

describe('a view is what it reaches', () => {
  test('the tables below it are in the verdict', async () => {
    const said = await reading(
      view('v', 'select u.id as x from app.users u'),
      view('w', 'select v.x from app.v, app.orders o'),
    )
    expect(said('select * from w')).toMatchObject({
      kind: 'run',
      relations: ['app.w', 'app.orders', 'app.v', 'app.users'],
    })
  })

  test.each([
    ['a forbidden function', "select pg_catalog.pg_read_file('x'::text) as x"],
    ['a switch of role', "select pg_catalog.set_config('role'::text, 'b'::text, true) as x"],
    ['SQL in text', "select pg_catalog.query_to_xml('select 1'::text, true, true, ''::text) as x"],
    ['roles by number', 'select pg_catalog.pg_get_userbyid(i::oid) as x from generate_series(1, 9) i'],
    ['a catalog of the whole cluster', 'select pg_roles.rolname as x from pg_roles'],
    ['an excluded table', 'select hidden.secret as x from app.hidden'],
    ['a function of the tenant', 'select app.leak(1) as x'],
    ['nothing that is known', 'select gone.x from app.gone'],
    ['what cannot be read', 'select select'],
    ['a lock', 'select u.id as x from app.users u for update'],
  ])('%s refuses it, and what is built on it', async (_, definition) => {
    const said = await reading(view('v', definition), view('w', 'select v.x from app.v'))
    for (const name of ['v', 'w'])
      expect(upstream(said(`select * from ${name}`))).toBe(`42501 permission denied for view ${name}`)
    expect(word(said('select * from users'))).toBe('run')
  })

  test('functions that the policy names may be in it; then the upstream is not lent on', async () => {
    const said = await judging({
      catalog: { relations: [view('v', 'select app.leak(1) as x')], functions: [storedFunction('app', 'leak')] },
      policy: { functions: ['app.leak'] },
    })
    expect(said('select * from v')).toMatchObject({ kind: 'run', dirties: true, functions: ['app.leak'] })
  })

  test('the settings that it reads are its own affair', async () => {
    const said = await reading(view('v', "select pg_catalog.current_setting('app.tenant'::text, true) as x"))
    expect(word(said('select * from v'))).toBe('run')
  })

  test('a materialized view shows what its tables show, but runs nothing', async () => {
    const said = await reading(
      view('m', 'select app.leak(1) as x from app.users', 'm'),
      view('n', 'select hidden.secret as x from app.hidden', 'm'),
    )
    expect(said('select * from m')).toMatchObject({ kind: 'run', dirties: false, relations: ['app.m', 'app.users'] })
    expect(upstream(said('select * from n'))).toBe('42501 permission denied for materialized view n')
  })

  test('a view over itself has an end', async () => {
    const said = await reading(view('v', 'select w.x from app.w'), view('w', 'select v.x from app.v'))
    expect(word(said('select * from v'))).toBe('run')
  })
})

describe('partitions share rows with their parents', () => {
  const relations = [
    relation('app', 'log', ['x'], { kind: 'p' }),
    relation('app', 'log_1', ['x'], { parents: ['app.log'] }),
    relation('app', 'log_1_a', ['x'], { parents: ['app.log_1'] }),
    relation('app', 'alone', ['x']),
  ]

  test.each([
    ['app.log', ['log', 'log_1', 'log_1_a']],
    ['app.log_1_a', ['log', 'log_1', 'log_1_a']],
  ])('%s excluded keeps all of them back', async (excluded, kept) => {
    const said = await judging({ catalog: { relations }, policy: { excludedTables: [excluded] } })
    for (const name of kept) expect(word(said(`select * from ${name}`))).toBe('42501')
    expect(word(said('select * from alone'))).toBe('run')
  })
})

describe('row security runs with the table', () => {
  test.each([
    ["(tenant = pg_catalog.current_setting('app.tenant'::text))", 'run'],
    ["(pg_catalog.pg_read_file('x'::text) = x)", '42501'],
    ['app.leak(x)', '42501'],
    ['(x in ( select u.id from app.users u))', 'run'],
  ])('%s: %s', async (policy, outcome) => {
    const said = await judging({
      catalog: {
        relations: [...tables, relation('app', 't', ['x'], { policies: [policy] })],
        functions: [storedFunction('app', 'leak')],
      },
    })
    expect(word(said('select * from t'))).toBe(outcome)
  })
})
