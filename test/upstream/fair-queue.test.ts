import { describe, expect, it } from 'vitest'
import type { Claim } from '../../src/upstream/claim.ts'
import { FairQueue, type Room } from '../../src/upstream/fair-queue.ts'

interface Waiter {
  readonly name: string
  readonly claim: Claim
}

function waiter(name: string, principal: string, tenant: string): Waiter {
  return { name, claim: { principal, tenant, upstreamsPerPrincipal: 9, upstreamsPerTenant: 9 } }
}

function queueOf(...waiters: Waiter[]): FairQueue<Waiter> {
  const queue = new FairQueue<Waiter>()
  for (const each of waiters) queue.add(each)
  return queue
}

function drain(queue: FairQueue<Waiter>, room: Room): string {
  let names = ''
  for (let next = queue.take(room); next; next = queue.take(room)) names += next.name
  return names
}

const endless: Room = { ofPrincipal: () => Number.POSITIVE_INFINITY, ofTenant: () => Number.POSITIVE_INFINITY }

function roomFor(principals: Record<string, number>, tenants: Record<string, number> = {}): Room {
  return { ofPrincipal: claim => principals[claim.principal] ?? 9, ofTenant: claim => tenants[claim.tenant] ?? 9 }
}

describe('turns', () => {
  it('go by tenant, then by principal, then by who came first', () => {
    const queue = queueOf(
      waiter('1', 'alice', 'acme'),
      waiter('2', 'alice', 'acme'),
      waiter('3', 'alice', 'acme'),
      waiter('4', 'bob', 'acme'),
      waiter('5', 'carol', 'corp'),
      waiter('6', 'carol', 'corp'),
    )
    expect(drain(queue, endless)).toBe('154623')
    expect(queue.size).toBe(0)
  })

  it('do not come sooner to a tenant with more principals, or to who asks again', () => {
    const queue = queueOf(
      waiter('a', 'a1', 'a'),
      waiter('b', 'a2', 'a'),
      waiter('c', 'a3', 'a'),
      waiter('x', 'x1', 'x'),
    )
    expect(queue.take(endless)?.name).toBe('a')
    queue.add(waiter('A', 'a1', 'a'))
    expect(drain(queue, endless)).toBe('xbcA')
  })

  it('pass over who is at a limit, without losing their place', () => {
    const queue = queueOf(waiter('1', 'alice', 'acme'), waiter('2', 'bob', 'acme'), waiter('3', 'carol', 'corp'))
    expect(queue.take(roomFor({ alice: 0 }))?.name).toBe('2')
    expect(queue.take(roomFor({}, { corp: 0 }))?.name).toBe('1')
    expect(queue.take(roomFor({}, { corp: 0 }))).toBeUndefined()
    expect(queue.take(endless)?.name).toBe('3')
  })
})

describe('the queue', () => {
  it('lets go of who gives up', () => {
    const gone = waiter('2', 'alice', 'acme')
    const queue = queueOf(waiter('1', 'alice', 'acme'), gone)
    expect(queue.remove(gone)).toBe(true)
    expect(queue.remove(gone)).toBe(false)
    expect([...queue].map(each => each.name)).toEqual(['1'])
    expect(drain(queue, endless)).toBe('1')
    expect(queue.remove(waiter('3', 'nobody', 'nowhere'))).toBe(false)
  })

  it('counts who could be served, within the limits of principals and tenants', () => {
    const queue = queueOf(
      ...Array.from({ length: 5 }, (_, index) => waiter(String(index), 'alice', 'acme')),
      waiter('b', 'bob', 'acme'),
      waiter('c', 'carol', 'corp'),
    )
    expect(queue.countServable(endless)).toBe(7)
    expect(queue.countServable(roomFor({ alice: 2 }))).toBe(4)
    expect(queue.countServable(roomFor({ alice: 2 }, { acme: 1 }))).toBe(2)
    expect(queue.countServable(roomFor({ alice: -1, carol: 0 }))).toBe(1)
    expect([...queue.servable(roomFor({ alice: 0 }))].map(each => each.name)).toEqual(['b', 'c'])
  })
})
