import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drift, driftWarning, validateSemantics } from '../../src/catalog/semantic-drift.ts'
import { resolveSemantics } from '../../src/catalog/semantic-layer.ts'
import { parseSemantics } from '../../src/catalog/semantic-yaml.ts'
import { createParser, type Parser } from '../../src/guard/parse.ts'
import { openWorld, type World } from './metadata-fixture.ts'

const fitting = `
entities:
  - table: customers
    primary_key: id
    columns: { name: { type: text }, since: { type: timestamptz }, code: { type: varchar } }
  - table: orders
    primary_key: [id]
    columns: { total: { type: numeric }, customer_id: { type: int8 }, tags: { type: "text[]" }, state: { type: order_state } }
  - { table: totals, primary_key: customer_id }
relationships:
  - { column: orders.customer_id, references: customers.id }
metrics:
  - { name: revenue, table: orders, expression: "sum(total) filter (where orders.total > 0)", filters: ["state = 'paid'"] }
  - { name: buyers, table: orders, expression: "count(distinct customer_id) / (select count(*) from customers where whatever)" }
`

let world: World
let parser: Parser
beforeAll(async () => {
  parser = await createParser()
  world = await openWorld({
    seed: `
create type order_state as enum ('open', 'paid');
create table customers (id bigint primary key, name text, since timestamptz, code varchar(8));
create table orders (id bigint primary key, customer_id bigint references customers, total numeric(12, 2), tags text[], state order_state);
create view totals as select customer_id, sum(total) as total from orders group by 1;
create table hidden (id bigint primary key);`,
    excludedTables: ['crm.hidden'],
  })
})
afterAll(async () => {
  await world.stop()
  await parser.close()
})

async function drift(text: string, all = true): Promise<readonly Drift[]> {
  const { layer } = parseSemantics(text, 'acme.yml', parser)
  const live = await world.catalog.metadata(world.served.principal, world.served.database)
  return validateSemantics(resolveSemantics([layer], 'crm', live.schema), live, { all, parser })
}

test('what fits a live schema has not drifted, however its types are written', async () => {
  expect(await drift(fitting)).toEqual([])
})

test('what does not fit is named: table, column, type, key, reference, metric', async () => {
  const found = await drift(`
entities:
  - { table: gone }
  - { table: hidden }
  - table: orders
    primary_key: customer_id
    columns: { lost: {}, total: { type: "numeric(10,2)" }, state: { type: text } }
relationships:
  - { column: orders.customer_id, references: customers.key }
  - { column: orders.customer_id, references: clients.id }
  - { column: orders.client_id, references: customers.id }
metrics:
  - { name: margin, table: orders, expression: sum(total - cost), filters: ["orders.paid"] }
  - { name: ghosts, table: gone, expression: count(*) }
`)
  expect(found.map(({ kind, subject }) => `${kind}: ${subject}`)).toEqual([
    'missing table: gone',
    'missing table: hidden',
    'missing column: orders.lost',
    'changed type: orders.total',
    'changed type: orders.state',
    'changed key: orders',
    'missing reference: orders.customer_id',
    'missing reference: orders.customer_id',
    'missing column: orders.client_id',
    'missing column: metric margin',
    'missing column: metric margin',
    'missing table: metric ghosts',
  ])
  expect(found.map(({ message }) => message)).toContain(
    'Column orders.total is numeric(12,2), and is described as numeric(10,2).',
  )
  expect(driftWarning(found)).toMatch(/in 12 places .*missing table/)
  expect(driftWarning(found)).not.toMatch(/hidden|gone|orders/)
  expect(driftWarning([])).toBeUndefined()
})

test('a table that is missing here may stand in another schema, unless it was described for this one', async () => {
  expect(await drift('entities: [{ table: elsewhere }]', false)).toEqual([])
  expect(await drift('entities: [{ table: elsewhere, schema: crm }]', false)).toMatchObject([{ kind: 'missing table' }])
})

test('drift shows as soon as the schema changes, and goes when it fits again', async () => {
  await world.change('alter table customers rename column name to label; alter table orders alter tags type text')
  expect((await drift(fitting)).map(({ subject }) => subject)).toEqual(['customers.name', 'orders.tags'])
  await world.change(
    'alter table customers rename column label to name; alter table orders alter tags type text[] using null',
  )
  expect(await drift(fitting)).toEqual([])
})
