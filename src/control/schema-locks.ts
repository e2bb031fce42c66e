/** One at a time works on a provisioned schema, in all processes together: an advisory lock of the control database. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { SqlError } from '../errors.ts'

/** Each holds a connection of the pool, and needs a second one now and then. */
const heldAtOnceMax = 3
const waitMaxMs = 30_000
const askEveryMs = 50

export class SchemaLocks {
  readonly #pool: Pool
  #free = heldAtOnceMax
  readonly #waiting: (() => void)[] = []

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /**
   * Runs `work` while nobody else holds the lock of this schema. A process that dies lets go of it.
   * @throws SqlError 55006 where somebody else has it for too long, 57014 where `signal` is aborted meanwhile
   */
  async hold<T>(
    databaseId: string,
    name: string,
    work: (client: PoolClient) => Promise<T>,
    o: { readonly signal?: AbortSignal | undefined; readonly waitMs?: number } = {},
  ): Promise<T> {
    const deadlineMs = performance.now() + (o.waitMs ?? waitMaxMs)
    for (;;) {
      if (o.signal?.aborted === true) throw cancelled()
      const held = await this.#attempt(databaseId, name, work)
      if (held !== undefined) return held.result
      if (performance.now() >= deadlineMs) throw busy(name)
      await sleep(askEveryMs)
    }
  }

  /** Undefined where somebody else holds the lock. */
  async #attempt<T>(
    databaseId: string,
    name: string,
    work: (client: PoolClient) => Promise<T>,
  ): Promise<{ readonly result: T } | undefined> {
    await this.#takeSlot()
    try {
      const client = await this.#pool.connect()
      let failure: Error | undefined
      // Lost while it is only held: what is asked of it next fails, and it does not go back to the pool.
      const onLost = (error: Error) => {
        failure = error
      }
      client.on('error', onLost)
      try {
        const key = `postern schema ${databaseId} ${name}`
        const asked = await client.query<{ got: boolean }>(
          'select pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0)) as got',
          [key],
        )
        if (asked.rows[0]?.got !== true) return undefined
        try {
          return { result: await work(client) }
        } finally {
          // A connection that cannot let go of it is closed, which does.
          await client
            .query('select pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended($1, 0))', [key])
            .catch((cause: Error) => {
              failure = cause
            })
        }
      } finally {
        client.off('error', onLost)
        client.release(failure)
      }
    } finally {
      this.#giveSlot()
    }
  }

  async #takeSlot(): Promise<void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  #giveSlot(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

function busy(name: string): SqlError {
  return new SqlError({
    code: '55006',
    message: `schema "${name}" is being changed by somebody else`,
    hint: 'Try again shortly.',
  })
}

/** What a caller gets who stopped waiting. */
export function cancelled(): SqlError {
  return new SqlError({ code: '57014', message: 'canceled at the request of the caller' })
}
