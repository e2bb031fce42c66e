/**
 * A believable little company for the first start, and a second one that must never be seen by the first. The rows are
 * computed by the database from their numbers alone: the same on every machine and every major.
 */
import pg from 'pg'
import { type Company, fillTables } from './demo-rows.ts'
import { createContracts, createTables, finishRows, finishTables } from './demo-tables.ts'

export type DemoTenant = 'acme' | 'globex'

export interface DemoOptions {
  readonly tenant: DemoTenant
  /** The role that is to own everything; absent: who is connected. */
  readonly owner?: string | undefined
}

/** Stands in every row of globex's that has a text of its own, and in none of acme's. */
export const globexMark = 'globex-only'

const companies: Record<DemoTenant, Company> = {
  acme: {
    ...{ seed: 1, domain: 'acme.example', mark: '' },
    ...{ products: 300, employees: 250, customers: 8000, orders: 49_000, tickets: 20_000 },
  },
  globex: {
    ...{ seed: 2, domain: `${globexMark}.example`, mark: ` ${globexMark}` },
    ...{ products: 60, employees: 40, customers: 500, orders: 2000, tickets: 800 },
  },
}

/**
 * Makes schema crm: about 200,000 rows for acme, 8,000 for globex, all dates before July 2026. `false`: it was there.
 * One transaction, so that it is there whole or not at all. The owner needs CREATE on the database, or on a schema crm
 * that exists.
 */
export async function seedDemo(client: pg.ClientBase, o: DemoOptions): Promise<boolean> {
  await client.query('begin')
  try {
    const seeded = await seed(client, o)
    await client.query('commit')
    return seeded
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

async function seed(client: pg.ClientBase, o: DemoOptions): Promise<boolean> {
  // Unqualified names are the catalog's then, whatever else the database holds.
  await client.query(`set local search_path = ''; select pg_advisory_xact_lock(5019, 1)`)
  const there = await client.query(
    `select to_regclass('crm.orders') is not null as tables, to_regnamespace('crm') is not null as schema`,
  )
  if (there.rows[0].tables) return false
  if (o.owner !== undefined) await client.query(`set local role ${pg.escapeIdentifier(o.owner)}`)
  if (!there.rows[0].schema) await client.query('create schema crm')
  await client.query(createTables)
  if (o.tenant === 'globex') await client.query(createContracts)
  await fillTables(client, companies[o.tenant])
  await client.query(finishTables)
  await client.query(finishRows)
  return true
}
