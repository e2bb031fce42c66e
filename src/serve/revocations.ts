/** Ends what is open for those who may not come in any more. */
import type { Pool } from 'pg'
import { SqlError } from '../errors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { type Principal, reviewPrincipals } from '../identity/principal.ts'
import type { Served } from './served.ts'

/** No session takes longer to open. */
const openingMaxMs = 60_000

export class Revocations {
  /** Set as soon as there is a door. */
  gateway: Gateway | undefined
  readonly #control: Pool
  /** Everybody who has opened a session, and when he did so last. */
  readonly #principals = new Map<Principal, number>()
  readonly #withdrawn = new WeakSet<Principal>()
  /** By virtual pid; some have ended since. */
  readonly #databases = new Map<number, Served>()
  #forgetAbove = 1_000

  constructor(control: Pool) {
    this.#control = control
  }

  /** Before a session is opened: from here on its principal is reviewed. */
  note(principal: Principal): void {
    this.#principals.set(principal, performance.now())
  }

  /** When it is open. @throws SqlError where its principal's access was withdrawn meanwhile */
  opened(principal: Principal, virtualPid: number, served: Served): void {
    if (this.#withdrawn.has(principal)) throw ended('your access was withdrawn')
    if (this.#databases.size >= this.#forgetAbove) this.#forgetEnded()
    this.#databases.set(virtualPid, served)
  }

  /** After a change of the control database. */
  async review(): Promise<void> {
    const open = new Set(this.gateway?.sessions().map(about => keyOf(about.tenantId, about.principalId)))
    const longAgo = performance.now() - openingMaxMs
    for (const [principal, notedAt] of this.#principals) {
      if (notedAt < longAgo && !open.has(keyOf(principal.tenant, principal.id))) this.#principals.delete(principal)
    }
    const reviewed = await reviewPrincipals(this.#control, [...this.#principals.keys()])
    for (const [principal, now] of reviewed) if (now === null) this.#withdraw(principal)
  }

  #withdraw(principal: Principal): void {
    const { tenant, id } = principal
    this.#withdrawn.add(principal)
    this.#principals.delete(principal)
    this.gateway?.end(
      about => about.tenantId === tenant && about.principalId === id,
      ended('your access was withdrawn'),
    )
  }

  endDatabase(served: Served): void {
    const error = ended(`database "${served.alias}" is not served any more`)
    this.gateway?.end(about => this.#databases.get(about.virtualPid) === served, error)
  }

  #forgetEnded(): void {
    const open = new Set(this.gateway?.sessions().map(about => about.virtualPid))
    for (const virtualPid of this.#databases.keys()) if (!open.has(virtualPid)) this.#databases.delete(virtualPid)
    this.#forgetAbove = Math.max(1_000, 2 * this.#databases.size)
  }
}

function keyOf(tenant: string, id: string): string {
  return `${tenant}/${id}`
}

function ended(why: string): SqlError {
  return new SqlError({ code: '57P01', severity: 'FATAL', message: `terminating connection: ${why}` })
}
