/**
 * A worker thread with a large stack that parses one text at a time. It is replaced whenever it fails or takes too
 * long; the text that did that is refused with 54001 and the others wait for the replacement.
 */
import { Worker } from 'node:worker_threads'
import { SqlError, type SqlErrorFields } from '../errors.ts'
import { tooComplex } from './prescan.ts'

const stackSizeMb = 16
const heapMaxMb = 512
const parseTimeoutMs = 1_000
const startTimeoutMs = 30_000
const restartDelayMs = 1_000
const waitingMax = 1_000

type Answer = 'ready' | { readonly tree: string } | { readonly error: SqlErrorFields }

interface Job {
  readonly text: string
  readonly resolve: (tree: string) => void
  readonly reject: (error: SqlError) => void
}

export class ParseThread {
  #worker: Worker
  #ready = false
  #closed = false
  #current: Job | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #waiting: Job[] = []

  constructor() {
    this.#worker = this.#start()
  }

  /** The tree as JSON. Rejects with SqlError: the grammar's own, 54001 for a text that breaks the parser, 53000 when too many wait. */
  parse(text: string): Promise<string> {
    if (this.#closed) return Promise.reject(closedError())
    if (this.#waiting.length >= waitingMax) {
      return Promise.reject(
        new SqlError({
          code: '53000',
          message: 'too many long statements wait to be parsed',
          hint: 'Try again in a moment.',
        }),
      )
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, resolve, reject })
      this.#next()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const job of [this.#current, ...this.#waiting.splice(0)]) job?.reject(closedError())
    this.#current = undefined
    await this.#worker.terminate()
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './parse-worker.ts' : './parse-worker.js'
    const worker = new Worker(new URL(file, import.meta.url), {
      resourceLimits: { stackSizeMb, maxOldGenerationSizeMb: heapMaxMb },
      execArgv: [],
    })
    worker.unref()
    worker.on('message', (answer: Answer) => this.#answered(worker, answer))
    worker.on('error', cause => this.#failed(worker, cause))
    worker.on('exit', () => this.#failed(worker, new Error('the parse worker ended')))
    this.#ready = false
    this.#watch(worker, startTimeoutMs)
    return worker
  }

  #answered(worker: Worker, answer: Answer): void {
    if (worker !== this.#worker) return
    clearTimeout(this.#timer)
    const job = this.#current
    this.#current = undefined
    if (answer === 'ready') this.#ready = true
    else if ('tree' in answer) job?.resolve(answer.tree)
    else job?.reject(new SqlError(answer.error))
    this.#next()
  }

  #failed(worker: Worker, cause: Error): void {
    if (worker !== this.#worker || this.#closed) return
    clearTimeout(this.#timer)
    const job = this.#current
    this.#current = undefined
    void worker.terminate()
    job?.reject(tooComplex('the parser gave up on it', cause))
    if (this.#ready) this.#worker = this.#start()
    else this.#startLater(cause)
  }

  /** A worker that never came up: whoever waits is refused, and the next attempt is not at once. */
  #startLater(cause: Error): void {
    for (const job of this.#waiting.splice(0)) {
      job.reject(new SqlError({ code: '53000', message: 'the parser could not be started', cause }))
    }
    this.#timer = setTimeout(() => {
      if (!this.#closed) this.#worker = this.#start()
    }, restartDelayMs)
    this.#timer.unref()
  }

  #next(): void {
    if (!this.#ready || this.#current !== undefined) return
    this.#current = this.#waiting.shift()
    if (this.#current === undefined) return
    this.#watch(this.#worker, parseTimeoutMs)
    this.#worker.postMessage(this.#current.text)
  }

  #watch(worker: Worker, timeoutMs: number): void {
    this.#timer = setTimeout(
      () => this.#failed(worker, new Error(`the parse worker took more than ${timeoutMs} ms`)),
      timeoutMs,
    )
    this.#timer.unref()
  }
}

function closedError(): SqlError {
  return new SqlError({ code: '57P01', message: 'the parser is closed' })
}
