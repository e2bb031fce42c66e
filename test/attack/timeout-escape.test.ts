/** However it is asked for, work ends when its time is over, on the server too. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeBind, encodeExecute, encodeParse } from '../../src/wire/extended-query.ts'
import { encodeQuery, flush, sync } from '../../src/wire/query.ts'
import { describe as inWords } from '../support/raw-client.ts'
import { type Arena, openArena } from './support/arena.ts'
import { wireWays } from './support/ways.ts'

let arena: Arena
const limits = {
  statementTimeoutMs: 250,
  wallClockMs: 900,
  idleInTransactionTimeoutMs: 600,
  transactionTimeoutMs: 1_500,
}
/** The clocks are looked at every 200 ms; the machine may be busy. */
const patienceMs = 2_500
const heavy = 'select count(*) from generate_series(1, 9000000) a, generate_series(1, 900000) b'

beforeAll(async () => {
  arena = await openArena()
})
beforeEach(() => arena.served.setLimits(limits))
afterAll(() => arena.stop())

/** Statements of the gate that run now. */
async function running(): Promise<number> {
  const { rows } = await arena.admin.query(
    `select count(*)::int as n from pg_stat_activity where datname = current_database() and usename ~ '_gate$' and state = 'active'`,
  )
  return rows[0].n
}

async function openTransactions(): Promise<number> {
  const { rows } = await arena.admin.query(
    `select count(*)::int as n from pg_stat_activity where datname = current_database() and usename ~ '_gate$' and xact_start is not null`,
  )
  return rows[0].n
}

const q = (...texts: string[]) => texts.map(text => encodeQuery(text))
const one = (text: string) => [
  encodeParse({ name: '', text, parameterTypes: [] }),
  encodeBind({ portal: '', statement: '', parameterFormats: [], parameters: [], resultFormats: [] }),
  encodeExecute({ portal: '', rowsMax: 0 }),
]

const lifted: readonly (readonly [string, readonly Buffer[]])[] = [
  ...["'0'", '0', "'0.4ms'", "'500us'", "'0.5'", "'999999s'", "'24d'", 'default', "'1h'", "'-0'"].flatMap(value => [
    [`set statement_timeout to ${value}`, q(`set statement_timeout to ${value}`, heavy)] as const,
    [
      `set local statement_timeout to ${value}`,
      q('begin', `set local statement_timeout to ${value}`, heavy, 'rollback'),
    ] as const,
  ]),
  ['reset statement_timeout', q('reset statement_timeout', heavy)],
  ['reset all', q('reset all', heavy)],
  ['discard all', q('discard all', heavy)],
  ['set_config of 0', q("select set_config('statement_timeout', '0', false)", heavy)],
  ['set_config in one series', [...one("select set_config('statement_timeout', '240', false)"), ...one(heavy), sync]],
  [
    'lifted and undone',
    q(
      'begin',
      "set statement_timeout to '10ms'",
      'savepoint a',
      "set statement_timeout to '0'",
      'rollback to a',
      heavy,
      'rollback',
    ),
  ],
  ['in one message', q(`set statement_timeout to 0; ${heavy}`)],
]

describe('the statement timeout', () => {
  test.each(wireWays.filter(({ name }) => name !== 'inside another').map(way => [way.name, way] as const))(
    '%s',
    async (_, way) => {
      await takesNoLonger(way.messages(heavy), patienceMs)
    },
  )

  test.each(lifted)('cannot be lifted: %s', async (_, messages) => {
    await takesNoLonger(messages, patienceMs)
  })
})

