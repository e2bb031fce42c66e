import { beforeAll, describe, expect, it } from 'vitest'
import { type ManagedOptions, provisionManaged } from '../../src/provision/managed.ts'
import { catalogVersion, readCatalog } from '../../src/provision/snapshot.ts'
import { testCluster } from '../support/cluster.ts'
import { administratorOf, asSuperuser, connectGate, provisionTenant, seed } from './tenants.ts'

let acme: ManagedOptions

beforeAll(async () => {
  acme = await provisionTenant(await administratorOf('superuser'), 'acme')
  await seed(
    acme,
    'create domain app.amount as numeric check (value >= 0) check (value < 1e9)',
    `create type app.mood as enum ('glad', 'sad')`,
    'create table app.people (id int primary key, name text, mood app.mood, dropped int)',
    'alter table app.people drop column dropped',
    'create table app.parts (id int, at date) partition by range (at)',
    `create table app.parts_2024 partition of app.parts for values from ('2024-01-01') to ('2025-01-01')`,
    'create sequence app.numbers',
    'set search_path = app',
    'create view app.names as select name, lower(name) as low from people',
    'create materialized view app.counts as select count(*) from people',
    'alter table people enable row level security',
    'create policy mine on people using (name = current_user)',
    `create function app.leak(p people) returns text language sql security definer as 'select 1::text'`,
    `create function app.plus(a int, b int default 1) returns int language sql immutable as 'select a + b'`,
    `create function app.any_one(x anyelement) returns text language sql as 'select 1::text'`,
    'create operator app.|+| (function = app.plus, leftarg = int, rightarg = int)',
    `create function app.to_int(m app.mood) returns int language sql as 'select 1'`,
    'create cast (app.mood as int) with function app.to_int(app.mood)',
    'reset search_path',
    'create type app.span as range (subtype = float8)',
    'create type app.priced as (amounts app.amount[], owner regrole)',
    'create type app.amounts as range (subtype = app.amount)',
    'create domain app.bag as app.priced[]',
  )
  await asSuperuser(acme.database, async query => {
    await query('set allow_system_table_mods = on')
    await query(`create function pg_catalog.added(text) returns text language sql as 'select $1'`)
    await query('create domain pg_catalog.put as text')
  })
})

/** The gate must be able to tell as much as the administrator. */
async function bothWays<T>(
  read: (query: (sql: string) => Promise<readonly (readonly (string | null)[])[]>) => Promise<T>,
) {
  const gate = await connectGate(acme)
  const seen = await read(gate.query).finally(gate.close)
  const owned = await asSuperuser(acme.database, read)
  return { seen, owned }
}

