/** How long metadata holds: DDL, age, restarts, refreshes, several who ask at once, and a database that goes away. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { CatalogService, MetadataRequest } from '../../src/catalog/catalog-service.ts'
import type { SchemaMetadata } from '../../src/catalog/metadata.ts'
import { databaseRoles } from '../../src/provision/names.ts'
import type { CallerDatabase } from '../../src/session/callers.ts'
import { until } from '../support/talk.ts'
import { openWorld, type World } from './metadata-fixture.ts'

let world: World
let unreachable = false

beforeAll(async () => {
  world = await openWorld({
    seed: `create type mood as enum ('fine'); create table t (id int primary key, name text, mood mood); create table u (id int);
      insert into t select g, 'name ' || g from generate_series(1, 20) g`,
    route: line => (unreachable ? { ...line, host: '127.0.0.1', port: 1 } : line),
    pool: { connectTimeoutMs: 500 },
  })
}, 60_000)
afterAll(async () => await world.stop())
beforeEach(() => {
  world.served.records.length = 0
  world.clock.now += 10_000
})

function read(request: MetadataRequest = {}, catalog: CatalogService = world.catalog): Promise<SchemaMetadata> {
  return catalog.metadata(world.served.principal, world.database, request)
}

const columnOf = (metadata: SchemaMetadata, table: string, column: string) =>
  metadata.tables.find(({ name }) => name === table)?.columns.find(({ name }) => name === column)

/** Whole readings of the catalog that the audit knows of. */
const readings = () =>
  world.served.records.filter(({ kind, text }) => kind === 'statement' && /'foreignKeys'/.test(text ?? '')).length

test('what was read once is read from the store, and asked for changes alone', async () => {
  const first = await read()
  world.clock.now += 1_000
  const second = await read()
  expect(readings()).toBe(1)
  expect(second).toMatchObject({ version: first.version, generatedAt: first.generatedAt })
  expect(world.served.records.every(({ door, principal }) => door === 'catalog' && principal === 'alice@acme')).toBe(
    true,
  )
})

test.each([
  [
    'a comment',
    `comment on column t.name is 'said'`,
    (found: SchemaMetadata) => columnOf(found, 't', 'name')?.description,
    'said',
  ],
  ['a column', 'alter table t add extra int not null default 7', found => columnOf(found, 't', 'extra')?.default, '7'],
  ['a default', 'alter table t alter extra set default 8', found => columnOf(found, 't', 'extra')?.default, '8'],
  [
    'a value of an enum',
    `alter type mood add value 'sad'`,
    found => columnOf(found, 't', 'mood')?.enumValues,
    ['fine', 'sad'],
  ],
  [
    'an index',
    'create index t_name on t (name)',
    found => found.tables[0]?.indexes.map(({ name }) => name),
    ['t_name', 't_pkey'],
  ],
  ['a key', 'alter table u add foreign key (id) references t', found => found.relationships.length, 1],
  ['a check', 'alter table u add check (id > 0)', found => found.tables[1]?.checks.length, 1],
  ['a name', 'alter table t rename name to title', found => columnOf(found, 't', 'title')?.type, 'text'],
  ['a lost right', 'revoke select on t from READER', found => found.tables.map(({ name }) => name), ['u']],
  ['a right', 'grant select on t to READER', found => found.tables.map(({ name }) => name), ['t', 'u']],
  ['a dropped table', 'drop table u', found => found.tables.map(({ name }) => name), ['t']],
] as [string, string, (found: SchemaMetadata) => unknown, unknown][])(
  '%s between two calls is seen by the second',
  async (_, sql, look, expected) => {
    const before = await read()
    const earlier = readings()
    await world.change(sql.replace('READER', databaseRoles(world.database.id).reader))
    const after = await read()
    expect(look(after)).toEqual(expected)
    expect(after.version).not.toBe(before.version)
    expect(readings()).toBe(earlier + 1)
  },
)

test('for a moment nothing is asked at all', async () => {
  const trusting = world.restarted({ trustMs: 1_000 })
  await read({}, trusting)
  await world.change(`comment on table t is 'later'`)
  world.served.records.length = 0
  world.clock.now += 999
  expect((await read({}, trusting)).tables[0]?.description).toBeNull()
  expect(world.served.records).toEqual([])
  world.clock.now += 1
  expect((await read({}, trusting)).tables[0]?.description).toBe('later')
})

