import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Upstream } from '../../src/upstream/connection.ts'
import { encodeReadyForQuery } from '../../src/wire/query.ts'
import { Bench, claimOf, never } from './pool-stand.ts'

let bench: Bench
beforeEach(async () => {
  bench = await Bench.start()
})
afterEach(() => bench.finish())

const alice = claimOf('alice')

describe('a pool', () => {
  it('opens a connection for the first who asks, and lends it again', async () => {
    const pool = bench.pool()
    expect(pool.tryAcquire(alice)).toBeUndefined()
    const upstream = await pool.acquire(alice, never)
    expect(pool.stats()).toMatchObject({ idle: 0, held: 1, connecting: 0, waiting: 0, down: false })
    pool.release(upstream)
    expect(pool.stats()).toMatchObject({ idle: 1, held: 0 })
    expect(pool.tryAcquire(alice)).toBe(upstream)
    expect(pool.tryAcquire(alice)).toBeUndefined()
    pool.release(upstream)
    expect(bench.server.accepted).toBe(1)
  })

  it('lends what was used last, so that what is not needed grows old', async () => {
    const pool = bench.pool()
    const [one, two] = await Promise.all([pool.acquire(alice, never), pool.acquire(alice, never)])
    pool.release(one)
    pool.release(two)
    expect(await pool.acquire(alice, never)).toBe(two)
    pool.release(two)
  })

  it('opens no more than those who wait can use, and never more than its size', async () => {
    const pool = bench.pool({ sizeMax: 3 })
    const claims = Array.from({ length: 8 }, () => pool.acquire(alice, never))
    const first = await Promise.all(claims.slice(0, 3))
    expect(pool.stats()).toMatchObject({ held: 3, waiting: 5, connecting: 0 })
    for (const upstream of first) pool.release(upstream)
    const next = await Promise.all(claims.slice(3, 6))
    for (const upstream of next) pool.release(upstream)
    for (const upstream of await Promise.all(claims.slice(6))) pool.release(upstream)
    expect(bench.server.accepted).toBe(3)
    const limited = bench.pool()
    const modest = claimOf('bob', { upstreamsPerPrincipal: 2 })
    const held = await Promise.all([limited.acquire(modest, never), limited.acquire(modest, never)])
    const third = limited.acquire(modest, never)
    await sleep(20)
    expect(limited.stats()).toMatchObject({ held: 2, waiting: 1, connecting: 0 })
    expect(bench.server.accepted).toBe(5)
    for (const upstream of held) limited.release(upstream)
    limited.release(await third)
  })

  it('lets nobody overtake who waits', async () => {
    const pool = bench.pool({ sizeMax: 1 })
    const upstream = await pool.acquire(alice, never)
    const waiting = pool.acquire(claimOf('bob'), never)
    pool.release(upstream)
    expect(pool.tryAcquire(alice)).toBeUndefined()
    pool.release(await waiting)
  })

  it('serves tenants and principals in turn', async () => {
    const pool = bench.pool({ sizeMax: 1 })
    const upstream = await pool.acquire(alice, never)
    const order: string[] = []
    const waits = ['alice@acme', 'alice@acme', 'bob@acme', 'carol@corp', 'carol@corp'].map(async name => {
      const lent = await pool.acquire(claimOf(name), never)
      order.push(name)
      pool.release(lent)
    })
    pool.release(upstream)
    await Promise.all(waits)
    expect(order).toEqual(['alice@acme', 'carol@corp', 'bob@acme', 'carol@corp', 'alice@acme'])
  })
})

describe('limits', () => {
  it('hold for a principal and for a tenant, over all pools', async () => {
    const [crm, dwh] = [bench.pool(), bench.pool()]
    const modest = claimOf('alice', { upstreamsPerPrincipal: 2, upstreamsPerTenant: 3 })
    const bob = claimOf('bob', { upstreamsPerPrincipal: 2, upstreamsPerTenant: 3 })
    const [one, two, three] = [
      await crm.acquire(modest, never),
      await dwh.acquire(modest, never),
      await crm.acquire(bob, never),
    ]
    const fourth = vi.fn()
    const blocked = dwh.acquire(bob, never).then(upstream => {
      fourth()
      return upstream
    })
    await sleep(20)
    expect(fourth).not.toHaveBeenCalled()
    crm.release(one)
    expect(crm.tryAcquire(modest)).toBeUndefined()
    dwh.release(await blocked)
    expect(crm.tryAcquire(modest)).toBe(one)
    crm.release(one)
    dwh.release(two)
    crm.release(three)
  })

  it('say which of them stands in the way', async () => {
    const pool = bench.pool({ sizeMax: 2, queueWaitTimeoutMs: 500 })
    const held = [await pool.acquire(alice, never), await pool.acquire(alice, never)]
    const timedOut = (claim: Parameters<typeof claimOf>[1]) => pool.acquire(claimOf('alice', claim), never)
    const busy = { code: '53300', message: expect.stringContaining('500 ms') }
    await expect(timedOut({})).rejects.toMatchObject({ ...busy, hint: expect.stringContaining('All connections') })
    await expect(timedOut({ upstreamsPerPrincipal: 2 })).rejects.toMatchObject({
      ...busy,
      hint: expect.stringContaining('You hold all of your 2'),
    })
    await expect(timedOut({ upstreamsPerTenant: 2 })).rejects.toMatchObject({
      ...busy,
      hint: expect.stringContaining('Your tenant'),
    })
    expect(pool.waiting).toBe(0)
    for (const upstream of held) pool.release(upstream)
  })

  it('hold for the queue itself', async () => {
    const pool = bench.pool({ sizeMax: 1, waitingMax: 2 })
    const upstream = await pool.acquire(alice, never)
    const waiting = [pool.acquire(alice, never), pool.acquire(alice, never)]
    await expect(pool.acquire(alice, never)).rejects.toMatchObject({ code: '53300' })
    pool.release(upstream)
    for (const each of waiting) pool.release(await each)
  })
})

