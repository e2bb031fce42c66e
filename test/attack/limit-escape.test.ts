/** No way in, no form of query and no format gives more rows or bytes than the limits say. What counts are the frames that arrive. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeBind, encodeExecute, encodeParse } from '../../src/wire/extended-query.ts'
import { encodeQuery, flush, sync } from '../../src/wire/query.ts'
import type { RawFrame } from '../support/raw-client.ts'
import { Agent } from './support/agent.ts'
import { type Arena, openArena } from './support/arena.ts'
import { wireWays } from './support/ways.ts'

let arena: Arena
const limits = { rowsMax: 10, bytesMax: 20_000, cellMaxBytes: 2_000 }

beforeAll(async () => {
  arena = await openArena()
  arena.served.setLimits(limits)
})
afterAll(() => arena.stop())

/** What would be 300 rows, or 20 kB and more in one. */
const queries: readonly string[] = [
  'select id from orders',
  'table orders',
  'select id from orders order by id',
  'select id from orders order by day desc, id',
  'select id from orders limit all',
  'select id from orders limit null',
  'select id from orders limit 200',
  'select id from orders limit 1e2',
  'select id from orders limit 2_00',
  'select id from orders limit 0xff',
  "select id from orders limit '200'",
  'select id from orders limit 100 + 100',
  'select id from orders limit (select 200)',
  'select id from orders limit 200 offset 3',
  'select id from orders offset 3 limit 200',
  'select id from orders offset 3 rows fetch next 200 rows only',
  'select id from orders order by 1 fetch first 200 rows with ties',
  'select 1 from orders order by 1 fetch first row with ties',
  'select id from orders fetch first (100 * 2) rows only',
  'select id from orders -- limit 1',
  'select id from orders /* limit 1 */',
  'select id from orders limit 200 -- limit 1',
  'select id from orders limit 200 /* limit 1 */',
  "select id, 'limit 1' as limit from orders",
  'select id as "limit 1" from orders',
  '(select id from orders)',
  '(select id from orders limit 200)',
  '((table orders) limit 200) limit 150',
  'select * from (select id from orders limit 200) s',
  'select id from orders union all select id from orders',
  'select id from orders union select -id from orders',
  '(select id from orders limit 5) union all select id from orders',
  'select id from orders except select 1',
  'with a as (select * from orders) select id from a',
  'with a as (select * from orders limit 5) select o.id from orders o, a',
  'with recursive n (i) as (select 1 union all select i + 1 from n where i < 300) select i from n',
  'select i from generate_series(1, 300) i',
  'select generate_series(1, 300)',
  'select unnest(array_agg(id)) from orders',
  'select unnest(array(select id from orders))',
  'select id, generate_series(1, 3) from orders',
  `values ${Array.from({ length: 300 }, (_, at) => `(${at})`).join(', ')}`,
  'select distinct id from orders',
  'select distinct on (id) id from orders',
  'select id from orders group by id',
  'select id from orders group by rollup (id)',
  'select sum(id) over (order by id) from orders',
  'select a.id from orders a join orders b using (id)',
  'select s.* from orders o, lateral (select o.id) s',
  'select * from rows from (generate_series(1, 300), generate_series(1, 200)) r',
  'select * from json_array_elements(to_json(array(select id from orders))) e',
  "select regexp_split_to_table(repeat('x,', 300), ',')",
  'select id from orders tablesample bernoulli (100)',
  'select * from orders_view',
  'select attname from pg_attribute',
  'select name from pg_settings',
  'select setting from pg_settings s, generate_series(1, 20)',
  'select null from orders',
  'select from orders',
  'select json_agg(o) from orders o',
  'select array_agg(o) from orders o',
  "select string_agg(customer, ',') from orders, generate_series(1, 20)",
  'select xmlagg(xmlelement(name a, customer)) from orders',
  'select json_object_agg(id, customer) from orders',
  "select repeat('x', 1999), repeat('x', 1999) from orders",
  "select repeat('x', 3000)",
  "select repeat('x', (select 100000))",
  "select lpad('x', (select 100000))",
  'select array_fill(1, array[(select 30000)])',
  "select convert_to(repeat('x', (select 30000)), 'utf8')",
  "select to_tsvector(string_agg(md5(id::text), ' ')) from orders",
  "select row(repeat('x', (select 30000)))",
  'select o::text, o, o.* from orders o',
]

interface Count {
  rows: number
  bytes: number
  cellMax: number
}

/** One count for each statement's answer. */
function count(frames: readonly RawFrame[]): Count[] {
  const counts: Count[] = []
  let current: Count = { rows: 0, bytes: 0, cellMax: 0 }
  for (const { type, body } of frames) {
    if (type === 'D' || type === 'd') {
      current.rows++
      current.bytes += body.length
      current.cellMax = Math.max(current.cellMax, type === 'D' ? longestCell(body) : 0)
    } else if ('CEsI'.includes(type)) {
      counts.push(current)
      current = { rows: 0, bytes: 0, cellMax: 0 }
    }
  }
  return counts
}

function longestCell(row: Buffer): number {
  let longest = 0
  for (let at = 2; at + 4 <= row.length; ) {
    const length = Math.max(0, row.readInt32BE(at))
    longest = Math.max(longest, length)
    at += 4 + length
  }
  return longest
}

function excess(counts: readonly Count[]): Count[] {
  return counts.filter(
    ({ rows, bytes, cellMax }) => rows > limits.rowsMax || bytes > limits.bytesMax || cellMax > limits.cellMaxBytes,
  )
}

