import { SqlError } from '../errors.ts'
import { Backoff } from './backoff.ts'
import type { Claim } from './claim.ts'
import type { Upstream } from './connection.ts'
import { FairQueue } from './fair-queue.ts'
import { IdleUpstreams } from './idle-upstreams.ts'
import { poolClosed, serverDown, tooBusy, waitAborted } from './pool-errors.ts'
import type { Member, PoolGroup } from './pool-group.ts'
import { type PoolOptions, poolDefaults } from './pool-options.ts'
import type { PoolStats } from './pool-stats.ts'

interface Waiter {
  readonly claim: Claim
  readonly sinceMs: number
  settle(outcome: Upstream | SqlError): void
}

/** Interchangeable connections to one database, lent out one borrower at a time. */
export class Pool implements Member {
  readonly key: string
  readonly #options: Required<PoolOptions>
  readonly #group: PoolGroup
  readonly #idle: IdleUpstreams
  readonly #backoff: Backoff
  readonly #held = new Map<Upstream, Claim>()
  /** Discarded, and the server has not let go of them: among the held ones. */
  readonly #retired = new Set<Upstream>()
  readonly #queue = new FairQueue<Waiter>()
  readonly #closing = new AbortController()
  #open = 0
  #connecting = 0
  #probeTimer: NodeJS.Timeout | undefined

  constructor(options: PoolOptions) {
    this.key = options.key
    this.#group = options.group
    this.#options = { ...poolDefaults, ...options }
    this.#idle = new IdleUpstreams(this.#options.idleTimeoutMs, this.#options.lifetimeMs)
    this.#backoff = new Backoff(this.#options.probeDelayMinMs, this.#options.probeDelayMaxMs)
    this.#group.join(this)
  }

  get size(): number {
    return this.#open + this.#connecting
  }

  get waiting(): number {
    return this.#queue.size
  }