describe('who waits', () => {
  it('can give up', async () => {
    const pool = bench.pool({ sizeMax: 1 })
    const upstream = await pool.acquire(alice, never)
    const giveUp = new AbortController()
    const waiting = pool.acquire(alice, giveUp.signal)
    giveUp.abort()
    await expect(waiting).rejects.toMatchObject({ code: '57014' })
    await expect(pool.acquire(alice, AbortSignal.abort())).rejects.toMatchObject({ code: '57014' })
    expect(pool.waiting).toBe(0)
    pool.release(upstream)
    expect(pool.stats()).toMatchObject({ idle: 1, held: 0 })
  })

  it('is turned away when the pool closes; what is lent ends when it comes back', async () => {
    const pool = bench.pool({ sizeMax: 1 })
    const upstream = await pool.acquire(alice, never)
    const waiting = pool.acquire(alice, never)
    pool.close()
    await expect(waiting).rejects.toMatchObject({ code: '57P01' })
    await expect(pool.acquire(alice, never)).rejects.toMatchObject({ code: '57P01' })
    expect(upstream.destroyed).toBe(false)
    pool.release(upstream)
    expect(upstream.destroyed).toBe(true)
    expect(bench.group.total).toBe(0)
  })
})

describe('a connection that comes back', () => {
  async function giveBack(change: (upstream: Upstream) => void, options = {}) {
    const pool = bench.pool(options)
    const upstream = await pool.acquire(alice, never)
    change(upstream)
    pool.release(upstream)
    return { pool, upstream }
  }

  it('dirty, dead or too old is not lent again', async () => {
    const changes = [
      (upstream: Upstream) => {
        upstream.dirty = true
      },
      (upstream: Upstream) => upstream.destroy('in doubt'),
    ]
    for (const change of changes) {
      const { pool, upstream } = await giveBack(change)
      expect(upstream.destroyed).toBe(true)
      expect(pool.stats()).toMatchObject({ idle: 0, held: 0 })
    }
    const { upstream } = await giveBack(() => {}, { lifetimeMs: 0 })
    expect(upstream.destroyed).toBe(true)
    expect(bench.group.total).toBe(0)
  })

  it('twice is not lent to two', async () => {
    const { pool, upstream } = await giveBack(() => {})
    pool.release(upstream)
    expect(upstream.destroyed).toBe(true)
    expect(pool.stats()).toMatchObject({ idle: 0, held: 0 })
  })

  it('during a cancel request waits until that is through', async () => {
    const { pool, upstream } = await giveBack(each => void each.cancel())
    expect(pool.stats()).toMatchObject({ idle: 0, held: 1 })
    await vi.waitFor(() => expect(pool.stats()).toMatchObject({ idle: 1, held: 0 }))
    expect(upstream.destroyed).toBe(false)
  })

  it('still talking is destroyed when it does', async () => {
    const { pool, upstream } = await giveBack(() => {})
    for (const peer of bench.server.peers) peer.say(encodeReadyForQuery('I'))
    await vi.waitFor(() => expect(upstream.destroyed).toBe(true))
    expect(pool.stats()).toMatchObject({ idle: 0 })
    expect(bench.group.total).toBe(0)
  })

  it('discarded makes room for another, and its owner hears nothing', async () => {
    const pool = bench.pool({ sizeMax: 1 })
    const upstream = await pool.acquire(alice, never)
    const closed = vi.fn()
    upstream.owner = { data: () => {}, drain: () => {}, closed }
    const waiting = pool.acquire(alice, never)
    pool.discard(upstream, 'in doubt')
    expect(upstream.destroyed).toBe(true)
    const next = await waiting
    expect(next).not.toBe(upstream)
    pool.release(upstream)
    pool.discard(upstream, 'again')
    pool.release(next)
    expect(closed).not.toHaveBeenCalled()
    expect(pool.stats()).toMatchObject({ idle: 1, held: 0 })
  })

  it('that died while it was lent makes room at once, for its limits only when it is given back', async () => {
    const pool = bench.pool({ sizeMax: 1 })
    const modest = claimOf('alice', { upstreamsPerPrincipal: 1 })
    const upstream = await pool.acquire(modest, never)
    upstream.destroy('it died')
    const bob = await pool.acquire(claimOf('bob'), never)
    pool.release(bob)
    expect(pool.tryAcquire(modest)).toBeUndefined()
    pool.discard(upstream, 'it died')
    expect(pool.tryAcquire(modest)).toBe(bob)
    pool.release(bob)
  })
})

describe('time', () => {
  it('ends what is idle for long', async () => {
    const pool = bench.pool({ idleTimeoutMs: 60 })
    const [one, two] = await Promise.all([pool.acquire(alice, never), pool.acquire(alice, never)])
    pool.release(one)
    await sleep(40)
    pool.release(two)
    await vi.waitFor(() => expect([one.destroyed, two.destroyed]).toEqual([true, false]), { interval: 5 })
    await vi.waitFor(() => expect(two.destroyed).toBe(true))
    expect(bench.group.total).toBe(0)
  })

  it('ends what has lived for long, idle or not', async () => {
    const pool = bench.pool({ lifetimeMs: 80 })
    const [one, two] = await Promise.all([pool.acquire(alice, never), pool.acquire(alice, never)])
    pool.release(one)
    await vi.waitFor(() => expect(one.destroyed).toBe(true))
    expect(two.destroyed).toBe(false)
    pool.release(two)
    expect(two.destroyed).toBe(true)
  })
})
