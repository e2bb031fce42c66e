/** Pipelines as they come: cut anywhere, several series in flight, one failing while the next is on its way. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { flush, sync } from '../../src/wire/query.ts'
import {
  bind,
  closeStatement,
  describePortal,
  describeStatement,
  execute,
  parse,
} from '../differential/conversations.ts'
import { RawClient, type RawTarget } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { answers, ask, hear, one, q, series, withClient } from '../support/talk.ts'

let served: Served

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text); insert into t select g, repeat('x', 20) from generate_series(1, 500) g`,
  })
}, 60_000)
afterAll(async () => await served.stop())
beforeEach(() => served.setLimits({}))

/** What the gateway answers to each write, after Postgres has answered the same. */
async function asPostgres(...writes: Buffer[][]): Promise<string[][]> {
  const talk = async (target: RawTarget) =>
    withClient(target, async client => {
      const said: string[][] = []
      for (const messages of writes) {
        if (said.length > 0 && messages.length === 0) continue
        client.send(...messages)
        const ready = messages.filter(message => message[0] === 0x51 || message[0] === 0x53).length
        said.push(messages.at(-1)?.[0] === 0x48 || ready === 0 ? await hear(client, 150) : await answers(client, ready))
      }
      return said
    })
  const parameters = [['options', '-c search_path=crm -c default_transaction_read_only=on']] as const
  const expected = await talk({ ...served.direct, parameters })
  const actual = await talk(served.gateway)
  expect(actual).toEqual(expected)
  return actual
}

const bad = parse('selec')

describe('a portal lives as long as its own series', () => {
  test('a write that ends between Bind and Execute', async () => {
    const [, last] = await asPostgres([...one('select 1'), sync, parse('select 2'), bind()], [execute(), sync])
    expect(last).toContain('C SELECT 1')
  })

  test('one name in two series', async () => {
    await asPostgres([
      ...series(parse('select id from t where id < 3', 'a'), bind('a', 'p'), execute(0, 'p')),
      ...series(bind('a', 'p'), execute(0, 'p')),
    ])
  })

  test('two portals side by side without a Sync', async () => {
    await asPostgres(
      [parse('select id from t order by id', 'a'), bind('a', 'p1'), execute(2, 'p1'), flush],
      [parse('select id from t order by id desc', 'b'), bind('b', 'p2'), execute(2, 'p2'), flush],
      [execute(2, 'p1'), flush],
      [sync],
    )
  })

  test('of a statement that is empty, too', async () => {
    await asPostgres(series(parse('', 'e'), bind('e', 'p')), series(describePortal('p')))
  })
})