  get #down(): boolean {
    return this.#backoff.failing && this.#open === 0
  }

  stats(): PoolStats {
    return {
      key: this.key,
      idle: this.#idle.size,
      held: this.#held.size,
      connecting: this.#connecting,
      waiting: this.waiting,
      down: this.#down,
    }
  }

  /** An idle connection, at once, where there is one, nobody waits and the claim's limits allow it. */
  tryAcquire(claim: Claim): Upstream | undefined {
    if (this.#queue.size > 0 || this.#group.waking || this.#closing.signal.aborted) return undefined
    if (this.#group.ofPrincipal(claim) <= 0 || this.#group.ofTenant(claim) <= 0) return undefined
    const upstream = this.#idle.take()
    if (upstream) this.#hold(upstream, claim)
    return upstream
  }

  /**
   * A connection, after a wait in the fair queue where need be.
   *
   * @throws SqlError 53300 where none became free in time or too many wait, 08001 where the server cannot be reached,
   *   57P01 where the pool was closed, 57014 (or the signal's reason) where the signal ended the wait
   */
  acquire(claim: Claim, signal: AbortSignal): Promise<Upstream> {
    if (signal.aborted) return Promise.reject(waitAborted(signal))
    if (this.#closing.signal.aborted) return Promise.reject(poolClosed())
    const upstream = this.tryAcquire(claim)
    if (upstream) return Promise.resolve(upstream)
    if (this.#queue.size >= this.#options.waitingMax) {
      return Promise.reject(tooBusy('too many wait for a database connection', claim, this.#group))
    }
    return new Promise((resolve, reject) => {
      this.#enqueue(claim, signal, outcome => (outcome instanceof SqlError ? reject(outcome) : resolve(outcome)))
      if (!this.#group.waking) this.serve()
    })
  }

  /** Gives a connection back, in the state in which the next borrower may have it: idle, or dirty. */
  release(upstream: Upstream): void {
    const claim = this.#held.get(upstream)
    if (!claim) {
      upstream.destroy('it was released twice')
      return
    }
    upstream.owner = undefined
    if (upstream.cancelling) {
      // The request must not strike the next borrower.
      void upstream.cancelling.then(() => this.release(upstream))
      return
    }
    this.#letGo(upstream, claim)
    if (upstream.dirty) upstream.destroy('it is dirty')
    else if (this.#idle.isExpired(upstream)) upstream.close('its lifetime is over')
    else if (this.#closing.signal.aborted) upstream.close('the pool is closed')
    else if (!upstream.destroyed) this.#shelve(upstream)
    this.serve()
    this.#group.offer(this)
  }

  /**
   * Gives back a connection that nobody may have again. Its owner hears nothing more. It counts as held until the server
   * has let go of it: some functions run on though cancelled, and who starts them must come to the end of his claim.
   */
  discard(upstream: Upstream, reason: string): void {
    upstream.owner = undefined
    const claim = this.#held.get(upstream)
    if (claim === undefined) return upstream.destroy(reason)
    const { onDestroyed } = upstream
    const letGo = () => {
      this.#retired.delete(upstream)
      onDestroyed?.()
      this.#letGo(upstream, claim)
      this.serve()
      this.#group.offer(this)
    }
    if (upstream.destroyed) return letGo()
    upstream.onDestroyed = letGo
    this.#retired.add(upstream)
    upstream.retire(reason)
    if (this.#closing.signal.aborted) upstream.destroy(reason)
  }

  /** Ends idle connections and turns away who waits. Connections still lent out end when they are given back. */
  close(): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(poolClosed())
    clearTimeout(this.#probeTimer)
    for (const waiter of [...this.#queue]) waiter.settle(poolClosed())
    this.#idle.close()
    for (const upstream of this.#retired) upstream.destroy('the pool is closed')
    this.#group.leave(this)
  }

  idleSinceMs(): number | undefined {
    return this.#idle.oldest?.lastUsedAtMs
  }

  evict(): void {
    this.#idle.oldest?.close('another pool needs its place')
  }

  starvedSinceMs(): number | undefined {
    if (this.size >= this.#options.sizeMax || this.#backoff.failing) return undefined
    let sinceMs: number | undefined
    for (const waiter of this.#queue.servable(this.#group))
      sinceMs = Math.min(sinceMs ?? waiter.sinceMs, waiter.sinceMs)
    return sinceMs
  }

  serve(): void {
    while (this.#queue.size > 0) {
      const upstream = this.#idle.take()
      if (!upstream) break
      if (!this.#lend(upstream)) {
        this.#idle.put(upstream)
        return
      }
    }
    if (this.#queue.size > 0) this.#grow()
  }

  /** Opens as many connections as those who wait could use; while the server is down one at a time, after a pause. */
  #grow(): void {
    if (this.#closing.signal.aborted) return
    const { pauseMs } = this.#backoff
    if (pauseMs > 0) {
      this.#probeTimer ??= setTimeout(() => {
        this.#probeTimer = undefined
        this.serve()
      }, pauseMs).unref()
      return
    }
    const wanted = Math.min(this.#queue.countServable(this.#group), this.#backoff.failing ? 1 : this.#options.sizeMax)
    while (this.#connecting < wanted && this.size < this.#options.sizeMax && this.#group.reserve(this)) {
      this.#connecting++
      void this.#connect()
    }
  }

  async #connect(): Promise<void> {
    try {
      const upstream = await this.#options.connect(this.#closing.signal)
      this.#connecting--
      this.#backoff.succeed()
      this.#adopt(upstream)
    } catch (error) {
      this.#connecting--
      this.#group.free()
      this.#backoff.fail(error)
      const { connectTimeoutMs } = this.#options
      for (const waiter of [...this.#queue]) {
        if (this.#down && Date.now() - waiter.sinceMs >= connectTimeoutMs)
          waiter.settle(serverDown(this.#backoff.cause))
      }
    }
    this.serve()
    this.#group.offer(this)
  }

  /** Keeps it for the next borrower, or gives its place to a pool that starves. */
  #shelve(upstream: Upstream): void {
    const starving = this.#group.findStarving(this)
    if (starving) {
      upstream.close('another pool needs its place')
      starving.serve()
      return
    }
    upstream.resume()
    upstream.lastUsedAtMs = Date.now()
    this.#idle.put(upstream)
  }

  #adopt(upstream: Upstream): void {
    this.#open++
    const onDestroyed = () => {
      this.#idle.remove(upstream)
      this.#open--
      this.#group.free()
    }
    if (upstream.destroyed) {
      onDestroyed()
      return
    }
    upstream.onDestroyed = onDestroyed
    if (this.#closing.signal.aborted) {
      upstream.close('the pool is closed')
      return
    }
    // To whoever is next, so that the shortest lifetime still serves somebody.
    if (!this.#lend(upstream)) this.#idle.put(upstream)
  }

  /** @returns false where nobody waits who may have it */
  #lend(upstream: Upstream): boolean {
    const waiter = this.#queue.take(this.#group)
    if (!waiter) return false
    this.#group.countWaiting(-1)
    this.#hold(upstream, waiter.claim)
    waiter.settle(upstream)
    return true
  }

  #hold(upstream: Upstream, claim: Claim): void {
    this.#held.set(upstream, claim)
    this.#group.hold(claim)
  }

  #letGo(upstream: Upstream, claim: Claim): void {
    this.#held.delete(upstream)
    this.#group.unhold(claim)
  }

  #enqueue(claim: Claim, signal: AbortSignal, done: (outcome: Upstream | SqlError) => void): void {
    const { connectTimeoutMs, queueWaitTimeoutMs } = this.#options
    const onAbort = () => waiter.settle(waitAborted(signal))
    const waiter: Waiter = {
      claim,
      sinceMs: Date.now(),
      settle: outcome => {
        clearTimeout(downTimer)
        clearTimeout(queueTimer)
        signal.removeEventListener('abort', onAbort)
        if (this.#queue.remove(waiter)) this.#group.countWaiting(-1)
        done(outcome)
      },
    }
    const downTimer = setTimeout(
      () => this.#down && waiter.settle(serverDown(this.#backoff.cause)),
      connectTimeoutMs,
    ).unref()
    const queueTimer = setTimeout(() => waiter.settle(this.#timedOut(claim)), queueWaitTimeoutMs).unref()
    signal.addEventListener('abort', onAbort)
    this.#queue.add(waiter)
    this.#group.countWaiting(1)
  }

  #timedOut(claim: Claim): SqlError {
    if (this.#down) return serverDown(this.#backoff.cause)
    const message = `no database connection became free within ${this.#options.queueWaitTimeoutMs} ms`
    return tooBusy(message, claim, this.#group)
  }
}
