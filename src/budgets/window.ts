/**
 * One window of calls that this process counts: tokens are leased from the shared store, some at once where calls come
 * fast, and spent here. Windows follow the clock (minute 0, hour 0, day 0 UTC), and a window's count has a key of its own,
 * so that what is given back late harms no other.
 *
 * However many processes lease at once, together they are granted no more than the limit: an addition to the count is one
 * stretch of it, stretches do not overlap, and only what lies below the limit is granted.
 */
import type { Insured } from './insured.ts'

export interface WindowOptions {
  readonly key: string
  readonly spanMs: number
  /** Calls in the window, at least 1. */
  readonly limit: number
  /** Undefined: this process counts alone. */
  readonly shared: Insured | undefined
}

/** Calls that come so soon after one another are leased together; a lease that is not used for so long goes back. */
const restMs = 1_000
const leaseMax = 256
/** At most this part of the limit lies in one process's lease beyond what its callers wait for. */
const leaseShare = 10

export class CallWindow {
  readonly spanMs: number
  /** Tokens that are leased and not spent. */
  left = 0
  /** Callers that wait for a token. */
  waiting = 0
  readonly #key: string
  readonly #shared: Insured | undefined
  #limit: number
  #index = -1
  /** Granted to this process in this window, less what it gave back. */
  #own = 0
  /** What the store has yet to be told: tokens that were granted without it; below 0, what it was told too much. */
  #untold = 0
  #fullUntilMs = 0
  #lease = 1
  #askedAtMs = 0
  #spentAtMs = 0
  #asking: Promise<void> | undefined

  constructor({ key, spanMs, limit, shared }: WindowOptions) {
    this.#key = key
    this.spanMs = spanMs
    this.#limit = limit
    this.#shared = shared
  }

  get limit(): number {
    return this.#limit
  }

  /** What was leased under the old limit goes back. */
  set limit(limit: number) {
    if (limit === this.#limit) return
    this.#limit = limit
    this.#fullUntilMs = 0
    this.#release()
  }

  /** Begins anew where the clock has left the window. */
  turn(nowMs: number): void {
    const index = Math.floor(nowMs / this.spanMs)
    if (index === this.#index) return
    this.#index = index
    this.left = 0
    this.#own = 0
    this.#untold = 0
    this.#fullUntilMs = 0
    this.#lease = 1
  }

  /** Until the window ends. */
  endsInMs(nowMs: number): number {
    return (this.#index + 1) * this.spanMs - nowMs
  }

  /** True while there is nothing left and nothing to be had. */
  isFull(nowMs: number): boolean {
    return this.left === 0 && nowMs < this.#fullUntilMs
  }

  spend(nowMs: number): void {
    this.left--
    this.#spentAtMs = nowMs
  }

  /** True where nobody has used it since its window ended. */
  isOver(nowMs: number): boolean {
    return this.waiting === 0 && this.#asking === undefined && this.endsInMs(nowMs) <= 0
  }

  /** Leases about `wanted` tokens, or joins those who ask already. Afterwards there are some `left`, or it is full, or others were faster. */
  ask(wanted: number, nowMs: number): Promise<void> {
    this.#asking ??= this.#ask(this.#leaseFor(wanted, nowMs), nowMs).finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** Gives back what has lain unused, or with `all` whatever is left, and tells the store what it has yet to hear. */
  async settle(nowMs: number, all: boolean): Promise<void> {
    if (all) await this.#asking
    if (this.#asking !== undefined || this.endsInMs(nowMs) <= 0) return
    if (all || nowMs - this.#spentAtMs >= restMs) this.#release()
    if (this.#untold === 0) return
    this.#asking = this.#tell().finally(() => {
      this.#asking = undefined
    })
    await this.#asking
  }

  #leaseFor(wanted: number, nowMs: number): number {
    const most = Math.max(1, Math.min(leaseMax, Math.floor(this.#limit / leaseShare)))
    this.#lease = nowMs - this.#askedAtMs < restMs ? Math.min(this.#lease * 2, most) : 1
    this.#askedAtMs = nowMs
    if (this.#shared === undefined) return this.#limit
    return Math.min(Math.max(wanted, this.#lease), this.#limit)
  }

  async #ask(count: number, nowMs: number): Promise<void> {
    const index = this.#index
    const told = this.#untold
    this.#untold = 0
    const sum = await this.#add(count + told)
    if (index !== this.#index) return
    const granted = sum === undefined ? this.#grantAlone(count, told) : this.#grant(count, sum)
    this.#own += granted
    this.left += granted
    // Not until its end: what others give back can be had again.
    if (granted === 0) this.#fullUntilMs = nowMs + restMs
    if (granted > 0) this.#spentAtMs = nowMs
  }

  #grantAlone(count: number, told: number): number {
    const granted = clamp(this.#limit - this.#own, count)
    this.#untold += told + granted
    return granted
  }

  #grant(count: number, sum: number): number {
    const before = sum - count
    this.#remind(before)
    const granted = clamp(this.#limit - Math.max(before, this.#own), count)
    this.#untold -= count - granted
    return granted
  }

  /** A store that counts less than this process alone has had has lost its count. */
  #remind(sum: number): void {
    if (sum < this.#own) this.#untold += this.#own - sum
  }

  async #tell(): Promise<void> {
    const index = this.#index
    const told = this.#untold
    this.#untold = 0
    const sum = await this.#add(told)
    if (index !== this.#index) return
    if (sum === undefined) this.#untold += told
    else this.#remind(sum)
  }

  #add(count: number): Promise<number | undefined> {
    const ttlSeconds = (2 * this.spanMs) / 1000 // instances' clocks may differ
    return this.#shared?.add(`${this.#key}:${this.#index}`, count, ttlSeconds) ?? Promise.resolve(undefined)
  }

  #release(): void {
    this.#untold -= this.left
    this.#own -= this.left
    this.left = 0
  }
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most))
}
