/** Limits as a client meets them: exact, said, and nothing of the client's is aborted by them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sync } from '../../src/wire/query.ts'
import { bind, closePortal, execute, parse, query } from '../differential/conversations.ts'
import { describe as inWords, RawClient } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'

let served: Served
let client: RawClient

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text); insert into t select g, repeat('x', 20) from generate_series(1, 500) g`,
  })
}, 60_000)
afterAll(async () => await served.stop())

beforeEach(() => served.setLimits({}))

async function talk(limits: Parameters<Served['setLimits']>[0], ...sent: Buffer[][]): Promise<string[][]> {
  served.setLimits(limits)
  client = await RawClient.open(served.gateway)
  try {
    const answers: string[][] = []
    for (const messages of sent) {
      client.send(...messages)
      const frames = await client.untilReady(
        messages.filter(message => message[0] === 0x51 || message[0] === 0x53).length,
      )
      answers.push(summary(frames.map(inWords)))
    }
    return answers
  } finally {
    await client.close()
  }
}

/** Rows in a row become `D×n`. */
function summary(lines: string[]): string[] {
  const out: string[] = []
  for (const line of lines) {
    const type = line[0]
    if (type === 'T' || type === '1' || type === '2' || type === 'H' || type === 'c') continue
    const last = out.at(-1)
    if ((type === 'D' || type === 'd') && last?.startsWith(`${type}×`))
      out[out.length - 1] = `${type}×${Number(last.slice(2)) + 1}`
    else out.push(type === 'D' || type === 'd' ? `${type}×1` : line.replace(/ \| .*/, ''))
  }
  return out
}

const q = (text: string) => query(text).send as Buffer[]
const one = (text: string, rowsMax = 0) => [parse(text), bind(), execute(rowsMax)]
const truncated = (rows: number) => [
  `D×${rows}`,
  `N NOTICE 01000 result truncated: a statement may return at most ${rows} rows`,
]

describe('rows', () => {
  test('a result of exactly the limit is whole, one more is cut and said', async () => {
    const [whole, cut] = await talk(
      { rowsMax: 10 },
      q('select id from t where id <= 10'),
      q('select id from t where id <= 11'),
    )
    expect(whole).toEqual(['D×10', 'C SELECT 10', 'Z I'])
    expect(cut).toEqual([...truncated(10), 'C SELECT 10', 'Z I'])
  })

  for (const text of [
    'select id from t',
    'select id from t order by id',
    'select id from t limit 400',
    'select id from t order by id fetch first 300 rows with ties',
    'select id from t limit 100 + 100',
    'table t',
    'values (1),(2),(3),(4),(5),(6),(7)',
    'select 1 union all select id from t',
    'with a as (select * from t) select * from a offset 3',
  ]) {
    test(`${text}: by either protocol, in a transaction or not`, async () => {
      const tag = 'C SELECT 5'
      const [simple, , within, after, , extended] = await talk(
        { rowsMax: 5 },
        q(text),
        q('begin'),
        q(text),
        q('select 1'),
        q('commit'),
        [...one(text), sync],
      )
      expect(simple).toEqual([...truncated(5), tag, 'Z I'])
      expect(within).toEqual([...truncated(5), tag, 'Z T'])
      expect(after).toEqual(['D×1', 'C SELECT 1', 'Z T'])
      expect(extended).toEqual([...truncated(5), tag, 'Z I'])
    })
  }

  test('what follows in the message or pipeline goes on', async () => {
    const [several, pipeline] = await talk(
      { rowsMax: 5 },
      q('select id from t; select 7; select id from t where id < 3'),
      [...one('select id from t'), ...one('select 7'), sync],
    )
    expect(several).toEqual([...truncated(5), 'C SELECT 5', 'D×1', 'C SELECT 1', 'D×2', 'C SELECT 2', 'Z I'])
    expect(pipeline).toEqual([...truncated(5), 'C SELECT 5', 'D×1', 'C SELECT 1', 'Z I'])
  })

  test('a portal is counted over its life', async () => {
    const [, first, second, third] = await talk(
      { rowsMax: 5 },
      q('begin'),
      [parse('select id from t'), bind('', 'p'), execute(3, 'p'), sync],
      [execute(3, 'p'), sync],
      [execute(3, 'p'), closePortal('p'), sync],
    )
    expect(first).toEqual(['D×3', 's', 'Z T'])
    expect(second).toEqual([
      'D×2',
      'N NOTICE 01000 result truncated: a statement may return at most 5 rows',
      'C SELECT 2',
      'Z T',
    ])
    expect(third).toEqual(['C SELECT 0', '3', 'Z T'])
  })

  test('a cursor is counted over its life, forth and back', async () => {
    const [, , first, second, third] = await talk(
      { rowsMax: 5 },
      q('begin'),
      q('declare c scroll cursor for select id from t'),
      q('fetch 3 from c'),
      q('fetch backward 1 from c'),
      q('fetch all from c'),
    )
    expect(first).toEqual(['D×3', 'C FETCH 3', 'Z T'])
    expect(second).toEqual(['D×1', 'C FETCH 1', 'Z T'])
    expect(third).toEqual([
      'D×1',
      'N NOTICE 01000 result truncated: a statement may return at most 5 rows',
      'C FETCH 1',
      'Z T',
    ])
  })

  test('COPY is refused, not cut', async () => {
    const [copy, after, , within, failed] = await talk(
      { rowsMax: 5 },
      q('copy (select id from t) to stdout'),
      q('select 1'),
      q('begin'),
      q('copy t to stdout'),
      q('select 1'),
    )
    expect(copy).toEqual(['d×5', 'E ERROR 54000 COPY of more than 5 rows is refused here', 'Z I'])
    expect(after).toEqual(['D×1', 'C SELECT 1', 'Z I'])
    expect(within).toEqual(['d×5', 'E ERROR 54000 COPY of more than 5 rows is refused here', 'Z E'])
    expect(failed).toEqual([
      'E ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block',
      'Z E',
    ])
  })

  test('a header is no row', async () => {
    const [copy] = await talk({ rowsMax: 5 }, q('copy (select id from t where id <= 5) to stdout (format csv, header)'))
    expect(copy).toEqual(['d×6', 'C COPY 5', 'Z I'])
  })

  test('a binary header and trailer are no rows', async () => {
    const [copy] = await talk({ rowsMax: 5 }, q('copy (select id from t where id <= 5) to stdout (format binary)'))
    expect(copy?.slice(1)).toEqual(['C COPY 5', 'Z I'])
  })

  test('where the policy refuses, the statement fails instead', async () => {
    const [simple, extended] = await talk({ rowsMax: 5, atRowLimit: 'refuse' }, q('select id from t'), [
      ...one('select id from t'),
      ...one('select 1'),
      sync,
    ])
    expect(simple).toEqual(['D×5', 'E ERROR 54000 a result of more than 5 rows is refused here', 'Z I'])
    expect(extended).toEqual(['D×5', 'E ERROR 54000 a result of more than 5 rows is refused here', 'Z I'])
  })
})

