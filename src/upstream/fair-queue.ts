import type { Claim } from './claim.ts'

export interface Claimant {
  readonly claim: Claim
}

/** How many more upstreams may be held now: by this claim's principal, and by its tenant. */
export interface Room {
  ofPrincipal(claim: Claim): number
  ofTenant(claim: Claim): number
}

/** Who waits: tenants take turns, within a tenant its principals, within a principal the first come. */
export class FairQueue<W extends Claimant> {
  /** The order of both maps is the order of turns. No empty map or list stays. */
  readonly #tenants = new Map<string, Map<string, W[]>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(waiter: W): void {
    const { tenant, principal } = waiter.claim
    const principals = this.#tenants.get(tenant) ?? new Map<string, W[]>()
    if (principals.size === 0) this.#tenants.set(tenant, principals)
    const line = principals.get(principal)
    if (line) line.push(waiter)
    else principals.set(principal, [waiter])
    this.#size++
  }

  /** The next in turn for whom there is room; tenant and principal go to the end of their lines. */
  take(room: Room): W | undefined {
    for (const [tenant, principals] of this.#tenants) {
      for (const [principal, line] of principals) {
        const waiter = line[0]!
        if (room.ofTenant(waiter.claim) <= 0) break
        if (room.ofPrincipal(waiter.claim) <= 0) continue
        this.remove(waiter)
        if (principals.delete(principal)) principals.set(principal, line)
        if (this.#tenants.delete(tenant)) this.#tenants.set(tenant, principals)
        return waiter
      }
    }
    return undefined
  }

  /** @returns false where it was not in the queue */
  remove(waiter: W): boolean {
    const { tenant, principal } = waiter.claim
    const principals = this.#tenants.get(tenant)
    const line = principals?.get(principal)
    const index = line?.indexOf(waiter) ?? -1
    if (!principals || !line || index < 0) return false
    line.splice(index, 1)
    if (line.length === 0) principals.delete(principal)
    if (principals.size === 0) this.#tenants.delete(tenant)
    this.#size--
    return true
  }

  /** How many could be served now if there were upstreams enough. */
  countServable(room: Room): number {
    let all = 0
    for (const principals of this.#tenants.values()) {
      let ofTenant = 0
      let roomOfTenant = 0
      for (const line of principals.values()) {
        const { claim } = line[0]!
        roomOfTenant = room.ofTenant(claim)
        ofTenant += Math.max(0, Math.min(line.length, room.ofPrincipal(claim)))
      }
      all += Math.max(0, Math.min(ofTenant, roomOfTenant))
    }
    return all
  }

  /** The first of every principal for whom there is room. */
  *servable(room: Room): Generator<W> {
    for (const principals of this.#tenants.values()) {
      for (const line of principals.values()) {
        const waiter = line[0]!
        if (room.ofTenant(waiter.claim) > 0 && room.ofPrincipal(waiter.claim) > 0) yield waiter
      }
    }
  }

  *[Symbol.iterator](): Generator<W> {
    for (const principals of this.#tenants.values()) {
      for (const line of principals.values()) yield* line
    }
  }
}
