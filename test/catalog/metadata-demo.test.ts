/** The demo's schema, as agents are told of it: keys, enums, samples, what people wrote, search, text. */
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EntityNote } from '../../src/catalog/annotations.ts'
import type { SchemaMetadata, TableMetadata } from '../../src/catalog/metadata.ts'
import { seedDemo } from '../../src/embedded/demo.ts'
import { databaseRoles } from '../../src/provision/names.ts'
import { noAnnotations, openWorld, type World } from './metadata-fixture.ts'

let world: World
let metadata: SchemaMetadata

beforeAll(async () => {
  world = await openWorld({ seed: 'select 1' })
  const client = new pg.Client({ ...world.served.direct })
  await client.connect()
  await seedDemo(client, { tenant: 'acme' })
  await client.query(`grant select on all tables in schema crm to ${databaseRoles(world.database.id).reader}`)
  await client.end()
  metadata = await read()
}, 60_000)
afterAll(async () => await world.stop())

function read(): Promise<SchemaMetadata> {
  return world.catalog.metadata(world.served.principal, world.database)
}

function tableOf(of: SchemaMetadata, name: string): TableMetadata {
  const table = of.tables.find(each => each.name === name)
  if (table === undefined) throw new Error(`no ${name}`)
  return table
}

test('has its tables, views, keys both ways, checks, indexes and sizes', () => {
  expect(metadata.tables.map(({ name, kind }) => [name, kind])).toEqual([
    ['customers', 'table'],
    ['employees', 'table'],
    ['monthly_revenue', 'materialized view'],
    ['open_tickets', 'view'],
    ['order_items', 'table'],
    ['orders', 'table'],
    ['products', 'table'],
    ['tickets', 'table'],
  ])
  const items = tableOf(metadata, 'order_items')
  expect(items).toMatchObject({
    primaryKey: ['order_id', 'line'],
    sizeClass: 'medium',
    description: 'Lines of orders.',
  })
  expect(items.rowsEstimate).toBeGreaterThan(100_000)
  expect(items.foreignKeys.map(({ columns, to }) => [columns, to.name])).toEqual([
    [['order_id'], 'orders'],
    [['product_id'], 'products'],
  ])
  expect(items.columns.at(-1)).toMatchObject({
    name: 'amount',
    type: 'numeric(12,2)',
    generated: true,
    nullable: true,
  })
  expect(items.checks.map(({ name }) => name)).toEqual(['order_items_discount_check', 'order_items_quantity_check'])
  expect(tableOf(metadata, 'orders').referencedBy.map(({ table }) => table.name)).toEqual(['order_items', 'tickets'])
  expect(tableOf(metadata, 'employees').foreignKeys[0]).toMatchObject({ columns: ['manager_id'], toColumns: ['id'] })
  expect(tableOf(metadata, 'employees').uniqueKeys).toEqual([['email'], ['national_id']])
  expect(tableOf(metadata, 'customers').indexes.map(({ definition }) => definition)).toContain('btree (lower(email))')
  expect(tableOf(metadata, 'tickets').indexes.map(({ definition }) => definition)).toContain(
    'btree (priority, opened_at) WHERE (solved_at IS NULL)',
  )
  expect(tableOf(metadata, 'open_tickets')).toMatchObject({
    rowsEstimate: null,
    sizeClass: 'unknown',
    primaryKey: [],
  })
  expect(tableOf(metadata, 'monthly_revenue').uniqueKeys).toEqual([['month', 'category']])
})

test('has its enums where they are used', () => {
  expect(metadata.enums.map(({ name, description }) => [name, description])).toEqual([
    ['order_status', 'Where an order stands.'],
    ['ticket_priority', null],
    ['ticket_status', null],
  ])
  const status = tableOf(metadata, 'orders').columns.find(({ name }) => name === 'status')
  expect(status).toMatchObject({ type: 'order_status', nullable: false })
  expect(status?.enumValues).toEqual(['placed', 'paid', 'shipped', 'delivered', 'returned', 'cancelled'])
})

test('gives samples from a bounded read, and none of what is sensitive or says nothing', async () => {
  const { catalog, served } = world
  const sampled = await catalog.withSamples(served.principal, world.database, metadata, [
    ...['employees', 'products', 'open_tickets', 'monthly_revenue'],
  ])
  const samples = (name: string) =>
    Object.fromEntries(tableOf(sampled, name).columns.map(column => [column.name, column.samples]))
  expect(samples('employees')).toMatchObject({
    email: null,
    phone: null,
    birth_date: null,
    national_id: null,
    salary: null,
  })
  expect(samples('employees').department).toHaveLength(3)
  expect(samples('products')).toMatchObject({ attributes: null, sku: ['CHA-1001', 'SHE-1002', 'CAB-1003'] })
  expect(samples('open_tickets').customer).toHaveLength(3)
  expect(tableOf(sampled, 'orders').columns.every(column => column.samples === null)).toBe(true)
  const text = world.served.records
    .flatMap(record => record.text ?? [])
    .find(each => /from "crm"."employees"/.test(each))
  expect(text).toMatch(/limit \d+$/)
  expect(text).not.toMatch(/email|phone|salary|national_id|birth_date/)
})

test('does not sample a view that costs more than a glance, nor what is marked as personal', async () => {
  const { served } = world
  const thrifty = world.restarted({ sampleCostMax: 1 })
  const sampled = await thrifty.withSamples(served.principal, world.database, metadata, ['open_tickets', 'products'])
  expect(tableOf(sampled, 'open_tickets').columns.every(column => !column.samples?.length)).toBe(true)
  expect(tableOf(sampled, 'products').columns.some(column => column.samples?.length === 3)).toBe(true)
  world.annotations = {
    ...noAnnotations,
    entities: new Map([['products', entity({ sku: { pii: true } })]]),
  }
  const marked = await read()
  world.annotations = noAnnotations
  const { catalog } = world
  const again = await catalog.withSamples(served.principal, world.database, marked, ['products'])
  expect(tableOf(again, 'products').columns.find(({ name }) => name === 'sku')).toMatchObject({
    pii: true,
    samples: null,
  })
})

