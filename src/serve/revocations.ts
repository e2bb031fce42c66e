/** Ends what is open for those who may not come in any more, whichever door they came by. */
import type { Pool } from 'pg'
import { SqlError } from '../errors.ts'
import type { Authenticator } from '../identity/authenticator.ts'
import { findWithdrawn, type Present, type Principal } from '../identity/principal.ts'
import type { Served } from './served.ts'

/** A door, as far as what is open behind it can be ended. */
export interface RevocableDoor {
  sessions(): readonly Present[]
  /** Ends those that match, with these last words where the door has any. */
  end(matches: (about: Present) => boolean, error: SqlError): unknown
}

/** The wire door: its sessions are known by number, too. */
export interface WireDoor extends RevocableDoor {
  sessions(): readonly (Present & { readonly virtualPid: number })[]
  end(matches: (about: Present & { readonly virtualPid: number }) => boolean, error: SqlError): unknown
}

/** No session takes longer to open. */
const openingMaxMs = 60_000
const recheckEveryMs = 500

export class Revocations {
  readonly #control: Pool
  readonly #authenticator: Pick<Authenticator, 'findCalledBack'> | undefined
  readonly #doors: RevocableDoor[] = []
  #wire: WireDoor | undefined
  /** Everybody who is opening a session or has just done so, and when he began. */
  readonly #opening = new Map<Principal, number>()
  readonly #withdrawn = new WeakSet<Principal>()
  /** By virtual pid; some have ended since. */
  readonly #databases = new Map<number, Served>()
  #forgetAbove = 1_000
  readonly #timer: NodeJS.Timeout | undefined
  #rechecking = false

  /** @param authenticator asks again for what only an issuer or a lease can call back; absent: nobody does */
  constructor(control: Pool, authenticator?: Pick<Authenticator, 'findCalledBack'>) {
    this.#control = control
    this.#authenticator = authenticator
    if (authenticator === undefined) return
    this.#timer = setInterval(() => void this.recheck(), recheckEveryMs)
    this.#timer.unref()
  }

  /** From here on what is open behind this door is ended with its principal's access. */
  watch(door: RevocableDoor): void {
    this.#doors.push(door)
  }

  /** The same, for the wire door. */
  set gateway(door: WireDoor) {
    this.#wire = door
    this.watch(door)
  }

  /** Before a session is opened: from here on its principal is reviewed. */
  note(principal: Principal): void {
    this.#opening.set(principal, performance.now())
  }

  /** When it is open. @throws SqlError where its principal's access was withdrawn meanwhile */
  opened(principal: Principal, virtualPid: number, served: Served): void {
    if (this.#withdrawn.has(principal)) throw ended('your access was withdrawn')
    if (this.#databases.size >= this.#forgetAbove) this.#forgetEnded()
    this.#databases.set(virtualPid, served)
  }

  /** After a change of the control database. */
  async review(): Promise<void> {
    const present = this.#present()
    this.#withdraw(await findWithdrawn(this.#control, [...present.values()]))
  }

  /** Never rejects: who cannot be asked for now is asked for again. */
  async recheck(): Promise<void> {
    if (this.#rechecking || this.#authenticator === undefined) return
    this.#rechecking = true
    try {
      this.#withdraw(await this.#authenticator.findCalledBack(() => [...this.#present().values()]))
    } finally {
      this.#rechecking = false
    }
  }

  endDatabase(served: Served): void {
    const error = ended(`database "${served.alias}" is not served any more`)
    this.#wire?.end(about => this.#databases.get(about.virtualPid) === served, error)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Everybody with anything open or about to open, once. */
  #present(): ReadonlyMap<string, Present> {
    const longAgo = performance.now() - openingMaxMs
    const present = new Map<string, Present>()
    for (const [principal, notedAt] of this.#opening) {
      if (notedAt < longAgo) this.#opening.delete(principal)
      else present.set(keyOf(presenceOf(principal)), presenceOf(principal))
    }
    for (const door of this.#doors) for (const about of door.sessions()) present.set(keyOf(about), about)
    return present
  }

  #withdraw(gone: readonly Present[]): void {
    if (gone.length === 0) return
    const keys = new Set(gone.map(keyOf))
    for (const principal of this.#opening.keys()) {
      if (!keys.has(keyOf(presenceOf(principal)))) continue
      this.#withdrawn.add(principal)
      this.#opening.delete(principal)
    }
    for (const door of this.#doors) door.end(about => keys.has(keyOf(about)), ended('your access was withdrawn'))
  }

  #forgetEnded(): void {
    const open = new Set(this.#wire?.sessions().map(about => about.virtualPid))
    for (const virtualPid of this.#databases.keys()) if (!open.has(virtualPid)) this.#databases.delete(virtualPid)
    this.#forgetAbove = Math.max(1_000, 2 * this.#databases.size)
  }
}

function presenceOf({ id, tenant, credential }: Principal): Present {
  return { principalId: id, tenantId: tenant, credential }
}

function keyOf({ tenantId, principalId, credential }: Present): string {
  return `${tenantId}/${principalId}/${credential ?? ''}`
}

function ended(why: string): SqlError {
  return new SqlError({ code: '57P01', severity: 'FATAL', message: `terminating connection: ${why}` })
}
