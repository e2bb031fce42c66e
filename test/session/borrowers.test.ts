/** One upstream connection, many clients: what one leaves behind, the next must not meet. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sync } from '../../src/wire/query.ts'
import { encodeCancelRequest } from '../../src/wire/startup.ts'
import { bind, describeStatement, execute, parse } from '../differential/conversations.ts'
import { RawClient } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { answers, ask, hear, one, q, series, until, withClient } from '../support/talk.ts'

let served: Served
let alice: RawClient
let bob: RawClient

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text); insert into t select g, repeat('x', 600) from generate_series(1, 2000) g`,
    pool: { sizeMax: 1 },
  })
}, 60_000)
afterAll(async () => await served.stop())
afterEach(async () => {
  alice?.socket.destroy()
  bob?.socket.destroy()
  await until(() => served.database.pool.stats().held === 0)
  served.setLimits({})
})

async function both(): Promise<void> {
  alice = await RawClient.open(served.gateway)
  bob = await RawClient.open(served.gateway)
}

/** In psql's words: the rows of one column. */
async function values(client: RawClient, text: string): Promise<string[]> {
  client.send(...q(text))
  return (await client.untilReady()).filter(frame => frame.type === 'D').map(({ body }) => body.toString('utf8', 6))
}

/** The value that a frame of one column holds. */
const valuesOf = (frames: { type: string; body: Buffer }[]) =>
  frames.filter(({ type }) => type === 'D').map(({ body }) => body.toString('utf8', 6))

const iso = '2024-02-03'
const date = `select date '${iso}'`

describe('statements', () => {
  test('an unnamed one is not taken for another whose Parse the server has skipped', async () => {
    await both()
    await ask(bob, ...series(parse("set application_name to 'x'", 's')))
    await ask(alice, ...series(...one("select 'the secret of alice'")))
    bob.send(parse('select 1/0', 'z'), bind('z'), bind('s'), sync, bind('s'), execute(), sync)
    const frames = await bob.untilReady(2)
    expect(Buffer.concat(frames.map(({ body }) => body)).toString()).not.toContain('secret')
    expect(frames.map(({ type }) => type).join('')).toBe('1EZ2CSZ')
  })

  test('a named one that was parsed elsewhere, its Parse skipped behind an error, is still known in the next series', async () => {
    await both()
    await ask(alice, ...series(parse('select 7', 'seven')))
    // Another connection: it knows nothing of alice's statement.
    await dropUpstream()
    const said = await ask(alice, parse('select 1/0'), bind(), bind('seven'), sync, bind('seven'), execute(), sync)
    expect(said).toEqual(['1', 'E ERROR 22012 division by zero', 'Z I', '2', 'D×1', 'C SELECT 1', 'Z I'])
  })

  test('more than a connection keeps, of two clients, over many connections', async () => {
    await both()
    const count = 230
    for (const [client, word] of [
      [alice, 'a'],
      [bob, 'b'],
    ] as const) {
      const parses = Array.from({ length: count }, (_, i) => parse(`select '${word}${i}', $1::int`, `s${i}`))
      expect(await ask(client, ...series(...parses))).toHaveLength(count + 1)
    }
    for (const i of [0, 229, 7, 100, 0]) {
      alice.send(...series(bind(`s${i}`, '', ['1']), execute()))
      bob.send(...series(describeStatement(`s${i}`), bind(`s${i}`, '', ['2']), execute()))
      expect(valuesOf(await alice.untilReady())[0]).toMatch(new RegExp(`^....a${i}\\b|a${i}`))
      expect(valuesOf(await bob.untilReady())[0]).toContain(`b${i}`)
      if (i === 7) await dropUpstream()
    }
  })
})

/** The connection that the pool has ends; whoever comes next gets a new one. */
async function dropUpstream(): Promise<void> {
  await withClient(served.direct, direct =>
    ask(
      direct,
      ...q(`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'postern' and usename like 'postern%' and query <> '' and state = 'idle'
          and pid <> pg_backend_pid() order by backend_start desc limit 1`),
    ),
  )
  await sleep(50)
}

describe('settings', () => {
  test('are each client’s own, whoever had the connection before', async () => {
    await both()
    await ask(alice, ...q("set datestyle to 'German'"))
    for (let i = 0; i < 3; i++) {
      expect(await values(alice, date)).toEqual(['03.02.2024'])
      expect(await values(bob, date)).toEqual([iso])
    }
    await ask(alice, ...q('reset all'))
    expect(await values(alice, date)).toEqual([iso])
  })

  test('that came behind a statement which a limit has ended are nobody’s', async () => {
    served.setLimits({ cellMaxBytes: 500 })
    await both()
    const big = 'select string_agg(name, null) from t where id < 3'
    for (const messages of [
      series(...one(big), ...one("set datestyle to 'German'"), ...one(date)),
      q(`${big}; set datestyle to 'German'`),
    ]) {
      const said = await ask(alice, ...messages)
      expect(said.at(-2)).toMatch(/^E ERROR 54000 a value of/)
      expect(said.join()).not.toContain('C SET')
      expect(await values(bob, date)).toEqual([iso])
      expect(await values(alice, date)).toEqual([iso])
    }
  })

  test('that came before a statement which a limit cuts stay', async () => {
    served.setLimits({ bytesMax: 1_000 })
    await both()
    const said = await ask(alice, ...series(...one("set datestyle to 'German'"), ...one('select name from t')))
    expect(said.filter(line => line[0] !== 'S').slice(-3)).toEqual([
      'N NOTICE 01000 result truncated: a statement may return at most 1000 bytes',
      'C SELECT 1',
      'Z I',
    ])
    expect(await values(alice, date)).toEqual(['03.02.2024'])
    expect(await values(bob, date)).toEqual([iso])
    expect(await values(alice, date)).toEqual(['03.02.2024'])
  })

  test('that set_config gave back by NULL', async () => {
    await both()
    await ask(alice, ...q("set timezone to 'Asia/Tokyo'"))
    await ask(alice, ...series(parse("select set_config('timezone', $1, false)"), bind('', '', [null]), execute()))
    expect(await values(bob, 'show timezone')).not.toEqual(['Asia/Tokyo'])
    expect(await values(alice, 'show timezone')).toEqual(await values(bob, 'show timezone'))
  })
})

