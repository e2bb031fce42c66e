import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Pool } from '../../src/upstream/pool.ts'
import { PoolGroup } from '../../src/upstream/pool-group.ts'
import { Bench, claimOf, never } from './pool-stand.ts'

let bench: Bench
afterEach(() => bench.finish())

async function poolsAtCap(totalMax: number, starvationMs?: number): Promise<[Pool, Pool, Pool]> {
  bench = await Bench.start(new PoolGroup({ totalMax, ...(starvationMs === undefined ? {} : { starvationMs }) }))
  return [bench.pool(), bench.pool(), bench.pool()]
}

const [acme, corp, third] = [claimOf('alice@acme'), claimOf('bob@corp'), claimOf('eve@third')]

describe('the total cap', () => {
  it('makes room by ending the connection that was idle for longest in another pool', async () => {
    const [one, two, three] = await poolsAtCap(2)
    const [older, newer] = [await one.acquire(acme, never), await two.acquire(corp, never)]
    one.release(older)
    await sleep(5)
    two.release(newer)
    const upstream = await three.acquire(third, never)
    expect([older.destroyed, newer.destroyed]).toEqual([true, false])
    expect(bench.group.total).toBe(2)
    three.release(upstream)
  })

  it('is never exceeded, and who waits is served when anything is free', async () => {
    const [one, two, three] = await poolsAtCap(2)
    const held = [await one.acquire(acme, never), await one.acquire(acme, never)]
    const waiting = [two.acquire(corp, never), three.acquire(third, never)]
    await sleep(30)
    expect([two.waiting, three.waiting, bench.group.total]).toEqual([1, 1, 2])
    one.release(held[0]!)
    two.release(await waiting[0]!)
    one.discard(held[1]!, 'in doubt')
    three.release(await waiting[1]!)
    expect(bench.group.total).toBeLessThanOrEqual(2)
    expect(bench.server.peers.size).toBeLessThanOrEqual(4)
  })

  it('holds under a crowd', async () => {
    const pools = await poolsAtCap(4, 20)
    let most = 0
    const work = Array.from({ length: 150 }, async (_, index) => {
      const pool = pools[index % 3]!
      const claim = claimOf(`user${index % 7}@tenant${index % 3}`, { upstreamsPerPrincipal: 2, upstreamsPerTenant: 3 })
      const upstream = await pool.acquire(claim, never)
      most = Math.max(most, bench.group.total)
      await sleep(index % 5)
      if (index % 11 === 0) upstream.dirty = true
      if (index % 13 === 0) pool.discard(upstream, 'in doubt')
      else pool.release(upstream)
    })
    await Promise.all(work)
    expect(most).toBeLessThanOrEqual(4)
    // What was discarded counts until the server has let go of it.
    await vi.waitFor(() => {
      for (const pool of pools) expect(pool.stats()).toMatchObject({ held: 0, waiting: 0 })
    })
    for (const pool of pools) pool.close()
    expect(bench.group.total).toBe(0)
  })

  it('does not let a busy pool starve another', async () => {
    const [busy, starving] = await poolsAtCap(2, 50)
    let working = true
    const crowd = Array.from({ length: 6 }, async () => {
      while (working) {
        const upstream = await busy.acquire(acme, never)
        await sleep(2)
        busy.release(upstream)
      }
    })
    await vi.waitFor(() => expect(busy.waiting).toBeGreaterThan(0))
    const started = performance.now()
    const upstream = await starving.acquire(corp, never)
    expect(performance.now() - started).toBeLessThan(500)
    expect(busy.size).toBe(1)
    working = false
    starving.release(upstream)
    await Promise.all(crowd)
  })
})