test('sizes are as old as the time to live allows, or as new as a refresh', async () => {
  const rows = (found: SchemaMetadata) => found.tables.find(({ name }) => name === 't')?.rowsEstimate
  await read()
  await world.change('insert into t (id) values (21); analyze t')
  expect(rows(await read())).toBe(20)
  expect(rows(await read({ refresh: true }))).toBe(21)
  await world.change('insert into t (id) values (22); analyze t')
  world.clock.now += 15 * 60_000 - 1
  expect(rows(await read())).toBe(21)
  world.clock.now += 1
  expect(rows(await read())).toBe(22)
})

test('it survives a restart, and a refresh by another process is taken over', async () => {
  const known = await read()
  world.served.records.length = 0
  const other = world.restarted()
  expect(await read({}, other)).toEqual(known)
  expect(readings()).toBe(0)
  world.clock.now += 1_000
  const refreshed = await read({ refresh: true }, other)
  expect(refreshed.generatedAt.getTime()).toBe(world.clock.now)
  expect((await read()).generatedAt).toEqual(refreshed.generatedAt)
  expect(readings()).toBe(1)
})

test('what another release stored is read anew', async () => {
  await read()
  await world.control.owner.query(
    `update postern.catalog_snapshot set contents = '{"tables": 7}', generated_at = now()`,
  )
  world.served.records.length = 0
  expect((await read({}, world.restarted())).tables).toHaveLength(1)
  expect(readings()).toBe(1)
})

test('many who ask at once share one reading, and one who leaves takes it from nobody', async () => {
  await world.control.owner.query('delete from postern.catalog_snapshot')
  const fresh = world.restarted()
  const leaving = new AbortController()
  const left = read({ signal: leaving.signal }, fresh)
  const staying = Array.from({ length: 8 }, () => read({}, fresh))
  leaving.abort()
  await expect(left).rejects.toMatchObject({ code: '57014' })
  const found = await Promise.all(staying)
  expect(new Set(found.map(({ version }) => version)).size).toBe(1)
  expect(readings()).toBe(1)
})

test('a refresh never shares what began before it was asked for', async () => {
  const first = read({ refresh: true })
  await until(() => readings() > 0 || world.database.pool.stats().held > 0)
  await world.change(`comment on table t is 'in between'`)
  const second = read({ refresh: true })
  await first
  expect((await second).tables[0]?.description).toBe('in between')
})

test('a caller who gives up stops the reading on the server', async () => {
  await withLock(async client => {
    const stop = new AbortController()
    const asked = read({ refresh: true, signal: stop.signal })
    await Promise.race([asked, waiting(client)])
    stop.abort()
    await expect(asked).rejects.toMatchObject({ code: '57014' })
    await until(() => world.database.pool.stats().held === 0)
  })
})

test('a connection that ends in the middle is an error, not an empty schema, and the next call works', async () => {
  await withLock(async client => {
    const asked = read({ refresh: true })
    await Promise.race([asked, waiting(client)])
    await client.query(`select pg_terminate_backend(pid) ${waiters}`)
    await expect(asked).rejects.toMatchObject({ code: expect.stringMatching(/^(57P01|08)/) })
  })
  expect((await read()).tables).toHaveLength(1)
})

test('a database that cannot be reached is an error, whatever was known', async () => {
  await read()
  const gone: CallerDatabase = {
    ...world.database,
    refreshCatalog: () => Promise.reject(Object.assign(new Error('gone'), { code: '08006' })),
  }
  const ask = (request: MetadataRequest = {}) => world.catalog.metadata(world.served.principal, gone, request)
  await expect(ask()).rejects.toThrow('gone')
  await expect(ask({ refresh: true })).rejects.toThrow('gone')
  unreachable = true
  world.database.pool.close()
  await expect(read()).rejects.toMatchObject({ code: expect.stringMatching(/^(08|57)/) })
  await expect(read({}, world.restarted())).rejects.toMatchObject({ code: expect.stringMatching(/^(08|57)/) })
})

const waiters = `from pg_stat_activity where wait_event_type = 'Lock' and query like '%''schema'', pg_catalog.json_build_object%'
  and datname = current_database() and pid <> pg_backend_pid()`

/** Nobody else reads comments meanwhile. */
async function withLock(work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ ...world.served.direct })
  await client.connect()
  try {
    await client.query('begin; lock table pg_catalog.pg_description in access exclusive mode')
    await work(client)
  } finally {
    await client.end()
  }
}

/** Until the reading waits for the lock. */
async function waiting(client: pg.Client): Promise<void> {
  for (;;) {
    // What was found out once holds for the transaction.
    const { rowCount } = await client.query(`select pg_stat_clear_snapshot() ${waiters}`)
    if (rowCount !== 0) return
    await sleep(10)
  }
}
