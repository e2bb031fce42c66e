/** Uses of provisioned schemas, written down in batches: a statement must not wait for it. */
import type { Pool } from 'pg'
import { touchSchemas } from '../control/tenant-schemas.ts'
import type { Log } from '../observe/log.ts'

const flushEveryMs = 5_000

export class SchemaTouches {
  readonly #control: Pool
  readonly #log: Pick<Log, 'warn'>
  /** By database. */
  #touched = new Map<string, Set<string>>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(control: Pool, log: Pick<Log, 'warn'>) {
    this.#control = control
    this.#log = log
  }

  note(databaseId: string, schemas: Iterable<string>): void {
    const touched = this.#touched.get(databaseId) ?? new Set()
    for (const schema of schemas) touched.add(schema)
    this.#touched.set(databaseId, touched)
    this.#timer ??= setTimeout(() => void this.flush(), flushEveryMs).unref()
  }

  /** What cannot be written now is kept for the next time. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  async close(): Promise<void> {
    await this.flush()
    clearTimeout(this.#timer)
  }

  async #write(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const touched = this.#touched
    this.#touched = new Map()
    for (const [databaseId, schemas] of touched) {
      try {
        await touchSchemas(this.#control, databaseId, [...schemas])
      } catch (error) {
        this.#log.warn({ error }, 'uses of provisioned schemas could not be written down')
        this.note(databaseId, schemas)
      }
    }
  }
}