describe('after an error up to Sync', () => {
  test('everything is skipped: a function call, a message that is too long', async () => {
    await asPostgres(series(bad, Buffer.from([0x46, 0, 0, 0, 4])), q('select 1'))
    const long = Buffer.alloc(17 * 1024 * 1024)
    long[0] = 0x51
    long.writeInt32BE(long.length - 1, 1)
    await withClient(served.gateway, async client => {
      expect(await ask(client, bad, sync)).toEqual(['E ERROR 42601 syntax error at or near "selec"', 'Z I'])
      client.send(bad, long, sync)
      expect(await answers(client)).toEqual(['E ERROR 42601 syntax error at or near "selec"', 'Z I'])
      long[0] = 0x50
      client.send(bad, long, sync)
      expect(await answers(client)).toEqual(['E ERROR 42601 syntax error at or near "selec"', 'Z I'])
      expect(await ask(client, ...q('select 1'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
    })
  })

  test('a set_config that fails is an error as any other', async () => {
    await asPostgres(
      series(...one("select set_config('timezone', 'Nowhere', false)"), ...one('select 7')),
      q('select 1'),
    )
  })

  test('a Parse that was on its way leaves no statement behind', async () => {
    const long = `select 1 /*${'x'.repeat(5_000)}*/`
    await asPostgres([
      ...one('select 1/0'),
      parse(long, 'a'),
      sync,
      ...series(parse('select 2', 'a'), bind('a'), execute()),
    ])
  })
})

describe('statements', () => {
  test('the unnamed one is gone with the next Parse, even one that fails', async () => {
    await asPostgres(series(...one('select 1')), series(bad), series(bind(), execute()))
  })

  test('a name is free again where its Parse failed just before', async () => {
    await asPostgres([...series(parse('select nope', 'a')), ...series(parse('select 1', 'a'), bind('a'), execute())])
  })

  test('a name is taken where its Parse came just before', async () => {
    await asPostgres([
      ...series(parse('select 1', 'a')),
      ...series(parse('select 2', 'a')),
      ...series(closeStatement('a')),
    ])
  })

  test('a text for the worker between short ones keeps its place', async () => {
    const long = (n: number) => `select ${n} /*${'x'.repeat(5_000)}*/`
    await asPostgres(
      [...series(...one(long(1))), ...series(...one('select 2')), ...series(...one(long(3)), ...one('select 4'))],
      [...q(long(5)), ...q('select 6'), ...q(long(7)), ...series(...one('select 8'))],
    )
  })
})

describe('an error of ours is decided when all before it is answered', () => {
  test('behind a COMMIT that is under way', async () => {
    await asPostgres(q('begin'), [...series(...one('commit')), ...series(bad), ...series(...one('select 1'))])
  })

  test('behind a BEGIN that is under way', async () => {
    await asPostgres([
      ...series(...one('begin')),
      ...series(bad),
      ...series(...one('select 1')),
      ...series(...one('rollback')),
    ])
  })

  test('behind a statement that still runs in the transaction', async () => {
    await asPostgres(q('begin'), [...series(...one('select 1')), ...series(bad)])
  })

  test('behind a BEGIN in one series', async () => {
    await asPostgres(series(...one('begin'), bad), series(...one('select 1')), q('rollback'), q('select 1'))
  })

  test('behind a BEGIN and a savepoint, all in one write', async () => {
    await asPostgres([
      ...series(...one('begin')),
      ...series(...one('savepoint a')),
      ...series(bad),
      ...series(...one('rollback to a')),
      ...series(...one('select 1')),
      ...series(...one('commit')),
    ])
  })

  test('a function call between series', async () => {
    await withClient(served.gateway, async client => {
      client.send(...series(...one('select 1')), Buffer.from([0x46, 0, 0, 0, 4]), ...series(...one('select 2')))
      expect(await answers(client, 3)).toEqual([
        ...['1', '2', 'D×1', 'C SELECT 1', 'Z I'],
        ...['E ERROR 0A000 the function call protocol is not available here', 'Z I'],
        ...['1', '2', 'D×1', 'C SELECT 1', 'Z I'],
      ])
    })
  })
})

describe('settings in a pipeline', () => {
  test('what a failed series set counts for nothing that follows, judged ahead or not', async () => {
    // Under the path of the failed series t would be nothing.
    await asPostgres([
      ...series(...one('set search_path to nowhere'), ...one('select 1/0')),
      ...series(...one('select id from t limit 1')),
    ])
  })

  test('RESET ALL knows that a transaction has begun before it', async () => {
    await withClient(served.gateway, async client => {
      await ask(client, ...q("set datestyle to 'German'"))
      expect(await ask(client, ...series(...one('begin'), ...one('reset all'), ...one('select 1')))).toEqual([
        ...['1', '2', 'C BEGIN', '1', '2'],
        ...['E ERROR 25001 RESET cannot run inside a transaction block', 'Z E'],
      ])
    })
  })
})

test('a Describe of what the series before has made', async () => {
  await asPostgres(
    [parse('select $1::int as a', 's'), describeStatement('s'), flush],
    [bind('s', '', ['7']), describePortal(), execute(), sync],
    [...series(bind('s', '', ['8']), execute()), ...series(describeStatement('s')), ...series(closeStatement('s'))],
  )
})

test('an unsynced series holds its upstream no longer than a request may take, a Query in it or not', async () => {
  served.setLimits({ wallClockMs: 300 })
  const client = await RawClient.open(served.gateway)
  client.send(parse('select 1'), ...q('select 2'))
  await hear(client, 1_000)
  expect(served.database.pool.stats().held).toBe(0)
  client.socket.destroy()
})
