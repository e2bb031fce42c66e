import type { Claim } from './claim.ts'
import type { Room } from './fair-queue.ts'

/** What a group needs to know of a pool. */
export interface Member {
  /** Connections, open and opening. */
  readonly size: number
  readonly waiting: number
  /** When the least recently used idle connection was last used; undefined without idle ones. */
  idleSinceMs(): number | undefined
  /** Ends that connection. */
  evict(): void
  /** Since when somebody waits who only lacks a connection; undefined where nobody does, or the server is down. */
  starvedSinceMs(): number | undefined
  /** Serves whoever can be served now. */
  serve(): void
}

export interface PoolGroupOptions {
  /** Connections of all pools together, open and opening. */
  readonly totalMax?: number
  /** At the total cap, how long somebody waits before a larger pool must give up a connection that it could use itself. */
  readonly starvationMs?: number
}

/** Pools that share a cap on connections, and the limits of their tenants and principals over all of them. */
export class PoolGroup implements Room {
  readonly #totalMax: number
  readonly #starvationMs: number
  readonly #members = new Set<Member>()
  readonly #heldByTenant = new Map<string, number>()
  readonly #heldByPrincipal = new Map<string, number>()
  #total = 0
  #waiting = 0
  #waking = false
  #starvationCheckAtMs = 0

  constructor({ totalMax = 80, starvationMs = 500 }: PoolGroupOptions = {}) {
    this.#totalMax = totalMax
    this.#starvationMs = starvationMs
  }

  get total(): number {
    return this.#total
  }

  /** Those who wait are about to be served: nobody may take what they wait for. */
  get waking(): boolean {
    return this.#waking
  }

  join(member: Member): void {
    this.#members.add(member)
  }

  leave(member: Member): void {
    this.#members.delete(member)
  }

  ofPrincipal(claim: Claim): number {
    return claim.upstreamsPerPrincipal - (this.#heldByPrincipal.get(claim.principal) ?? 0)
  }

  ofTenant(claim: Claim): number {
    return claim.upstreamsPerTenant - (this.#heldByTenant.get(claim.tenant) ?? 0)
  }

  hold(claim: Claim): void {
    count(this.#heldByTenant, claim.tenant, 1)
    count(this.#heldByPrincipal, claim.principal, 1)
  }

  unhold(claim: Claim): void {
    count(this.#heldByTenant, claim.tenant, -1)
    count(this.#heldByPrincipal, claim.principal, -1)
  }

  /** A member's queue grew or shrank. */
  countWaiting(change: 1 | -1): void {
    this.#waiting += change
  }

  /** Takes the place of one more connection; at the cap the least recently used idle one of another pool makes room. */
  reserve(member: Member): boolean {
    if (this.#total >= this.#totalMax) this.#leastRecentlyUsed(member)?.evict()
    if (this.#total >= this.#totalMax) return false
    this.#total++
    return true
  }

  /** A connection has ended, or never came to be. */
  free(): void {
    this.#total--
    if (this.#waiting > 0) this.#wake()
  }

  /** A member has served its own queue: what it gave back may be what somebody in another pool waits for. */
  offer(member: Member): void {
    if (this.#waiting > member.waiting) this.#wake()
  }

  /** A smaller pool that starves at the cap: `member` must end a connection that was given back, and let it take the place. */
  findStarving(member: Member): Member | undefined {
    if (this.#total < this.#totalMax || this.#waiting <= member.waiting) return undefined
    const now = Date.now()
    if (now < this.#starvationCheckAtMs) return undefined
    this.#starvationCheckAtMs = now + this.#starvationMs / 10
    for (const other of this.#members) {
      if (other === member || (other.size > 0 && other.size + 1 >= member.size)) continue
      const since = other.starvedSinceMs()
      if (since !== undefined && now - since >= this.#starvationMs) return other
    }
    return undefined
  }

  #leastRecentlyUsed(except: Member): Member | undefined {
    let oldest: Member | undefined
    let oldestMs = Number.POSITIVE_INFINITY
    for (const member of this.#members) {
      const since = member === except ? undefined : member.idleSinceMs()
      if (since === undefined || since >= oldestMs) continue
      oldest = member
      oldestMs = since
    }
    return oldest
  }

  /** In a microtask, so that whoever freed a place can finish, and one who evicted takes it. Who starves longest is first. */
  #wake(): void {
    if (this.#waking) return
    this.#waking = true
    queueMicrotask(() => {
      this.#waking = false
      const waiting = [...this.#members].filter(member => member.waiting > 0)
      const since = new Map(waiting.map(member => [member, member.starvedSinceMs() ?? Number.POSITIVE_INFINITY]))
      waiting.sort((left, right) => since.get(left)! - since.get(right)! || 0)
      for (const member of waiting) member.serve()
    })
  }
}

function count(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const value = (counts.get(key) ?? 0) + change
  if (value > 0) counts.set(key, value)
  else counts.delete(key)
}
