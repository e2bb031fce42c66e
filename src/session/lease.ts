/**
 * The upstream connection that a session holds while it needs one: taken from the pool, brought to the client's settings,
 * written to once a turn, given back at the end of the transaction.
 */
import { SqlError } from '../errors.ts'
import type { Claim } from '../upstream/claim.ts'
import type { Upstream, UpstreamOwner } from '../upstream/connection.ts'
import { encodeQuery } from '../wire/query.ts'
import type { Expectations } from './expectation.ts'
import type { ServedDatabase } from './served-database.ts'
import { type ClientSettings, replaySql, type Settings } from './settings.ts'

export interface LeaseParts {
  readonly owner: UpstreamOwner
  readonly expectations: Expectations
  readonly settings: ClientSettings
  readonly database: ServedDatabase
  readonly claim: () => Claim
  readonly now: () => number
}

export class Lease {
  upstream: Upstream | undefined
  /** The session is over: whatever still comes of it holds nothing. */
  closed = false
  /** The upstream takes less than is written to it: no more, until its `drain`. */
  isFull = false
  /** A cancel request of ours is under way. Never rejects. */
  stopping: Promise<void> | undefined
  /** Time that the last checkout waited. */
  waitedMs = 0
  private readonly parts: LeaseParts
  private outgoing: Buffer[] = []
  private paused = false
  private waiting: AbortController | undefined

  constructor(parts: LeaseParts) {
    this.parts = parts
  }

  get isWaiting(): boolean {
    return this.waiting !== undefined
  }

  /** Holds an upstream afterwards: at once where one is free, else once the returned promise resolves. @throws SqlError */
  hold(): Promise<void> | undefined {
    if (this.upstream !== undefined) return undefined
    if (this.closed) throw canceledByUser()
    const refusal = this.parts.database.refusal()
    if (refusal !== null) throw refusal
    this.waitedMs = 0
    const free = this.parts.database.pool.tryAcquire(this.parts.claim())
    if (free === undefined) return this.wait()
    this.take(free)
    return undefined
  }

  private async wait(): Promise<void> {
    const waiting = new AbortController()
    const since = this.parts.now()
    this.waiting = waiting
    try {
      const upstream = await this.parts.database.pool.acquire(this.parts.claim(), waiting.signal)
      if (waiting.signal.aborted) {
        this.parts.database.pool.release(upstream)
        throw waiting.signal.reason
      }
      this.waitedMs = this.parts.now() - since
      this.take(upstream)
    } finally {
      this.waiting = undefined
    }
  }

  /** Ends a wait for an upstream with `reason`. */
  stopWaiting(reason: SqlError): void {
    this.waiting?.abort(reason)
  }

  private take(upstream: Upstream): void {
    this.upstream = upstream
    upstream.owner = this.parts.owner
    const catalogVersion = this.parts.database.catalog().version
    if (upstream.catalogVersion !== catalogVersion) {
      if (upstream.statements.size > 0) this.forget(upstream)
      upstream.catalogVersion = catalogVersion
    }
    this.align()
  }

  /** Brings the upstream to the client's settings, by a Query of ours ahead of what follows. */
  align(): void {
    const { upstream } = this
    const { settings, expectations } = this.parts
    if (upstream === undefined || upstream.settingsKey === settings.wantedKey) return
    const sql = replaySql(upstream.settings, settings.wanted)
    if (sql === '') return
    expectations.add({ type: 'replay', settings: settings.wanted, key: settings.wantedKey })
    upstream.unnamedStatement = undefined
    this.write(encodeQuery(sql))
  }

  /** After DDL or a swap a cached plan's result type may be another: its statements are dropped, so that nobody sees that. */
  private forget(upstream: Upstream): void {
    upstream.statements.clear()
    upstream.unnamedStatement = undefined
    this.parts.expectations.add({ type: 'replay', settings: upstream.settings, key: upstream.settingsKey })
    this.write(encodeQuery('deallocate all'))
  }

  /** Queues bytes for the upstream; all of one turn leave in one write. */
  write(bytes: Buffer): void {
    if (this.outgoing.push(bytes) === 1) queueMicrotask(() => this.flush())
  }

  private flush(): void {
    const outgoing = this.outgoing
    if (outgoing.length === 0) return
    this.outgoing = []
    const first = outgoing[0]!
    if (this.upstream?.write(outgoing.length === 1 ? first : Buffer.concat(outgoing)) === false) this.isFull = true
  }

  /** The upstream has these settings now. */
  settled(settings: Settings, key: string): void {
    const upstream = this.upstream
    if (upstream === undefined) return
    upstream.settings = settings
    upstream.settingsKey = key
  }

  /** Stops what the upstream runs now. The pool lends it on only after the cancel has reached the server. */
  async cancel(): Promise<void> {
    const { upstream } = this
    if (upstream === undefined) return
    this.flush()
    try {
      await upstream.cancel()
    } catch {
      // What was to be stopped may be stopped by nothing else: the connection's end does it (client_connection_check_interval).
      upstream.destroy('a cancel request failed')
    }
  }

  /** The same by our own decision: until it settles, whatever was sent could be struck by it. */
  stop(): void {
    const stopping = this.cancel().finally(() => {
      if (this.stopping === stopping) this.stopping = undefined
    })
    this.stopping = stopping
  }

  /** Reads no more from the upstream until `resume`. */
  pause(): void {
    if (this.paused || this.upstream === undefined) return
    this.paused = true
    this.upstream.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.upstream?.resume()
  }

  /** Gives the upstream back, between transactions. */
  release(): void {
    const upstream = this.upstream
    if (upstream === undefined) return
    this.flush()
    this.resume()
    this.upstream = undefined
    this.isFull = false
    upstream.owner = undefined
    this.parts.database.pool.release(upstream)
  }

  /** Gives up an upstream that is in doubt. */
  discard(reason: string): void {
    const upstream = this.upstream
    this.outgoing = []
    this.paused = false
    this.isFull = false
    if (upstream === undefined) return
    this.upstream = undefined
    upstream.owner = undefined
    this.parts.database.pool.discard(upstream, reason)
  }
}

export function canceledByUser(): SqlError {
  return new SqlError({ code: '57014', message: 'canceling statement due to user request' })
}
