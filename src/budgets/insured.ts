/** What becomes of counting while the shared store is away: nobody is refused for it, and one line in the log says so. */
import type { Log } from '../observe/log.ts'
import type { Counter } from './counter.ts'

/** Not asked again for so long once it failed: callers must not wait for a store that hangs. */
const pauseMs = 1_000

export class Insured {
  readonly #counter: Counter
  readonly #log: Log
  readonly #now: () => number
  #awayUntilMs = 0
  #away = false

  constructor(counter: Counter, log: Log, now: () => number) {
    this.#counter = counter
    this.#log = log
    this.#now = now
  }

  /** The sum, or undefined where this process must count alone for now. */
  async add(key: string, count: number, ttlSeconds: number): Promise<number | undefined> {
    if (this.#now() < this.#awayUntilMs) return undefined
    try {
      const sum = await this.#counter.add(key, count, ttlSeconds)
      if (this.#away) this.#log.info({}, 'the store of call counts answers again')
      this.#away = false
      return sum
    } catch (error) {
      if (!this.#away)
        this.#log.warn({ error }, 'the store of call counts is away: each process counts alone meanwhile')
      this.#away = true
      this.#awayUntilMs = this.#now() + pauseMs
      return undefined
    }
  }

  close(): void {
    this.#counter.close()
  }
}