describe('the catalog', () => {
  it('is the same for the gate and for the administrator, but for the twins', async () => {
    const { seen, owned } = await bothWays(readCatalog)
    expect({ ...seen, filteredViews: [] }).toEqual({ ...owned, filteredViews: [] })
    expect(seen.filteredViews).toEqual(expect.arrayContaining(['pg_database', 'pg_roles']))
  })

  it('holds what the guard resolves names with', async () => {
    const { seen } = await bothWays(readCatalog)
    const { major } = await testCluster()
    expect(seen).toMatchObject({ major, database: acme.database })
    expect(seen.schemas).toEqual(['app', 'postern_catalog', 'public', 'raw'])
    const relations = new Map(seen.relations.map(relation => [`${relation.schema}.${relation.name}`, relation]))
    expect([...relations.keys()].sort()).toEqual(
      ['counts', 'names', 'numbers', 'parts', 'parts_2024', 'people'].map(name => `app.${name}`),
    )
    expect(relations.get('app.people')).toMatchObject({
      kind: 'r',
      columns: ['id', 'name', 'mood'],
      definition: null,
      policies: ['(name = CURRENT_USER)'],
    })
    expect(relations.get('app.names')?.definition).toMatch(/FROM app\.people/)
    expect(relations.get('app.counts')).toMatchObject({ kind: 'm', definition: expect.stringContaining('app.people') })
    expect(relations.get('app.parts_2024')?.parents).toEqual(['app.parts'])
  })

  it('holds what could run code', async () => {
    const { seen } = await bothWays(readCatalog)
    const functions = new Map(seen.functions.map(one => [one.name, one]))
    expect(functions.get('leak')).toMatchObject({
      rowArgument: true,
      securityDefiner: true,
      volatility: 'v',
      extension: null,
    })
    expect(functions.get('plus')).toMatchObject({ rowArgument: false, volatility: 'i' })
    expect(functions.get('any_one')).toMatchObject({ rowArgument: true })
    expect(functions.get('plus')).toMatchObject({ makesRange: false })
    expect(functions.get('added')).toMatchObject({ schema: 'pg_catalog', makesRange: false })
    for (const name of ['span', 'span_multirange']) expect(functions.get(name)).toMatchObject({ makesRange: true })
    expect(seen.operators).toEqual([{ schema: 'app', name: '|+|', function: 'app.plus' }])
    expect(seen.casts).toContainEqual({ schema: 'app', type: 'mood', function: 'app.to_int' })
    const amount = seen.types.find(type => type.name === 'amount')
    expect(amount).toMatchObject({ kind: 'd', check: expect.stringMatching(/VALUE >= .*and.*VALUE </) })
    expect(seen.types.some(type => type.name.startsWith('_'))).toBe(false)
    expect(seen.types).toContainEqual({ schema: 'pg_catalog', name: 'put', kind: 'd', check: null, contains: [] })
    const contents = new Map(seen.types.map(type => [type.name, type.contains]))
    expect(contents.get('priced')).toEqual(['app.amount', 'pg_catalog.regrole'])
    expect(contents.get('bag')).toEqual(['app.priced'])
    expect(contents.get('amounts')).toEqual(['app.amount'])
    expect(contents.get('amounts_multirange')).toEqual(['app.amount'])
    expect(contents.get('people')).toEqual(['app.mood'])
    expect(contents.get('mood')).toEqual([])
    expect(seen.extensions).toContainEqual({ name: 'plpgsql', schema: 'pg_catalog' })
  })
})

describe('its version', () => {
  const versionOf = () => asSuperuser(acme.database, catalogVersion)

  it('is that of the catalog, whoever asks', async () => {
    const { seen, owned } = await bothWays(catalogVersion)
    expect(seen).toBe(owned)
    expect((await bothWays(readCatalog)).seen.version).toBe(seen)
  })

  it.each([
    ['a table', 'create table app.more (x int)'],
    ['a column’s name', 'alter table app.more rename column x to y'],
    ['a column’s type', 'alter table app.more alter column y type text'],
    ['a partition', `alter table app.parts detach partition app.parts_2024`],
    ['a view’s text', 'create or replace view app.names as select name, upper(name) as low from app.people'],
    [
      'a function’s text',
      `create or replace function app.plus(a int, b int default 1) returns int language sql immutable as 'select a'`,
    ],
    ['a policy', 'alter policy mine on app.people using (true)'],
    ['a domain’s check', 'alter domain app.amount add constraint small check (value < 10)'],
    ['a type', `alter type app.mood rename to temper`],
    ['an operator', 'drop operator app.|+| (int, int)'],
    ['a cast', 'drop cast (app.temper as int)'],
    ['a schema', 'alter schema raw rename to cooked'],
    ['a swap', 'alter schema cooked rename to raw'],
    ['a dropped table', 'drop table app.more'],
    ['a table grown large', `insert into app.people select n from generate_series(1, 300000) n; analyze app.people`],
  ])('changes with %s', async (_, ddl) => {
    const before = await versionOf()
    await asSuperuser(acme.database, async query => {
      await query(ddl)
    })
    expect(await versionOf()).not.toBe(before)
  })

  it('stays with data, statistics, temporary tables and the neighbours’ changes', async () => {
    const globex = await provisionTenant(acme.administrator, 'globex')
    // The first ANALYZE after a partition has gone writes the parent anew.
    await asSuperuser(acme.database, query => query('analyze'))
    const before = await versionOf()
    await seed(globex, 'create table app.orders (id int)')
    await asSuperuser(acme.database, async query => {
      await query(`insert into app.people values (0, 'x')`)
      await query('vacuum analyze')
      await query('create temporary table passing (x int)')
      expect(await catalogVersion(query)).toBe(before)
    })
    expect(await versionOf()).toBe(before)
  })

  it('is of now again after the twins were made anew', async () => {
    await provisionManaged(acme)
    const { seen } = await bothWays(readCatalog)
    expect(seen.version).toBe(await versionOf())
  })
})