describe('cancels', () => {
  const cancel = async (client: RawClient): Promise<void> => {
    const key = client.greeting.find(({ type }) => type === 'K')!.body
    const canceller = await connectRaw()
    canceller.write(encodeCancelRequest({ pid: key.readInt32BE(0), key: key.subarray(4) }))
    await new Promise(resolve => canceller.on('close', resolve))
  }

  test('of one client strike no other, in whatever moment they come', async () => {
    await both()
    let running = true
    const cancels = (async () => {
      for (let i = 0; i < 40; i++) {
        await cancel(alice)
        await sleep(i % 7)
      }
      running = false
    })()
    const struck = { alice: 0, bob: 0 }
    const talk = async (client: RawClient, name: 'alice' | 'bob') => {
      while (running) {
        const said = await ask(client, ...q('select count(*) from t a, t b where a.id < 100'))
        if (said[0]?.startsWith('E ERROR 57014')) struck[name]++
        else expect(said).toEqual(['D×1', 'C SELECT 1', 'Z I'])
      }
    }
    await Promise.all([cancels, talk(alice, 'alice'), talk(bob, 'bob')])
    expect(struck.bob).toBe(0)
    expect(struck.alice).toBeGreaterThan(0)
  }, 30_000)

  test('of our own, at a limit, strike nothing that follows in the same pipeline or on the same connection', async () => {
    served.setLimits({ bytesMax: 2_000 })
    await both()
    const many = 'select a.name from t a, t b order by a.id'
    for (let i = 0; i < 15; i++) {
      alice.send(...series(...one(many)), ...series(...one('select count(*) from t a, t b where a.id < 50')))
      bob.send(...q('select count(*) from t a, t b where a.id < 50'))
      expect((await answers(alice, 2)).slice(-5)).toEqual(['1', '2', 'D×1', 'C SELECT 1', 'Z I'])
      expect(await answers(bob)).toEqual(['D×1', 'C SELECT 1', 'Z I'])
    }
  }, 30_000)

  test('of one that waits for its turn', async () => {
    await both()
    await ask(bob, ...q('begin'))
    alice.send(...q('select 1'))
    await sleep(50)
    await cancel(alice)
    expect(await answers(alice)).toEqual(['E ERROR 57014 canceling statement due to user request', 'Z I'])
    expect(await ask(bob, ...q('commit'))).toEqual(['C COMMIT', 'Z I'])
    expect(await ask(alice, ...q('select 1'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
  })
})

describe('a client that leaves', () => {
  test('while its statement is being parsed: nothing is held for it', async () => {
    for (let i = 0; i < 5; i++) {
      alice = await RawClient.open(served.gateway)
      alice.send(...q(`begin /*${'x'.repeat(100_000)}*/`))
      alice.socket.destroySoon()
      await sleep(30)
    }
    await until(() => served.database.pool.stats().held === 0)
  })

  test('while it waits for its turn', async () => {
    await both()
    await ask(bob, ...q('begin'))
    alice.send(...q('begin'))
    await sleep(30)
    alice.socket.destroy()
    await until(() => served.database.pool.waiting === 0)
    await ask(bob, ...q('commit'))
    await until(() => served.database.pool.stats().held === 0)
  })

  test('in the middle of a result that it does not read', async () => {
    alice = await RawClient.open(served.gateway)
    alice.socket.pause()
    alice.send(...q('select a.name from t a, t b limit 9000'))
    await until(() => served.database.pool.stats().held === 1)
    await sleep(200)
    alice.socket.destroy()
    await until(() => served.database.pool.stats().held === 0)
    bob = await RawClient.open(served.gateway)
    expect(await ask(bob, ...q('select 1'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
  })

  test('in a transaction, in a series, with cursors open', async () => {
    for (const messages of [
      [...q('begin')],
      [...q('begin; declare c cursor for select * from t'), ...q('fetch 1 from c')],
      one('select id from t', 3),
      [parse('select 1')],
    ]) {
      alice = await RawClient.open(served.gateway)
      alice.send(...messages)
      await hear(alice, 60)
      alice.socket.destroy()
      await until(() => served.database.pool.stats().held === 0)
      expect(await withClient(served.gateway, client => ask(client, ...q('fetch 1 from c')))).toEqual([
        'E ERROR 34000 cursor "c" does not exist',
        'Z I',
      ])
    }
  })
})

async function connectRaw() {
  const socket = connect(served.gateway.port, served.gateway.host)
  await once(socket, 'connect')
  socket.on('error', () => {})
  socket.resume()
  return socket
}
