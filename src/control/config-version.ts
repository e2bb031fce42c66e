/** How running instances learn of a change in the control database: a NOTIFY by trigger, and asking now and then. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Notification, Pool, PoolClient } from 'pg'

export interface ChangeWatch {
  /** The version that was last seen. */
  readonly version: bigint
  /** False: changes cannot be seen just now; what was read before may be out of date. */
  readonly connected: boolean
  /** The version that `onChange` has taken over. */
  readonly applied: bigint
  close(): Promise<void>
}

export interface WatchOptions {
  /** The connection is asked for the version so often: finds a lost NOTIFY, and a server that went away silently. */
  readonly pollMs?: number | undefined
  readonly retryMinMs?: number | undefined
  readonly retryMaxMs?: number | undefined
  readonly onFault?: ((error: Error) => void) | undefined
}

/** Takes a change over. Where it rejects it is called again, so that no change is missed. */
export type ChangeListener = (version: bigint) => void | Promise<void>

/**
 * Calls `onChange` within a second of every committed change; after a lost connection, once it stands again and the
 * version has moved. Never twice at once: changes that come meanwhile are taken over together afterwards. Takes one
 * connection of the pool for itself. Resolves when it listens, and rejects where that fails at first; later losses are
 * mended with growing pauses.
 */
export async function watchChanges(
  pool: Pool,
  onChange: ChangeListener,
  options: WatchOptions = {},
): Promise<ChangeWatch> {
  const watch = new Watch(pool, onChange, options)
  await watch.connect()
  return watch
}

export async function readConfigVersion(db: Pool | PoolClient): Promise<bigint> {
  const read = await db.query<{ version: string }>('select version from postern.config_version')
  return BigInt(read.rows[0]!.version)
}

class Watch implements ChangeWatch {
  version = -1n
  applied = -1n
  private applying: Promise<void> | undefined
  private readonly closing = new AbortController()
  private client: PoolClient | undefined
  private timer: NodeJS.Timeout | undefined
  private closed = false
  private failures = 0
  private readonly pool: Pool
  private readonly onChange: ChangeListener
  private readonly pollMs: number
  private readonly retryMinMs: number
  private readonly retryMaxMs: number
  private readonly onFault: (error: Error) => void

  constructor(pool: Pool, onChange: ChangeListener, options: WatchOptions) {
    this.pool = pool
    this.onChange = onChange
    this.pollMs = options.pollMs ?? 5_000
    this.retryMinMs = options.retryMinMs ?? 100
    this.retryMaxMs = options.retryMaxMs ?? 5_000
    this.onFault = options.onFault ?? (() => {})
  }

  get connected(): boolean {
    return this.client !== undefined
  }

  async connect(): Promise<void> {
    const client = await this.pool.connect()
    const lost = (error?: Error): void =>
      this.lose(client, error ?? new Error('the control database closed the connection'))
    client.on('notification', this.hear)
    client.on('error', lost)
    client.on('end', lost)
    try {
      await client.query('listen postern_config')
      // Asked after LISTEN, so that no change falls between the two.
      const version = await readConfigVersion(client)
      if (this.closed) throw new Error('the watch was closed')
      this.client = client
      this.failures = 0
      this.see(version)
      this.pollLater(client)
    } catch (error) {
      drop(client)
      throw error
    }
  }

  async close(): Promise<void> {
    this.closed = true
    this.closing.abort()
    clearTimeout(this.timer)
    const client = this.client
    this.client = undefined
    if (client !== undefined) drop(client)
    await this.applying
  }

  private readonly hear = (message: Notification): void => {
    if (message.channel === 'postern_config' && /^\d+$/.test(message.payload ?? '')) this.see(BigInt(message.payload!))
  }

  private see(version: bigint): void {
    if (version === this.version || this.closed) return
    if (this.version === -1n) this.applied = version
    this.version = version
    this.applying ??= this.apply().finally(() => {
      this.applying = undefined
    })
  }

  private async apply(): Promise<void> {
    for (let failures = 0; this.applied !== this.version && !this.closed; ) {
      const { version } = this
      try {
        await this.onChange(version)
        this.applied = version
        failures = 0
      } catch (error) {
        this.onFault(error instanceof Error ? error : new Error(String(error)))
        const pauseMs = this.pauseOf(failures++)
        await sleep(pauseMs, undefined, { signal: this.closing.signal, ref: false }).catch(() => {})
      }
    }
  }

  private pauseOf(failures: number): number {
    return Math.min(this.retryMaxMs, this.retryMinMs * 2 ** Math.min(failures, 10))
  }

  private pollLater(client: PoolClient): void {
    this.timer = setTimeout(() => void this.poll(client), this.pollMs)
    this.timer.unref()
  }

  private async poll(client: PoolClient): Promise<void> {
    const overdue = setTimeout(() => this.lose(client, new Error('the control database does not answer')), this.pollMs)
    try {
      const version = await readConfigVersion(client)
      if (client !== this.client) return
      this.see(version)
      this.pollLater(client)
    } catch (error) {
      this.lose(client, error instanceof Error ? error : new Error(String(error)))
    } finally {
      clearTimeout(overdue)
    }
  }

  private lose(client: PoolClient, error: Error): void {
    if (client !== this.client) return
    this.client = undefined
    drop(client)
    this.onFault(error)
    this.retryLater()
  }

  private retryLater(): void {
    clearTimeout(this.timer)
    if (this.closed) return
    const pauseMs = this.pauseOf(this.failures++)
    this.timer = setTimeout(() => {
      this.connect().catch((error: Error) => {
        if (this.closed) return
        this.onFault(error)
        this.retryLater()
      })
    }, pauseMs)
    this.timer.unref()
  }
}

/** Closes the connection rather than hand it back: it listens. */
function drop(client: PoolClient): void {
  client.removeAllListeners('notification')
  client.release(true)
}
