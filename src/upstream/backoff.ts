/** Failures in a row, and how long to wait before the next attempt: doubling from the least to the most. */
export class Backoff {
  readonly #delayMinMs: number
  readonly #delayMaxMs: number
  #failures = 0
  #nextAtMs = 0
  /** The last failure. */
  cause: unknown

  constructor(delayMinMs: number, delayMaxMs: number) {
    this.#delayMinMs = delayMinMs
    this.#delayMaxMs = delayMaxMs
  }

  get failing(): boolean {
    return this.#failures > 0
  }

  get pauseMs(): number {
    return this.failing ? this.#nextAtMs - Date.now() : 0
  }

  fail(cause: unknown): void {
    this.cause = cause
    this.#nextAtMs = Date.now() + Math.min(this.#delayMaxMs, this.#delayMinMs * 2 ** this.#failures++)
  }

  succeed(): void {
    this.#failures = 0
    this.cause = undefined
  }
}
