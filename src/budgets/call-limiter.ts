/** Limits on how many calls a principal and a tenant may make in a minute, an hour and a day, over all processes together. */
import type { Redis } from 'ioredis'
import type { Pool } from 'pg'
import type { Log } from '../observe/log.ts'
import { postgresCounter, redisCounter } from './counter.ts'
import { Insured } from './insured.ts'
import { RateLimited } from './rate-limited.ts'
import { type CallKind, type RateOverrides, type Rates, type RateWindow, rateWindows, resolveRates } from './rates.ts'
import { CallWindow } from './window.ts'

interface CountedPrincipal {
  readonly id: string
  /** The tenant's id. */
  readonly tenant: string
  readonly name: string
}

export interface CallLimiter {
  /**
   * Counts a call in every window that applies, or in none. Answers without a promise where nothing has to be asked for.
   * @throws RateLimited (53400)
   */
  take(principal: CountedPrincipal, what: CallKind): Promise<void> | void
  /** In force for the next call. */
  setOverrides(overrides: RateOverrides): void
  /** Gives back what was leased in advance. The stores are their owners' to close. */
  close(): Promise<void>
}

export interface CallLimiterOptions {
  readonly config: Rates & { readonly store: 'auto' | 'memory' | 'postgres' | 'redis' }
  readonly control: Pool
  readonly redis?: Redis | undefined
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/** Counts in Redis where there is one, else in the control database; `memory`: in this process alone. */
export function createCallLimiter({ config, control, redis, log, now = Date.now }: CallLimiterOptions): CallLimiter {
  if (config.store === 'memory') return new Limiter(config, undefined, now)
  const counter =
    redis !== undefined && config.store !== 'postgres' ? redisCounter(redis) : postgresCounter(control, log)
  return new Limiter(config, new Insured(counter, log, now), now)
}

interface Applied {
  readonly window: CallWindow
  readonly about: RateWindow
}

const tickMs = 1_000
const sweepEveryMs = 60_000

class Limiter implements CallLimiter {
  readonly #rates: Rates
  readonly #shared: Insured | undefined
  readonly #now: () => number
  readonly #windows = new Map<string, CallWindow>()
  /** What applies to a principal, by tenant, id and kind. */
  #applied = new Map<string, readonly Applied[]>()
  #overrides: RateOverrides = { tenants: new Map(), principals: new Map() }
  readonly #timer: NodeJS.Timeout
  #sweptAtMs = 0

  constructor(rates: Rates, shared: Insured | undefined, now: () => number) {
    this.#rates = rates
    this.#shared = shared
    this.#now = now
    this.#timer = setInterval(() => this.#tick(), tickMs).unref()
  }

  take(principal: CountedPrincipal, what: CallKind): Promise<void> | void {
    const applied = this.#appliedTo(principal, what)
    if (applied.length === 0 || this.#spend(applied, principal, what)) return
    return this.#wait(applied, principal, what)
  }

  setOverrides(overrides: RateOverrides): void {
    this.#overrides = overrides
    this.#applied = new Map()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#shared !== undefined) {
      await Promise.all([...this.#windows.values()].map(window => window.settle(this.#now(), true)))
    }
    this.#shared?.close()
  }

  /** One token of each window, in one turn of the event loop: all or none. */
  #spend(applied: readonly Applied[], principal: CountedPrincipal, what: CallKind): boolean {
    const nowMs = this.#now()
    for (const { window, about } of applied) {
      window.turn(nowMs)
      if (!window.isFull(nowMs)) continue
      const retryAfterMs = Math.max(1, window.endsInMs(nowMs))
      throw new RateLimited({ what, limit: window.limit, ...about, name: principal.name, retryAfterMs })
    }
    if (applied.some(({ window }) => window.left === 0)) return false
    for (const { window } of applied) window.spend(nowMs)
    return true
  }

  async #wait(applied: readonly Applied[], principal: CountedPrincipal, what: CallKind): Promise<void> {
    do {
      let wanted = Number.POSITIVE_INFINITY
      for (const { window } of applied) {
        if (window.left > 0) {
          wanted = Math.min(wanted, window.left)
          continue
        }
        window.waiting++
        try {
          await window.ask(Math.min(window.waiting, wanted), this.#now())
        } finally {
          window.waiting--
        }
        break // what lies before it may be gone
      }
    } while (!this.#spend(applied, principal, what))
  }

  #appliedTo(principal: CountedPrincipal, what: CallKind): readonly Applied[] {
    const key = `${principal.tenant}/${principal.id}/${what}`
    const known = this.#applied.get(key)
    if (known !== undefined) return known
    const rates = resolveRates(this.#rates, what, {
      tenant: this.#overrides.tenants.get(principal.tenant),
      principal: this.#overrides.principals.get(principal.id),
    })
    const applied = rateWindows.flatMap(about => {
      const limit = rates[about.rate]
      return limit === null ? [] : [{ about, window: this.#windowOf(principal, what, about, limit) }]
    })
    this.#applied.set(key, applied)
    return applied
  }

  #windowOf(principal: CountedPrincipal, what: CallKind, about: RateWindow, limit: number): CallWindow {
    // A person may be of several tenants, and is counted in each by himself.
    const whose = about.of === 'tenant' ? `t:${principal.tenant}` : `p:${principal.tenant}:${principal.id}`
    const key = `${what}:${about.span}:${whose}`
    const known = this.#windows.get(key)
    if (known !== undefined) {
      known.limit = limit
      return known
    }
    const window = new CallWindow({ key, spanMs: about.spanMs, limit, shared: this.#shared })
    this.#windows.set(key, window)
    return window
  }

  #tick(): void {
    const nowMs = this.#now()
    if (this.#shared !== undefined) for (const window of this.#windows.values()) void window.settle(nowMs, false)
    if (nowMs - this.#sweptAtMs < sweepEveryMs) return
    this.#sweptAtMs = nowMs
    // Both at once: no window may be counted in two places.
    for (const [key, window] of this.#windows) if (window.isOver(nowMs)) this.#windows.delete(key)
    this.#applied = new Map()
  }
}
