import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { globexMark, seedDemo } from '../../src/embedded/demo.ts'
import { type FreshDatabase, freshDatabase, testCluster } from '../support/cluster.ts'

const tables = ['products', 'employees', 'customers', 'orders', 'order_items', 'tickets', 'monthly_revenue']

/** Rows, and how many of them carry the mark. */
async function countRows(client: pg.Client, table: string) {
  const answer = await client.query(
    `select count(*)::int as rows, count(*) filter (where t::text like $1)::int as marked from crm.${table} t`,
    [`%${globexMark}%`],
  )
  return answer.rows[0]
}

async function fingerprint(client: pg.Client): Promise<string> {
  const each = tables.map(table => `select string_agg(t::text, '' order by t::text collate "C") s from crm.${table} t`)
  const answer = await client.query(
    `select md5(string_agg(md5(s), '' order by md5(s))) as md5 from (${each.join(' union all ')}) a`,
  )
  return answer.rows[0].md5
}

describe('the demo', () => {
  let acme: FreshDatabase
  let globex: FreshDatabase
  const clients: pg.Client[] = []
  const connect = async (database: FreshDatabase) => {
    const client = await database.connect()
    clients.push(client)
    return client
  }
  beforeAll(async () => {
    await testCluster()
    acme = await freshDatabase()
    globex = await freshDatabase()
  })
  afterAll(async () => {
    await Promise.all(clients.map(client => client.end()))
  })

  it('fills acme once, whoever else is filling it', async () => {
    const [one, two] = [await connect(acme), await connect(acme)]
    const seeded = await Promise.all([seedDemo(one, { tenant: 'acme' }), seedDemo(two, { tenant: 'acme' })])
    expect(seeded.sort()).toEqual([false, true])
    expect(await seedDemo(one, { tenant: 'acme' })).toBe(false)
    const counts: number[] = []
    for (const table of tables) counts.push((await countRows(one, table)).rows)
    expect(counts).toEqual([300, 250, 8000, 49_000, expect.any(Number), expect.any(Number), expect.any(Number)])
    expect(counts.reduce((sum, rows) => sum + rows)).toBeGreaterThan(195_000)
  })

  it('comes out the same on every machine and every major', async () => {
    const client = await connect(acme)
    await client.query(`set timezone = 'UTC'`)
    expect(await fingerprint(client)).toMatchInlineSnapshot(`"d98626dce6050f514a564fe7ca906685"`)
  })

  it('makes sense: totals are sums, nobody buys before he is a customer', async () => {
    const client = await connect(acme)
    const { rows } = await client.query(`
      select (select count(*)::int from crm.orders o
               where total <> (select sum(amount) from crm.order_items i where i.order_id = o.id)) as wrong_totals,
             (select count(*)::int from crm.orders o join crm.customers c on c.id = o.customer_id
               where o.placed_at < c.created_at) as too_early,
             (select max(opened_at) < '2026-07-01' from crm.tickets) as in_time,
             (select count(*)::int from pg_constraint where contype = 'f' and not convalidated) as unchecked`)
    expect(rows).toEqual([{ wrong_totals: 0, too_early: 0, in_time: true, unchecked: 0 }])
    const inserted = await client.query(
      `insert into crm.products (sku, name, category, price, sold) values ('X', 'X', 'X', 1, 'empty') returning id`,
    )
    expect(inserted.rows).toEqual([{ id: 301 }])
  })

  it('belongs to the owner it is given, and globex marks all its texts', async () => {
    const client = await connect(globex)
    await client.query(`create role "demo owner"`)
    try {
      await client.query(`grant create on database ${globex.name} to "demo owner"`)
      expect(await seedDemo(client, { tenant: 'globex', owner: 'demo owner' })).toBe(true)
      const { rows } = await client.query(
        `select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace = 'crm'::regnamespace
         union select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'crm'`,
      )
      expect(rows).toEqual([{ owner: 'demo owner' }])
      expect((await client.query('select current_user')).rows).toEqual([{ current_user: 'postgres' }])
      for (const table of ['products', 'employees', 'customers', 'orders', 'tickets', 'contracts']) {
        const { rows, marked } = await countRows(client, table)
        expect(marked, table).toBe(rows)
      }
      expect(await countRows(await connect(acme), 'customers')).toMatchObject({ marked: 0 })
    } finally {
      await client.query(`drop owned by "demo owner" cascade`)
      await client.query(`drop role "demo owner"`)
    }
  })
})
