/** One side is slower than the other: what is between them stays small. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { sync } from '../../src/wire/query.ts'
import { bind, execute, parse } from '../differential/conversations.ts'
import { FaultyAudit } from '../support/faulty-audit.ts'
import { RawClient } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { answers, ask, one, q, series, until } from '../support/talk.ts'

let served: Served
let alice: RawClient
let bob: RawClient | undefined
const audit = new FaultyAudit()

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text); insert into t select g, repeat('x', 4000) from generate_series(1, 9000) g`,
    pool: { sizeMax: 1 },
    audit,
  })
}, 60_000)
afterAll(async () => await served.stop())
afterEach(async () => {
  alice.socket.destroy()
  bob?.socket.destroy()
  await until(() => served.database.pool.stats().held === 0)
})

const megabyte = 1024 * 1024
const long = 'x'.repeat(megabyte)
/** 48 MB of parameters in one pipeline. */
const flood = [
  parse('select length($1)', 'l'),
  ...Array.from({ length: 48 }, () => [bind('l', '', [long]), execute()]).flat(),
  sync,
]

/** What the client has written and nobody has taken. */
async function stuckBytes(): Promise<number> {
  await sleep(400)
  return alice.socket.writableLength
}

test('a client that writes while it waits for a connection is read no further', async () => {
  alice = await RawClient.open(served.gateway)
  bob = await RawClient.open(served.gateway)
  await ask(bob, ...q('begin'))
  alice.send(...flood)
  expect(await stuckBytes()).toBeGreaterThan(24 * megabyte)
  await ask(bob, ...q('commit'))
  const said = await answers(alice)
  expect(said.filter(line => line === 'C SELECT 1')).toHaveLength(48)
})

test('a client that writes faster than the server reads is read no further', async () => {
  alice = await RawClient.open(served.gateway)
  alice.send(...series(...one('select count(*) from t a, t b where a.id + b.id < 0')))
  alice.send(...flood)
  expect(await stuckBytes()).toBeGreaterThan(20 * megabyte)
  const said = await answers(alice, 2)
  expect(said.filter(line => line === 'C SELECT 1')).toHaveLength(49)
})

test('one that leaves meanwhile leaves nothing behind', async () => {
  alice = await RawClient.open(served.gateway)
  alice.send(...series(...one('select count(*) from t a, t b, t c where a.id + b.id < 0')))
  alice.send(...flood)
  await sleep(100)
  alice.socket.destroy()
  await until(() => served.database.pool.stats().held === 0)
})

test('the server is read no further than the client reads, and goes on where it stopped', async () => {
  const text = 'select id, name from t where id > 0'
  alice = await RawClient.open(served.gateway)
  alice.socket.pause()
  alice.send(...q(text))
  await sleep(500)
  expect(audit.ends(text)).toEqual([])
  // What is sent meanwhile waits, too.
  alice.send(...q('select 1'), ...series(...one('select 2')))
  await sleep(50)
  alice.socket.resume()
  expect(await answers(alice, 3)).toEqual([
    ...['D×9000', 'C SELECT 9000', 'Z I'],
    ...['D×1', 'C SELECT 1', 'Z I'],
    ...['1', '2', 'D×1', 'C SELECT 1', 'Z I'],
  ])
  expect(audit.ends(text)).toHaveLength(1)
  expect(audit.records.filter(record => record.text === text).map(({ kind }) => kind)).toEqual([
    'statement-start',
    'statement',
  ])
})