test('an agent gets no more than it may', async () => {
  const agent = await Agent.open(arena.served)
  const sizes: string[] = []
  for (const text of queries) {
    const { told } = await agent.ask(text)
    // Rows stand in it twice, as structure and as text, and JSON within JSON is escaped.
    if (told.length > 3 * 256 * 1024) sizes.push(`${text}: ${told.length}`)
  }
  await agent.close()
  expect(sizes).toEqual([])
}, 60_000)

test('a query gives no more than it may, whichever way it comes', async () => {
  const client = await arena.open()
  const found: string[] = []
  let cases = 0
  for (const text of queries) {
    for (const way of wireWays) {
      const messages = way.messages(text)
      client.send(...messages)
      const frames = await client.untilReady(messages.filter(({ 0: type }) => type === 0x51 || type === 0x53).length)
      cases++
      for (const over of excess(count(frames))) found.push(`[${way.name}] ${text}: ${JSON.stringify(over)}`)
    }
  }
  await client.close()
  process.stdout.write(`[attack] limit-escape: ${queries.length} shapes, ${cases} cases\n`)
  expect(found).toEqual([])
}, 60_000)

const parse = (text: string, name = '') => encodeParse({ name, text, parameterTypes: [] })
const bind = (portal = '', resultFormats: (0 | 1)[] = []) =>
  encodeBind({ portal, statement: '', parameterFormats: [], parameters: [], resultFormats })
const execute = (rowsMax = 0, portal = '') => encodeExecute({ portal, rowsMax })
const q = (...texts: string[]) => texts.map(text => encodeQuery(text))
const many = <T>(times: number, item: T): T[] => Array.from({ length: times }, () => item)

/** What all of a conversation may give together. */
const conversations: readonly (readonly [what: string, messages: readonly Buffer[], ready: number])[] = [
  [
    'a cursor read in parts',
    q('begin', 'declare c cursor for select id from orders', ...many(8, 'fetch 5 from c'), 'rollback'),
    11,
  ],
  [
    'a cursor read forth and back',
    q(
      'begin',
      'declare c scroll cursor for select id from orders',
      ...many(6, 'fetch forward 5 from c'),
      ...many(6, 'fetch backward 5 from c'),
      'rollback',
    ),
    15,
  ],
  [
    'a cursor read by place',
    q(
      'begin',
      'declare c scroll cursor for select id from orders',
      ...Array.from({ length: 30 }, (_, at) => `fetch absolute ${at} from c`),
      'rollback',
    ),
    33,
  ],
  [
    'a cursor moved and read',
    q(
      'begin',
      'declare c scroll cursor for table orders',
      ...many(4, ['move forward 50 from c', 'fetch 9 from c', 'fetch relative 0 from c']).flat(),
      'rollback',
    ),
    15,
  ],
  [
    'a cursor read in one message',
    q('begin; declare c cursor for select id from orders; fetch 8 from c; fetch 8 from c; fetch all from c; rollback'),
    1,
  ],
  [
    'a cursor read after savepoints',
    q(
      'begin',
      'savepoint a',
      'declare c cursor for select id from orders',
      'fetch 9 from c',
      'rollback to a',
      'fetch 9 from c',
      'rollback',
    ),
    7,
  ],
  ['a portal read in parts', [parse('select id from orders'), bind(), ...many(10, execute(4)), sync], 1],
  [
    'a portal read in parts with Flush between',
    [parse('select id from orders'), bind(), ...many(10, [execute(3), flush]).flat(), sync],
    1,
  ],
  [
    'a portal kept over several Syncs',
    [
      ...q('begin'),
      parse('select id from orders order by id'),
      bind('p'),
      sync,
      ...many(10, [execute(4, 'p'), sync]).flat(),
      ...q('rollback'),
    ],
    13,
  ],
  [
    'a portal read by FETCH',
    [
      ...q('begin'),
      parse('select id from orders order by id'),
      bind('p'),
      sync,
      ...q(...many(6, 'fetch 9 from p')),
      ...q('fetch all from p', 'rollback'),
    ],
    10,
  ],
  [
    'a portal read by FETCH and by Execute',
    [
      ...q('begin'),
      parse('select id from orders limit 100 + 100'),
      bind('p'),
      sync,
      ...many(4, [...q('fetch 4 from p'), execute(4, 'p'), sync]).flat(),
      ...q('rollback'),
    ],
    11,
  ],
  [
    'a cursor read by the protocol',
    [
      ...q('begin', 'declare c cursor for select id from orders'),
      ...many(5, [execute(4, 'c'), sync]).flat(),
      ...q('rollback'),
    ],
    8,
  ],
  ['a portal in binary', [parse('select id, customer from orders'), bind('', [1]), execute(), sync], 1],
  [
    'a portal asked for more than there are numbers',
    [parse('select id from orders'), bind(), execute(2_147_483_647), sync],
    1,
  ],
  ['a portal asked for a negative number', [parse('select id from orders'), bind(), execute(-1), sync], 1],
]

describe('rows of one cursor or portal are counted over its life', () => {
  test.each(conversations)('%s', async (_, messages, ready) => {
    const client = await arena.open()
    client.send(...messages)
    const frames = await client.untilReady(ready)
    await client.close()
    expect(frames.filter(({ type }) => type === 'D').length).toBeLessThanOrEqual(limits.rowsMax)
  })
})
