/** The demo says the truth about itself: its semantic layer fits its tables, and what it recommends runs. */

import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LiveSchema, validateSemantics } from '../../src/catalog/semantic-drift.ts'
import { resolveSemantics } from '../../src/catalog/semantic-layer.ts'
import { AnnotationReader } from '../../src/catalog/semantic-source.ts'
import { addTenant } from '../../src/control/tenants.ts'
import { globexMark, seedDemo } from '../../src/embedded/demo.ts'
import { demoLearning } from '../../src/embedded/demo-semantics.ts'
import { createParser, type Parser } from '../../src/guard/parse.ts'
import { writeDemoKnowledge } from '../../src/serve/demo-knowledge.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { type FreshDatabase, freshDatabase } from '../support/cluster.ts'

let parser: Parser
let control: ControlFixture
let reader: AnnotationReader
const ends: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  parser = await createParser()
  control = await freshControl()
  reader = new AnnotationReader({ control: control.service, files: { read: async () => undefined }, parser })
  return () => parser.close()
})
afterAll(async () => {
  for (const end of ends) await end()
})

describe.each(['acme', 'globex'] as const)("%s's demo", name => {
  let database: FreshDatabase
  let client: pg.Client
  let tenantId: string
  beforeAll(async () => {
    database = await freshDatabase()
    client = await database.connect()
    ends.push(() => client.end())
    await seedDemo(client, { tenant: name })
    await client.query('set search_path = crm')
    tenantId = (await addTenant(control.administration, { name })).id
    await writeDemoKnowledge(control.administration, name)
  })

  test('has a semantic layer that fits its tables, every one of them', async () => {
    const live = await readLive(client)
    const { layers } = await reader.layersOf(tenantId)
    const written = resolveSemantics(layers, 'crm', 'crm')
    expect(validateSemantics(written, live, { all: true, parser })).toEqual([])
    const described = live.tables.filter(table => table.primaryKey.length > 0).map(table => table.name)
    expect([...written.entities.keys()].sort()).toEqual(described.sort())
    const keys = await client.query(
      `select count(*)::int as count from pg_constraint where contype = 'f' and connamespace = 'crm'::regnamespace`,
    )
    expect(written.relationships).toHaveLength(keys.rows[0].count)
    for (const table of ['customers', 'employees']) {
      const columns = written.entities.get(table)?.columns
      expect([columns?.get('email')?.pii, columns?.get('phone')?.pii]).toEqual([true, true])
    }
  })

  test('has metrics, a learning and table knowledge that hold', async () => {
    const { metrics, tables, general, learnings } = await reader.of(tenantId, 'crm', 'crm')
    expect(metrics.map(metric => metric.name)).toEqual(['revenue', 'average order value', 'open tickets'])
    for (const { expression, table, filters } of metrics) {
      const answer = await client.query(`select ${expression} as value from ${table} where ${filters.join(' and ')}`)
      expect(Number(answer.rows[0].value)).toBeGreaterThan(0)
    }
    const sum = async (sql: string) =>
      (await client.query(`select sum(sum)::float8 as sum from (${sql}) x`)).rows[0].sum as number
    expect(await sum(demoLearning.correctedSql)).toBe(await sum('select sum(amount) from order_items'))
    expect(await sum(demoLearning.failingSql)).toBeGreaterThan(await sum(demoLearning.correctedSql))
    const facts = await client.query(
      `select count(*) filter (where employee_id is null)::int as web, max(placed_at) at time zone 'UTC' < '2026-07-01' as ended from orders`,
    )
    expect(facts.rows[0]).toMatchObject({ web: expect.any(Number), ended: true })
    expect(facts.rows[0].web).toBeGreaterThan(0)
    expect([...tables.keys()]).toEqual(['monthly_revenue', 'orders'])
    expect(general).toHaveLength(2)
    expect(learnings).toMatchObject([{ confidence: 0.5, tables: ['orders', 'order_items'] }])
  })

  test(`shows what is ${globexMark} to globex alone`, async () => {
    const said = JSON.stringify(await reader.layersOf(tenantId), (_, value) =>
      value instanceof Map ? [...value] : value,
    )
    expect(said.includes(globexMark)).toBe(name === 'globex')
  })
})

async function readLive(client: pg.Client): Promise<LiveSchema> {
  const read = await client.query(
    `select c.relname as name,
       (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)))
          from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) as columns,
       coalesce((select json_agg(a.attname) from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
          where i.indrelid = c.oid and i.indisprimary), '[]') as "primaryKey"
     from pg_class c where c.relnamespace = 'crm'::regnamespace and c.relkind in ('r', 'v', 'm')`,
  )
  return { schema: 'crm', tables: read.rows }
}
