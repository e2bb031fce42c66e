/** With session pooling a client keeps its connection until it leaves; what it has set is there, and gone with it. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { ask, one, q, series, until, withClient } from '../support/talk.ts'

let served: Served

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text); insert into t select g, repeat('x', 600) from generate_series(1, 2000) g`,
    pooling: 'session',
    pool: { sizeMax: 2 },
  })
}, 60_000)
afterAll(async () => await served.stop())
afterEach(async () => {
  served.setLimits({})
  await until(() => served.database.pool.stats().held === 0)
})

const shown = async (client: RawClient, name: string): Promise<string> => {
  client.send(...q(`show ${name}`))
  return (await client.untilReady()).find(({ type }) => type === 'D')!.body.toString('utf8', 6)
}

test('settings stay, and leave with their client', async () => {
  await withClient(served.gateway, async client => {
    await ask(client, ...q("set datestyle to 'German'"))
    expect(served.database.pool.stats().held).toBe(1)
    expect(await shown(client, 'datestyle')).toBe('German, DMY')
    await ask(client, ...q('reset all'))
    expect(await shown(client, 'datestyle')).toBe('ISO, MDY')
    await ask(client, ...series(...one("set datestyle to 'German'"), ...one('select 1')))
  })
  for (let i = 0; i < 3; i++)
    await withClient(served.gateway, async client => expect(await shown(client, 'datestyle')).toBe('ISO, MDY'))
})

test('what a cut statement let through unseen is not kept', async () => {
  served.setLimits({ cellMaxBytes: 500 })
  await withClient(served.gateway, async client => {
    const big = 'select string_agg(name, null) from t where id < 3'
    await ask(client, ...series(...one(big), ...one("set datestyle to 'German'")))
    expect(await shown(client, 'datestyle')).toBe('ISO, MDY')
  })
})

test('a cancel of ours at a limit strikes nothing that follows', async () => {
  served.setLimits({ bytesMax: 2_000 })
  await withClient(served.gateway, async client => {
    for (let i = 0; i < 15; i++) {
      await ask(client, ...q('select a.name from t a, t b order by a.id'))
      expect(await ask(client, ...q('select count(*) from t a, t b where a.id < 50'))).toEqual([
        'D×1',
        'C SELECT 1',
        'Z I',
      ])
    }
  })
})

test('a client beyond the pool waits until another leaves', async () => {
  const first = await RawClient.open(served.gateway)
  const second = await RawClient.open(served.gateway)
  await ask(first, ...q('select 1'))
  await ask(second, ...q('select 1'))
  await withClient(served.gateway, async third => {
    const waiting = ask(third, ...q('select 3'))
    await until(() => served.database.pool.waiting === 1)
    first.socket.destroy()
    expect(await waiting).toEqual(['D×1', 'C SELECT 1', 'Z I'])
  })
  second.socket.destroy()
})
