/** A tenant's database with something of everything in it, behind a gateway; and what must be true when a client has gone. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { databaseRoles } from '../../src/provision/names.ts'
import type { RawTarget } from '../support/raw-client.ts'
import { type Served, type ServedOptions, serve } from '../support/served.ts'

const seed = readFileSync(new URL('company.sql', import.meta.url), 'utf8')

/** A query that never ends by itself within a test, and that the guard lets through. */
export const slowQuery = 'select count(*) from crm.orders a, crm.orders b, crm.orders c, crm.orders d'

export function serveCompany(options: Omit<ServedOptions, 'seed'> = {}): Promise<Served> {
  return serve({ ...options, seed })
}

export function nodeConfig(target: RawTarget): pg.ClientConfig {
  const { host, port, user, password, database } = target
  return { host, port, user, password, database }
}

/** Runs one statement as the superuser, in the tenant's database. */
export async function ask(served: Served, sql: string, values: readonly unknown[] = []): Promise<unknown[][]> {
  return asSuperuser(served, async client => {
    const answer = await client.query({ text: sql, values: [...values], rowMode: 'array' })
    return answer.rows
  })
}

/** Runs statements one after the other on one connection of the superuser's. */
export async function administer(served: Served, statements: readonly string[]): Promise<void> {
  await asSuperuser(served, async client => {
    for (const sql of statements) await client.query(sql)
  })
}

async function asSuperuser<T>(served: Served, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(nodeConfig(served.direct))
  await client.connect()
  return work(client).finally(() => client.end())
}

/** What the gate's connections are doing right now: neither idle nor gone, as `state: query`. */
export async function busyUpstreams(served: Served): Promise<string[]> {
  const rows = await ask(
    served,
    `select a.state || ': ' || a.query from pg_catalog.pg_stat_activity a where a.usename = $1 and a.state <> 'idle'`,
    [databaseRoles(served.database.id).gate],
  )
  return rows.map(([what]) => String(what))
}

/** Resolves once `served` has or has not (`until`) a busy upstream. @throws Error after `withinMs` */
export async function waitUntilUpstreamsAre(served: Served, until: 'busy' | 'idle', withinMs: number): Promise<number> {
  const begin = Date.now()
  for (;;) {
    const busy = await busyUpstreams(served)
    const passedMs = Date.now() - begin
    if (busy.length > 0 === (until === 'busy')) return passedMs
    if (passedMs > withinMs) throw new Error(`after ${passedMs} ms upstream: ${busy.join('; ') || 'nothing'}`)
    await sleep(20)
  }
}

/** The last client left nothing behind: no upstream busy or in a transaction, none lent, and the next client is served. */
export async function expectNothingLeft(served: Served): Promise<void> {
  await waitUntilUpstreamsAre(served, 'idle', 2_000)
  const client = new pg.Client(nodeConfig(served.gateway))
  await client.connect()
  try {
    const answer = await client.query(`select count(*)::int as n, current_setting('datestyle') as zone from customers`)
    if (answer.rows[0].n !== 50) throw new Error(`the next client got ${JSON.stringify(answer.rows)}`)
    if (answer.rows[0].zone !== 'ISO, MDY') throw new Error(`the next client has DateStyle ${answer.rows[0].zone}`)
  } finally {
    await client.end()
  }
  const { held, waiting } = served.database.pool.stats()
  if (held + waiting > 0) throw new Error(`${held} upstreams are lent to nobody, ${waiting} clients wait`)
}