const slow: readonly string[] = [
  heavy,
  'with recursive r (i) as (select 1 union all select i + 1 from r) select count(*) from r',
  "select 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' ~ '^(a*)*(a*)*(a*)*b$', (select count(*) from generate_series(1, 90000000))",
  "select count(*) from generate_series(1, 9000000) a where repeat('ab', 500) || a ~ '(a|b|ab)*c'",
  'select count(*) from orders a, orders b, orders c, orders d group by cube (a.id, b.id, c.id, d.id)',
  'select max(length(s)) from (select string_agg(md5(a::text), md5(a::text)) s from generate_series(1, 8000000) a group by a % 3) s',
  "select count(*) from generate_series(1, 9000000) a where a::text like '%1%2%3%4%5%6%7%8%9%'",
  'select sum(factorial(5000)) from generate_series(1, 9000000)',
  "select count(*) from xmltable('/a' passing xmlelement(name a, repeat('x', 1000000)) columns x text path '.') x, generate_series(1, 9000000)",
  'select sum(power(2::numeric, 10000) ^ 2) from generate_series(1, 9000000)',
  "select count(distinct to_tsvector('english', md5(a::text))) from generate_series(1, 9000000) a",
  'select a from generate_series(1, 9000000) a order by md5(a::text) offset 8999999',
]

describe('work of every kind', () => {
  test.each(slow)('%s', async text => {
    await takesNoLonger(q(text), patienceMs)
  })
})

async function takesNoLonger(messages: readonly Buffer[], mostMs: number): Promise<void> {
  const client = await arena.open()
  const since = performance.now()
  client.send(...messages)
  const frames = await client.untilReady(messages.filter(({ 0: type }) => type === 0x51 || type === 0x53).length)
  expect(performance.now() - since).toBeLessThan(mostMs)
  expect(
    frames
      .filter(({ type }) => type === 'E')
      .map(inWords)
      .join(),
  ).toMatch(/57014|0A000|42501|54000|22023/)
  await expect.poll(running, { timeout: 1_500 }).toBe(0)
  await client.close()
}

describe('the wall clock', () => {
  const short = 'select count(*) from generate_series(1, 1300000)'

  test.each([
    ['many statements in one message', q(Array.from({ length: 60 }, () => short).join('; '))],
    ['many statements in one series', [...Array.from({ length: 60 }, () => one(short)).flat(), sync]],
    [
      'a cursor read on and on',
      q(
        `begin; declare c cursor for select a from generate_series(1, 90000000) a; ${Array.from({ length: 60 }, () => 'move 1000000 from c').join('; ')}`,
      ),
    ],
  ])('%s', async (_, messages) => {
    await takesNoLonger(messages, 4_000)
  })

  test('a series without its Sync', async () => {
    const client = await arena.open()
    client.send(...one('select 1'), flush)
    for (let at = 0; at < 3; at++) await client.next()
    await expect.poll(openTransactions, { timeout: 4_000 }).toBe(0)
    await client.close()
  })

  test('a series that is fed a little now and then', async () => {
    const client = await arena.open()
    const until = Date.now() + 2_500
    while (Date.now() < until && !client.socket.destroyed) {
      client.send(...one('select 1'), flush)
      await sleep(100)
    }
    client.send(sync)
    const frames = await client.untilReady()
    expect(
      frames
        .filter(({ type }) => type === 'E')
        .map(inWords)
        .join(),
    ).toContain('57014')
    await client.close()
  })

  test('a transaction that is kept busy', async () => {
    const client = await arena.open()
    client.send(...q('begin'))
    await client.untilReady()
    let ended = ''
    for (let at = 0; at < 40 && ended === ''; at++) {
      client.send(...q('select 1'))
      ended = (await client.untilReady()).map(inWords).find(line => line.startsWith('E')) ?? ''
      await sleep(100)
    }
    expect(ended).toMatch(/25P04|25P03/)
    await client.close()
  })
})

describe('a client that is not there', () => {
  test('stops reading', async () => {
    arena.served.setLimits({})
    const client = await arena.open()
    client.socket.pause()
    client.send(...q('copy (select a.*, b.* from orders a, orders b) to stdout'))
    await sleep(300)
    client.socket.destroy()
    await expect.poll(running, { timeout: 4_000 }).toBe(0)
  })

  test('leaves in the middle', async () => {
    arena.served.setLimits({})
    const clients = await Promise.all(Array.from({ length: 3 }, () => arena.open()))
    for (const client of clients) client.send(...q(heavy))
    await expect.poll(running, { timeout: 4_000 }).toBe(3)
    for (const client of clients) client.socket.destroy()
    await expect.poll(running, { timeout: 4_000 }).toBe(0)
  })
})
