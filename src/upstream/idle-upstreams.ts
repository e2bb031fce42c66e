import type { Upstream } from './connection.ts'

/** The connections of one pool that nobody has, until they have been idle or alive for too long. */
export class IdleUpstreams {
  readonly #idleTimeoutMs: number
  readonly #lifetimeMs: number
  /** Most recently used last; taken from there, so that what is not needed grows old at the front. */
  readonly #idle: Upstream[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(idleTimeoutMs: number, lifetimeMs: number) {
    this.#idleTimeoutMs = idleTimeoutMs
    this.#lifetimeMs = lifetimeMs
  }

  get size(): number {
    return this.#idle.length
  }

  /** The one that was not used for longest. */
  get oldest(): Upstream | undefined {
    return this.#idle[0]
  }

  isExpired(upstream: Upstream): boolean {
    return Date.now() - upstream.createdAtMs >= this.#lifetimeMs
  }

  put(upstream: Upstream): void {
    this.#idle.push(upstream)
    this.#sweepLater()
  }

  take(): Upstream | undefined {
    for (;;) {
      const upstream = this.#idle.pop()
      if (!upstream) return undefined
      if (!this.isExpired(upstream)) return upstream
      upstream.close('its lifetime is over')
    }
  }

  /** Forgets one that has ended, if it is here. */
  remove(upstream: Upstream): void {
    const index = this.#idle.indexOf(upstream)
    if (index >= 0) this.#idle.splice(index, 1)
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const upstream of [...this.#idle]) upstream.close('the pool is closed')
  }

  /** One timer for all of them, set to when the first is due. */
  #sweepLater(): void {
    if (this.#timer || this.#idle.length === 0) return
    const due = this.#idle.map(each =>
      Math.min(each.lastUsedAtMs + this.#idleTimeoutMs, each.createdAtMs + this.#lifetimeMs),
    )
    this.#timer = setTimeout(() => this.#sweep(), Math.max(1, Math.min(...due) - Date.now())).unref()
  }

  #sweep(): void {
    this.#timer = undefined
    const idleSince = Date.now() - this.#idleTimeoutMs
    for (const upstream of [...this.#idle]) {
      if (upstream.lastUsedAtMs <= idleSince) upstream.close('it was idle for long')
      else if (this.isExpired(upstream)) upstream.close('its lifetime is over')
    }
    this.#sweepLater()
  }
}
