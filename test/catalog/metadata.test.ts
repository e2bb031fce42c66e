/** What is listed is what may be queried: a schema with everything that a policy can take away. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SchemaMetadata, TableMetadata } from '../../src/catalog/metadata.ts'
import { databaseRoles } from '../../src/provision/names.ts'
import { openWorld, type World } from './metadata-fixture.ts'

let world: World

const taken = `
  create table secrets (id int primary key, what text);
  create table half (id int primary key, hidden text, shown text, made text generated always as (hidden || shown) stored, unique (id, hidden), check (hidden <> 'x'), check (shown <> 'x'));
  create index half_computed on half (lower(shown));
  create table refers (id int references secrets, half_id int references half);
  create view through as select what from secrets;
  create view fine as select id from half;
  create table none (id int);
  create table gone (id int primary key);
  create table other.outside (id int primary key);
  create table points (id int references other.outside);
  create table other.veiled (id int primary key, code int unique);
  create table asks (code int references other.veiled (code));
  create table empty ();
  create function spy() returns int language sql volatile as 'select 1';
  create view calls as select spy() as x;
  create sequence counter;
`

beforeAll(async () => {
  world = await openWorld({
    seed: taken,
    schemas: ['crm', 'other', 'demo'],
    excludedTables: ['crm.secrets'],
  })
  const { served } = world
  const { reader } = databaseRoles(served.database.id)
  await world.change(`
    revoke select on crm.half, crm.none, other.veiled from ${reader}; grant select (id, shown, made) on crm.half to ${reader}; grant select (id) on other.veiled to ${reader};
    create foreign data wrapper nowhere; create server nowhere foreign data wrapper nowhere;
    create foreign table crm.far (id int) server nowhere; grant select on crm.far to ${reader};
    drop table crm.gone; create schema closed; create table closed.unseen (id int)`)
  await served.database.refreshCatalog()
}, 60_000)
afterAll(async () => await world.stop())

function read(schema: string): Promise<SchemaMetadata> {
  return world.catalog.metadata(world.served.principal, world.database, { schema })
}

function tableOf(metadata: SchemaMetadata, name: string): TableMetadata {
  const table = metadata.tables.find(each => each.name === name)
  if (table === undefined) throw new Error(`no ${name}`)
  return table
}

function select(text: string) {
  const { served } = world
  const client = { address: 'local', applicationName: 'test' }
  return world.queries.run({ principal: served.principal, database: world.database, text, parameters: [], client })
}

describe('what is listed', () => {
  test('can be selected, column by column; what is not is refused or absent', async () => {
    const listed = new Map<string, TableMetadata>()
    for (const schema of ['crm', 'other', 'demo'])
      for (const table of (await read(schema)).tables) listed.set(`${schema}.${table.name}`, table)
    expect([...listed.keys()]).toEqual([
      ...['crm.asks', 'crm.empty', 'crm.fine', 'crm.half', 'crm.points', 'crm.refers', 'other.outside', 'other.veiled'],
    ])
    for (const [name, { columns }] of listed)
      await select(`select ${columns.map(column => column.name).join(', ')} from ${name}`)
    const all = await everyRelation()
    expect(all.length).toBeGreaterThan(listed.size + 5)
    for (const name of all.filter(each => !listed.has(each)))
      await expect(select(`select * from ${name}`), name).rejects.toMatchObject({
        code: expect.stringMatching(/^42(501|P01)$/),
      })
  })

  test('keeps still about columns that may not be read, and keys, indexes and checks with them', async () => {
    const half = tableOf(await read('crm'), 'half')
    expect(half.columns.map(({ name }) => name)).toEqual(['id', 'shown', 'made'])
    expect(half.columns.at(-1)).toMatchObject({ generated: true, default: null })
    expect(half).toMatchObject({ primaryKey: ['id'], uniqueKeys: [] })
    expect(half.indexes.map(({ name }) => name)).toEqual(['half_pkey'])
    expect(half.checks.map(({ definition }) => definition)).toEqual([`CHECK ((shown <> 'x'::text))`])
    await expect(select('select hidden from half')).rejects.toMatchObject({ code: '42501' })
  })

  test('names no table that may not be read, in keys either, and keys across schemas', async () => {
    const metadata = await read('crm')
    expect(tableOf(metadata, 'refers').foreignKeys.map(({ to }) => to.name)).toEqual(['half'])
    expect(tableOf(metadata, 'asks').foreignKeys).toEqual([])
    expect(tableOf(metadata, 'points').foreignKeys).toEqual([
      {
        table: { schema: 'crm', name: 'points' },
        columns: ['id'],
        to: { schema: 'other', name: 'outside' },
        toColumns: ['id'],
      },
    ])
    expect(tableOf(await read('other'), 'outside').referencedBy.map(({ table }) => table)).toEqual([
      { schema: 'crm', name: 'points' },
    ])
    const text = world.catalog.render(metadata, { format: 'full', tokenBudget: 100_000 }).text
    expect(text).not.toMatch(/secrets|hidden|veiled|through|calls|far|unseen|postern/)
  })

  test('is the same for a principal whatever the policy was at the reading', async () => {
    expect((await read('crm')).tables.map(({ name }) => name)).not.toContain('secrets')
    world.setPolicy({ excludedTables: [], foreignTables: ['crm.far'], functions: ['crm.spy'] })
    expect((await read('crm')).tables.map(({ name }) => name)).toEqual([
      ...['asks', 'calls', 'empty', 'far', 'fine', 'half', 'points', 'refers', 'secrets', 'through'],
    ])
    world.setPolicy({ allowedTables: ['crm.f*'] })
    expect((await read('crm')).tables.map(({ name }) => name)).toEqual(['fine'])
    world.setPolicy({})
  })

  test('is of the principal’s schemas alone', async () => {
    for (const schema of ['closed', 'postern_catalog', 'pg_catalog', 'nowhere', 'public'])
      await expect(read(schema), schema).rejects.toMatchObject({
        code: '3F000',
        message: `schema "${schema}" does not exist`,
        hint: 'There is crm, other, demo.',
      })
  })
})

/** Of every schema that is not the server's own. */
async function everyRelation(): Promise<readonly string[]> {
  const client = new pg.Client({ ...world.served.direct })
  await client.connect()
  const { rows } = await client
    .query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^(pg_|information_schema)'`,
    )
    .finally(() => client.end())
  return rows.map(({ name }) => name)
}