test('carries what people wrote: the semantic layer before comments, and no word of what is not there', async () => {
  world.annotations = {
    ...noAnnotations,
    entities: new Map<string, EntityNote>([
      [
        'orders',
        entity({
          total: { description: 'What the customer pays', unit: 'EUR', aggregation: 'sum', synonyms: ['revenue'] },
        }),
      ],
      ['open_tickets', { ...entity({}), primaryKey: ['id', 'nothing'], description: 'Work to do' }],
    ]),
    relationships: [
      relationship('open_tickets', ['id'], 'tickets', ['id']),
      relationship('orders', ['customer_id'], 'customers', ['id']),
      relationship('open_tickets', ['id'], 'secrets', ['id']),
    ],
  }
  const noted = await read()
  world.annotations = noAnnotations
  expect(tableOf(noted, 'orders').columns.find(({ name }) => name === 'total')).toMatchObject({
    ...{ description: 'What the customer pays', unit: 'EUR', aggregation: 'sum', synonyms: ['revenue'] },
  })
  expect(tableOf(noted, 'orders').description).toBe('One row per order; its lines are in order_items.')
  expect(tableOf(noted, 'open_tickets')).toMatchObject({ primaryKey: ['id'], description: 'Work to do' })
  expect(noted.relationships.filter(({ source }) => source === 'semantic layer')).toMatchObject([
    { table: { name: 'open_tickets' }, to: { name: 'tickets' }, type: 'one-to-one' },
  ])
  expect(world.catalog.search(noted, 'revenue', { hitsMax: 5 })[0]).toMatchObject({ table: 'monthly_revenue' })
  expect(world.catalog.search(noted, 'revenue', { hitsMax: 5 })).toContainEqual(
    expect.objectContaining({ table: 'orders', column: 'total' }),
  )
})

test('says where what people wrote no longer fits, and which corrections are of other schemas', async () => {
  const learning = (description: string, tables: readonly string[]) => ({
    ...{ id: description, description, category: 'join', tables, failingSql: null, correctedSql: 'select 1' },
    ...{
      confidence: 0.5,
      timesApplied: 0,
      active: true,
      database: '*',
      createdBy: null,
      createdAt: new Date(),
      updatedAt: new Date(),
    },
  })
  const tables = [['orders'], ['crm.orders'], ['sales.orders'], ['other.orders'], ['gone'], []]
  world.annotations = {
    ...noAnnotations,
    entities: new Map([['orders', entity({ never: {} })]]),
    learnings: tables.map(names => learning(names.join(), names)),
    warnings: ['a file'],
  }
  const noted = await world.catalog.metadata(world.served.principal, world.database, { logicalSchema: 'sales' })
  world.setPolicy({ excludedTables: ['crm.orders'] })
  const kept = await read()
  world.setPolicy({})
  world.annotations = noAnnotations
  expect(noted.learnings.map(({ description }) => description)).toEqual(['orders', 'crm.orders', 'sales.orders', ''])
  expect(noted.warnings).toEqual(['a file', expect.stringContaining('no longer fit the schema in one place')])
  expect(kept.learnings.map(({ description }) => description)).toEqual([''])
})

test('is found by words of names and descriptions', () => {
  const found = (text: string) =>
    world.catalog.search(metadata, text, { hitsMax: 3 }).map(({ table, column }) => [table, column])
  expect(found('customer')[0]).toEqual(['customers', null])
  expect(found('birth')).toEqual([['employees', 'birth_date']])
  expect(found('lines of an order')).toContainEqual(['order_items', null])
  expect(found('lines of a spaceship')).toEqual([])
  expect(found('per cent')[0]).toEqual(['order_items', 'discount'])
  expect(found('urgent')).toContainEqual(['tickets', 'priority'])
  expect(found('')).toEqual([])
})

test('is described one table at a time', () => {
  expect(world.catalog.describe(tableOf(metadata, 'order_items')).split('\n')).toEqual([
    expect.stringMatching(/^order_items ~12\dk — Lines of orders\.$/),
    '  key (order_id, line); order_id → orders.id; product_id → products.id',
    '  order_id bigint!',
    '  line smallint!',
    '  product_id int!',
    '  quantity int!',
    '  unit_price numeric(10,2)!',
    '  discount numeric(3,2)! default 0 — Share of the price taken off: 0.10 is ten per cent.',
    expect.stringMatching(
      /^ {2}amount numeric\(12,2\) computed as round\(.* — quantity × unit_price × \(1 − discount\)\.$/,
    ),
    '  index btree (product_id)',
    expect.stringMatching(/^ {2}CHECK .*discount/),
    '  CHECK ((quantity > 0))',
  ])
})

function entity(columns: Readonly<Record<string, object>>) {
  const none = { description: undefined, type: undefined, pii: undefined, unit: undefined, aggregation: undefined }
  return {
    ...{ description: undefined, primaryKey: undefined, synonyms: [], exact: true },
    columns: new Map(Object.entries(columns).map(([name, note]) => [name, { ...none, synonyms: [], ...note }])),
  }
}

function relationship(table: string, columns: readonly string[], toTable: string, toColumns: readonly string[]) {
  return { table, columns, toTable, toColumns, type: 'one-to-one' as const, description: undefined, exact: true }
}