describe('bytes', () => {
  test('a result is cut at the byte cap, its transaction lives', async () => {
    const [alone, , within, after] = await talk(
      { bytesMax: 1_000 },
      q('select name from t'),
      q('begin'),
      q('select name from t'),
      q('select 1'),
    )
    expect(alone?.slice(1)).toEqual([
      'N NOTICE 01000 result truncated: a statement may return at most 1000 bytes',
      'C SELECT 32',
      'Z I',
    ])
    expect(within?.slice(1)).toEqual([
      'N NOTICE 01000 result truncated: a statement may return at most 1000 bytes',
      'C SELECT 32',
      'Z T',
    ])
    expect(after).toEqual(['D×1', 'C SELECT 1', 'Z T'])
  })

  test('a row over it is refused', async () => {
    const [row, after] = await talk({ bytesMax: 1_000 }, q(`select string_agg(name, '') from t`), q('select 1'))
    expect(row).toEqual(['E ERROR 54000 a row of more than 1000 bytes is refused here', 'Z I'])
    expect(after).toEqual(['D×1', 'C SELECT 1', 'Z I'])
  })

  test('a value over the cell cap is refused, a row of many small ones is not', async () => {
    const [cell, row] = await talk(
      { cellMaxBytes: 500 },
      q(`select string_agg(name, '') from t`),
      q(`select ${Array.from({ length: 40 }, (_, i) => `name as n${i}`).join(', ')} from t where id = 1`),
    )
    expect(cell).toEqual(['E ERROR 54000 a value of 10000 bytes is refused here: the limit is 500', 'Z I'])
    expect(row).toEqual(['D×1', 'C SELECT 1', 'Z I'])
  })
})

const slow = 'select count(*) from t a, t b, t c, t d where a.id + b.id + c.id + d.id < 0'

describe('time', () => {
  test('the statement timeout is the policy’s, whatever is set', async () => {
    const [set, timeout, shown] = await talk(
      { statementTimeoutMs: 300 },
      q('set statement_timeout to 0'),
      q(slow),
      q('show statement_timeout'),
    )
    expect(set).toEqual(['N NOTICE 01000 statement_timeout is limited to 300 ms here', 'C SET', 'Z I'])
    expect(timeout).toEqual(['E ERROR 57014 canceling statement due to statement timeout', 'Z I'])
    expect(shown).toEqual(['D×1', 'C SHOW', 'Z I'])
  })

  test('the wall clock counts many statements in one message', async () => {
    const [late, after] = await talk(
      { wallClockMs: 600 },
      q(Array.from({ length: 4 }, () => slow).join(';')),
      q('select 1'),
    )
    expect(late?.at(-2)).toMatch(/^E ERROR 57014/)
    expect(after).toEqual(['D×1', 'C SELECT 1', 'Z I'])
  })

  test('an idle transaction is ended; the client learns it at its next statement and lives', async () => {
    served.setLimits({ idleInTransactionTimeoutMs: 300 })
    client = await RawClient.open(served.gateway)
    const say = async (text: string) => {
      client.send(...q(text))
      return summary((await client.untilReady()).map(inWords))
    }
    expect(await say('begin')).toEqual(['C BEGIN', 'Z T'])
    await new Promise(resolve => setTimeout(resolve, 800))
    expect(await say('select 1')).toEqual([
      'E ERROR 25P03 terminating transaction due to idle-in-transaction timeout',
      'Z E',
    ])
    expect(await say('select 1')).toEqual([
      'E ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block',
      'Z E',
    ])
    expect(await say('rollback')).toEqual(['C ROLLBACK', 'Z I'])
    expect(await say('select 1')).toEqual(['D×1', 'C SELECT 1', 'Z I'])
    await client.close()
  })
})
