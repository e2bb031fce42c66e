/** One piece of work for all who want the same at the same time. It is given up when the last of them has left. */
import { SqlError } from '../errors.ts'

interface Flight<Result> {
  readonly result: Promise<Result>
  readonly stop: AbortController
  waiting: number
}

export class SharedWork<Result> {
  private readonly flights = new Map<string, Flight<Result>>()

  /** @throws SqlError 57014 where `signal` is aborted; else what the work throws, to all who wait for it */
  async run(
    key: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    return await this.join(this.flights.get(key) ?? this.start(key, work), key, signal)
  }

  /** As `run`, but never what began before the call. */
  async runAnew(
    key: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const running = this.flights.get(key)
    // How it ends does not matter to who wants it anew.
    if (running !== undefined) await withSignal(running.result, signal).catch(() => {})
    return await this.run(key, signal, work)
  }

  private start(key: string, work: (signal: AbortSignal) => Promise<Result>): Flight<Result> {
    const stop = new AbortController()
    const result = work(stop.signal).finally(() => this.forget(key, flight))
    const flight: Flight<Result> = { result, stop, waiting: 0 }
    // Told to those who wait; where all have left, nobody.
    result.catch(() => {})
    this.flights.set(key, flight)
    return flight
  }

  private async join(flight: Flight<Result>, key: string, signal: AbortSignal | undefined): Promise<Result> {
    flight.waiting++
    try {
      return await withSignal(flight.result, signal)
    } finally {
      flight.waiting--
      if (flight.waiting === 0) {
        this.forget(key, flight)
        flight.stop.abort()
      }
    }
  }

  private forget(key: string, flight: Flight<Result>): void {
    if (this.flights.get(key) === flight) this.flights.delete(key)
  }
}

async function withSignal<Result>(result: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return await result
  if (signal.aborted) throw cancelled()
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(cancelled())
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([result, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function cancelled(): SqlError {
  return new SqlError({ code: '57014', message: 'canceling statement due to user request' })
}
