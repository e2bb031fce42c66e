/** All databases that are served, as the control database has them now. */
import type { Pool } from 'pg'
import { type DatabaseRow, listDatabases } from '../control/database-rows.ts'
import { type LimitOverrides, readLimitOverrides } from '../control/limits.ts'
import { openGatePassword, type ReaderRow } from '../control/readers.ts'
import { SqlError } from '../errors.ts'
import type { SessionPrincipal } from '../session/served-database.ts'
import { Served, type ServedParts } from './served.ts'

const proveEveryMs = 60 * 60_000

export class Databases {
  readonly #parts: ServedParts
  readonly #control: Pool
  readonly #served = new Map<string, Served>()
  readonly #byTenant = new Map<string, Served[]>()
  #reloading: Promise<unknown> = Promise.resolve()
  readonly #hourly: NodeJS.Timeout
  /** Told of a database that is served no more: its sessions must end. */
  readonly #onClosed: (served: Served) => void

  private constructor(control: Pool, parts: ServedParts, onClosed: (served: Served) => void) {
    this.#control = control
    this.#parts = parts
    this.#onClosed = onClosed
    this.#hourly = setInterval(() => void this.proveAll(), proveEveryMs).unref()
  }

  static async open(control: Pool, parts: ServedParts, onClosed: (served: Served) => void): Promise<Databases> {
    const databases = new Databases(control, parts, onClosed)
    await databases.reload()
    return databases
  }

  /** Those of one tenant (by id), or all. */
  all(tenantId?: string): Served[] {
    return tenantId === undefined ? [...this.#served.values()] : [...(this.#byTenant.get(tenantId) ?? [])]
  }

  /** After its schemas have changed: this process serves them so at once, the others hear of it. */
  async refresh(databaseId: string): Promise<void> {
    await this.reload()
    const served = this.#served.get(databaseId)
    // Where nobody has used it yet it is read at its first use.
    if (served?.isReady === true) await served.refreshCatalog()
  }

  /** Brings what is served to what the control database says. One after the other, so that the last to read is the last to set. */
  reload(): Promise<void> {
    const reloaded = this.#reloading.then(() => this.#reload())
    this.#reloading = reloaded.catch(() => undefined)
    return reloaded
  }

  async #reload(): Promise<void> {
    const [rows, overrides] = await Promise.all([listDatabases(this.#control), readLimitOverrides(this.#control)])
    const wanted = new Map(rows.filter(isServed).map(row => [row.id, row]))
    for (const served of this.#served.values()) {
      const row = wanted.get(served.id)
      if (row === undefined || !this.#isSameWay(row, served.row)) this.#close(served)
      else served.update(row, overrides)
    }
    for (const row of wanted.values()) if (!this.#served.has(row.id)) this.#open(row, overrides)
  }

  #isSameWay(row: DatabaseRow, now: DatabaseRow): boolean {
    const { sealer, log } = this.#parts
    const asSealed = (reader: ReaderRow) => reader.gatePasswordSealed
    const opened = (reader: ReaderRow) => openGatePassword(reader, sealer)
    if (wayOf(row, asSealed) === wayOf(now, asSealed)) return true
    try {
      return wayOf(row, opened) === wayOf(now, opened)
    } catch (error) {
      log.error(
        { error, tenant: row.tenantName, database: row.alias },
        'the password of the gate login cannot be opened',
      )
      return false
    }
  }

  /** Attacks every database anew. What cannot be reached stays as it is, and is proved when it is next asked for. */
  async proveAll(): Promise<void> {
    for (const served of this.all()) {
      try {
        await served.prove()
        if (served.refusal() !== null) this.#onClosed(served)
      } catch (error) {
        served.log.warn({ error }, 'the database could not be attacked: it cannot be reached')
      }
    }
  }

  /**
   * The tenant's database of this alias or real name; where the client named none (libpq then sends the user's name),
   * the only one.
   * @throws SqlError 3D000
   */
  find(principal: SessionPrincipal, name: string | undefined): Served {
    const own = this.all(principal.tenant)
    const found = own.find(served => served.alias === name) ?? own.find(served => served.name === name)
    if (found !== undefined) return found
    const [only, second] = own
    const unnamed = name === undefined || name === principal.login || name === principal.name
    if (unnamed && only !== undefined && second === undefined) return only
    throw new SqlError({
      code: '3D000',
      message: unnamed ? 'name a database' : `database "${name}" does not exist`,
      hint:
        own.length === 0
          ? 'This tenant has no database yet.'
          : `There is ${own.map(served => served.alias).join(', ')}.`,
    })
  }

  close(): void {
    clearInterval(this.#hourly)
    for (const served of this.all()) this.#close(served)
  }

  #open(row: DatabaseRow, overrides: LimitOverrides): void {
    try {
      const served = new Served(row, overrides, this.#parts)
      this.#served.set(row.id, served)
      this.#byTenant.set(row.tenantId, [...this.all(row.tenantId), served])
    } catch (error) {
      this.#parts.log.error({ error, tenant: row.tenantName, database: row.alias }, 'the database cannot be served')
    }
  }

  #close(served: Served): void {
    this.#served.delete(served.id)
    const left = this.all(served.tenant).filter(other => other !== served)
    if (left.length > 0) this.#byTenant.set(served.tenant, left)
    else this.#byTenant.delete(served.tenant)
    served.close()
    this.#onClosed(served)
  }
}

function isServed(row: DatabaseRow): boolean {
  const made = row.kind === 'external' || row.provisionedAt !== null
  return made && row.disabledAt === null && row.tenantDisabledAt === null
}

/** Everything that a connection depends on: if it changes, the pool is another. How secrets are sealed is no part of it. */
function wayOf(row: DatabaseRow, passwordOf: (reader: ReaderRow) => string): string {
  const { dbname, alias, pooling, trust } = row
  const server = { ...row.server, provisionerPasswordSealed: '' }
  const readers = row.readers.map(reader => ({ ...reader, gatePasswordSealed: passwordOf(reader) }))
  return JSON.stringify({ dbname, alias, pooling, trust, server, readers })
}
