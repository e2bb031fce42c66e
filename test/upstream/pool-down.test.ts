import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { connectUpstream } from '../../src/upstream/connection.ts'
import { optionsFor } from './meeting.ts'
import { Bench, claimOf, never } from './pool-stand.ts'

let bench: Bench
beforeEach(async () => {
  bench = await Bench.start()
})
afterEach(() => bench.finish())

const alice = claimOf('alice')
const brisk = { connectTimeoutMs: 150, probeDelayMinMs: 20, probeDelayMaxMs: 40 }

describe('while the server is down', () => {
  it('clients wait a bounded time, then hear 08001; probes pause and do not multiply', async () => {
    bench.failure = new Error('ECONNREFUSED')
    const connect = vi.fn(() => Promise.reject(bench.failure))
    const pool = bench.pool({ ...brisk, connect })
    const started = performance.now()
    const waits = await Promise.allSettled(Array.from({ length: 20 }, () => pool.acquire(alice, never)))
    const took = performance.now() - started
    for (const wait of waits) expect(wait).toMatchObject({ reason: { code: '08001', cause: bench.failure } })
    expect(took).toBeGreaterThan(120)
    expect(took).toBeLessThan(600)
    // The first attempt is for all 20; then one by one, 20 to 40 ms apart.
    expect(connect.mock.calls.length).toBeLessThan(20 + 10)
    const calls = connect.mock.calls.length
    await sleep(100)
    expect(connect.mock.calls.length).toBe(calls)
    expect(pool.stats()).toMatchObject({ waiting: 0, connecting: 0, down: true })
    expect(bench.group.total).toBe(0)
  })

  it('who waits is served when it comes back', async () => {
    bench.failure = new Error('ECONNREFUSED')
    const pool = bench.pool({ ...brisk, connectTimeoutMs: 2000 })
    const waits = [pool.acquire(alice, never), pool.acquire(alice, never)]
    await sleep(100)
    expect(pool.stats()).toMatchObject({ waiting: 2, down: true })
    bench.failure = undefined
    for (const upstream of await Promise.all(waits)) pool.release(upstream)
    expect(pool.stats()).toMatchObject({ idle: 2, down: false })
  })

  it('a host that swallows everything is 08001 too', async () => {
    const silent = await Bench.start(undefined, () => {})
    const connect = (signal: AbortSignal) =>
      connectUpstream({ ...optionsFor(silent.server.port), connectTimeoutMs: 100 }, signal)
    const pool = silent.pool({ connect, connectTimeoutMs: 100 })
    await expect(pool.acquire(alice, never)).rejects.toMatchObject({ code: '08001' })
    await silent.finish()
  })

  it('connections that work go on being lent', async () => {
    const pool = bench.pool(brisk)
    const upstream = await pool.acquire(alice, never)
    bench.failure = new Error('too many connections')
    const waiting = pool.acquire(alice, never)
    await sleep(250)
    expect(pool.stats()).toMatchObject({ waiting: 1, down: false })
    pool.release(upstream)
    expect(await waiting).toBe(upstream)
    pool.release(upstream)
  })

  it('closing ends the attempts', async () => {
    const silent = await Bench.start(undefined, () => {})
    const pool = silent.pool()
    const waiting = pool.acquire(alice, never)
    await vi.waitFor(() => expect(silent.server.accepted).toBe(1))
    pool.close()
    await expect(waiting).rejects.toMatchObject({ code: '57P01' })
    await vi.waitFor(() => expect(silent.group.total).toBe(0))
    await silent.finish()
  })
})
