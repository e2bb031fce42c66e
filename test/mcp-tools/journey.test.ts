/**
 * An agent's way to an answer, without a model: a script that knows the question and SQL, and of the database only what
 * the tools have told it so far.
 */
import type { Client } from '@modelcontextprotocol/client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Door, newClient, openDoor, plainClient, read } from '../mcp/door.ts'
import { tokens } from './call.ts'

const callsMax = 5
const tokensMax = 4_000

let door: Door
let token: string

beforeAll(async () => {
  door = await openDoor({ tenants: ['acme'] })
  await door.world.seedDemo('acme')
  token = await door.key('acme', 'alice', 'viewer')
}, 60_000)
afterAll(() => door.close())

/** Counts what its agent has heard; either form of a result has to be within the budget. */
class Journey {
  calls = 0
  textTokens = 0
  structuredTokens = 0
  #heard = ''
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
  }

  async call(name: string, args: Record<string, unknown> = {}) {
    const result = await this.#client.callTool({ name, arguments: args })
    const answer = read(result)
    this.calls++
    this.textTokens += tokens(answer.text)
    this.structuredTokens += tokens(JSON.stringify(result.structuredContent))
    this.#heard += answer.text
    return answer
  }

  /** Runs SQL whose names have all been told of. */
  async query(sql: string, args: Record<string, unknown> = {}) {
    const names = sql.replace(/'[^']*'/g, ' ').match(/[a-z_]+/g) ?? []
    const told = names.filter(name => !words.has(name))
    for (const name of told) expect(this.#heard, name).toContain(name)
    for (const [, value] of sql.matchAll(/'([a-z]+)'/g)) expect(this.#heard, value).toContain(value)
    return await this.call('query', { sql, ...args })
  }

  arrived(what: string) {
    console.log(`${what}: ${this.calls} calls, ${this.textTokens} tokens as text, ${this.structuredTokens} as data`)
    expect(this.calls).toBeLessThanOrEqual(callsMax)
    expect(this.textTokens).toBeLessThanOrEqual(tokensMax)
    expect(this.structuredTokens).toBeLessThanOrEqual(tokensMax)
  }
}

/** SQL's own, and the names that the script gives. */
const words = new Set(
  'select from join on where and not in group by order desc limit as sum count date round c i o p t spent revenue n'.split(
    ' ',
  ),
)

const databasesSchema = z.object({ databases: z.tuple([z.object({ alias: z.string(), default_schema: z.string() })]) })
const tablesSchema = z.object({ tables: z.array(z.object({ name: z.string(), description: z.string().optional() })) })
const tableSchema = z.object({
  schema: z.string(),
  name: z.string(),
  columns: z.array(z.object({ name: z.string(), enum_values: z.array(z.string()).optional() })),
  foreign_keys: z.array(z.object({ columns: z.array(z.string()), table: z.string(), to_columns: z.array(z.string()) })),
})

const bigSpenders = `select c.name, sum(o.total) as spent from crm.orders o join crm.customers c on c.id = o.customer_id
  where o.status not in ('cancelled', 'returned') and o.placed_at >= '2025-01-01' and o.placed_at < '2026-01-01'
  group by c.id, c.name order by spent desc, c.name limit 5`

const unsolved = `select t.priority, count(*) as n from crm.tickets t where t.status not in ('solved', 'closed')
  group by t.priority order by t.priority`

describe.each([
  ['the newer protocol', newClient],
  ['the older protocol', plainClient],
])('over %s', (era, connect) => {
  let client: Client
  let journey: Journey
  beforeEach(async () => {
    client = await connect(door.mcp.url, token)
    journey = new Journey(client)
  })
  afterEach(() => client.close())

  it('answers after a look at the whole schema', async () => {
    const { databases } = databasesSchema.parse((await journey.call('list_databases')).data)
    const database = databases[0].alias
    await journey.call('get_metadata', { database })
    const answer = await journey.query(bigSpenders, { database })
    expect(answer.isError, answer.text).toBe(false)
    expect(answer.data).toMatchObject({ rows: await door.world.truth('acme', bigSpenders), row_count: 5 })
    journey.arrived(`schema at once, ${era}`)
  })

  it('answers table by table, joining as the keys say', async () => {
    const { databases } = databasesSchema.parse((await journey.call('list_databases')).data)
    const { alias: database, default_schema: schema } = databases[0]
    const { tables } = tablesSchema.parse((await journey.call('list_tables', { database, schema })).data)
    const orders = tables.find(({ description }) => /one row per order/i.test(description ?? ''))
    const about = tableSchema.parse((await journey.call('describe_table', { database, table: orders?.name })).data)
    const key = about.foreign_keys.find(
      ({ table }) => tables.some(({ name }) => name === table) && /custom/.test(table),
    )!
    const customers = tableSchema
      .omit({ foreign_keys: true })
      .parse((await journey.call('describe_table', { database, table: key.table })).data)
    const state = about.columns.find(({ enum_values }) => enum_values?.includes('cancelled'))!
    expect(state.enum_values).toContain('returned')
    const [paid] = about.columns.filter(({ name }) => /total/.test(name))
    const [named] = customers.columns.filter(({ name }) => name === 'name')
    const [placed] = about.columns.filter(({ name }) => name.startsWith('placed'))
    const sql = `select c.${named!.name}, sum(o.${paid!.name}) as spent
      from ${about.schema}.${about.name} o
      join ${customers.schema}.${customers.name} c on c.${key.to_columns[0]} = o.${key.columns[0]}
      where o.${state.name} not in ('cancelled', 'returned')
        and o.${placed!.name} >= '2025-01-01' and o.${placed!.name} < '2026-01-01'
      group by c.${key.to_columns[0]}, c.${named!.name} order by spent desc, c.${named!.name} limit 5`
    const answer = await journey.query(sql, { database })
    expect(answer.isError, answer.text).toBe(false)
    expect(answer.data).toMatchObject({ rows: await door.world.truth('acme', bigSpenders) })
    journey.arrived(`table by table, ${era}`)
  })

  it('mends what it got wrong by what the errors say', async () => {
    const missed = await journey.call('describe_table', { table: 'ticket' })
    expect(missed).toMatchObject({ isError: true, error: { code: 'NOT_FOUND' } })
    const table = /^Did you mean (\w+)\?/.exec(missed.error!.hint!)![1]
    const about = await journey.call('describe_table', { table, samples: false })
    expect(about.text).toContain("'solved' | 'closed'")
    const misspelt = await journey.call('query', { sql: unsolved.replaceAll('t.priority', 't.prio') })
    expect(misspelt).toMatchObject({ isError: true, error: { code: 'NOT_FOUND', sqlstate: '42703' } })
    const answer = await journey.query(unsolved)
    expect(answer.isError, answer.text).toBe(false)
    const rows = await door.world.truth('acme', unsolved.replace('count(*)', 'count(*)::text'))
    expect(answer.data).toMatchObject({ rows })
    journey.arrived(`by errors, ${era}`)
  })
})
