/** What is good once, or for one caller: confirmations, cursors and requests, used again, at once, or by somebody else. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, oldClient, openDoor, read } from '../mcp/door.ts'
import { callTool } from './support/mcp-request.ts'

let door: Door
let url: string
let alice: string
let narrow: string
let bob: string

beforeAll(async () => {
  door = await openDoor({ tenants: ['acme'] })
  url = door.mcp.url
  alice = await door.key('acme', 'alice', 'analyst')
  narrow = await door.key('acme', 'alice', 'analyst', ['data:read'])
  bob = await door.key('acme', 'bob', 'analyst')
  await door.world.seed(
    'acme',
    `create table crm.items (id int primary key, name text);
     insert into crm.items select g, 'item ' || g from generate_series(1, 50) g;
     create table odd.items (id int primary key, name text);
     insert into odd.items select g, 'odd ' || g from generate_series(1, 50) g`,
  )
}, 60_000)
afterAll(async () => {
  await door.close()
  expect(door.faults).toEqual([])
})

const call = async (token: string, tool: string, args: Record<string, unknown>, meta: object = {}) =>
  read((await callTool(url, token, tool, args, meta)).json.result)

async function provision(token: string, purpose: string): Promise<string> {
  return String((await call(token, 'provision_schema', { purpose })).data?.schema)
}

async function codeFor(token: string, schema: string): Promise<string> {
  const { error } = await call(token, 'teardown_schema', { schema })
  return /confirmation_code "([A-Z\d]+)"/.exec(error?.hint ?? '')?.[1] ?? 'none'
}

describe('a confirmation', () => {
  it('that is used twice at once does its work once', async () => {
    const schema = await provision(alice, 'raced')
    const confirmation_code = await codeFor(alice, schema)
    const ends = await Promise.all([1, 2, 3].map(() => call(alice, 'teardown_schema', { schema, confirmation_code })))
    expect(ends.filter(({ success }) => success)).toHaveLength(1)
    expect((await call(alice, 'teardown_schema', { schema, confirmation_code })).success).toBe(false)
  })

  it('is nobody else’s, no other schema’s, and no narrower key’s', async () => {
    const [first, second] = [await provision(alice, 'first'), await provision(alice, 'second')]
    const confirmation_code = await codeFor(alice, first)
    for (const [token, schema, meta] of [
      [bob, first, {}],
      [narrow, first, {}],
      [alice, second, {}],
      [alice, second, { 'postern/schema': first }],
    ] as const)
      expect((await call(token, 'teardown_schema', { schema, confirmation_code }, meta)).success).toBe(false)
    expect((await call(alice, 'teardown_schema', { confirmation_code }, { 'postern/schema': second })).success).toBe(
      false,
    )
    expect((await call(alice, 'teardown_schema', { schema: first, confirmation_code })).success).toBe(true)
    expect((await call(alice, 'list_tables', { schema: second })).success).toBe(true)
  })
})

describe('a cursor', () => {
  const sql = 'select id, name from items order by id'
  const cursorOf = async () => String((await call(alice, 'query', { sql, max_rows: 5 })).data?.cursor)

  it('goes on where it was, for its caller, statement and schema alone', async () => {
    const cursor = await cursorOf()
    expect(await call(alice, 'query', { sql, max_rows: 5, cursor })).toMatchObject({
      data: { rows: [[6, 'item 6'], {}, {}, {}, {}] },
    })
    for (const [token, args, meta] of [
      [bob, { sql, cursor }, {}],
      [alice, { sql: `${sql} `, cursor }, {}],
      [alice, { sql: `${sql} for update`, cursor }, {}],
      [alice, { sql, cursor, params: [] }, {}],
      [alice, { sql, cursor, schema: 'odd' }, {}],
      [alice, { sql, cursor }, { 'postern/schema': 'odd' }],
      [alice, { sql, cursor: cursor.slice(0, -1) }, {}],
      [alice, { sql, cursor: `${cursor}.` }, {}],
    ] as const)
      expect((await call(token, 'query', args, meta)).error, JSON.stringify(args)).toMatchObject({
        code: 'VALIDATION_ERROR',
      })
    expect((await call(alice, 'list_tables', { cursor })).error).toMatchObject({ code: 'VALIDATION_ERROR' })
  })

  it.each([
    `${sql} -- and no more`,
    `${sql} /* limit 1 */`,
    `${sql};`,
    `(${sql})`,
    `${sql} ; -- the end`,
    `select id, name from items where name <> '--' order by id`,
    `select id, name as "offset" from items order by id`,
  ])('takes up %j where it ended', async text => {
    const { data } = await call(alice, 'query', { sql: text, max_rows: 20 })
    const next = await call(alice, 'query', { sql: text, max_rows: 40, cursor: data?.cursor })
    expect(next.data).toMatchObject({ row_count: 30, truncated: false })
    expect(JSON.stringify(next.data?.rows)).toContain('item 21')
  })

  it.each([
    `${sql} limit 30`,
    `${sql} offset 3`,
    `${sql} fetch first 30 rows only`,
    `${sql} for share`,
    `${sql} limit 30 -- x`,
    'select id, name from items order by name',
    'select distinct id from items order by id',
    'select id, generate_series(1, 2) from items order by id',
    'select id from items tablesample system (50) order by id',
    'with i as (select * from items) select id from i order by id',
    'select i.id from items i, items j order by i.id',
  ])('does not come with %j', async text => {
    const { data } = await call(alice, 'query', { sql: text, max_rows: 5 })
    expect(data?.cursor).toBeUndefined()
  })
})

describe('a request', () => {
  it('is not cancelled by the number that somebody else gives', async () => {
    const [client, stranger] = [await oldClient(url, alice), await oldClient(url, bob)]
    try {
      const sql = 'select count(*) from generate_series(1, 3000000) a'
      const running = client.callTool({ name: 'query', arguments: { sql } })
      for (let requestId = 0; requestId < 20; requestId++)
        await stranger.notification({ method: 'notifications/cancelled', params: { requestId } })
      expect(read(await running)).toMatchObject({ success: true, data: { rows: [['3000000']] } })
    } finally {
      await Promise.all([client.close(), stranger.close()])
    }
  })
})
