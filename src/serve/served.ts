/** One tenant database as sessions see it: its pool, its catalog as of the last second, and who may do what there. */
import type { Config } from '../config.ts'
import type { DatabaseRow } from '../control/database-rows.ts'
import type { LimitOverrides } from '../control/limits.ts'
import { resolvePolicy } from '../control/policies.ts'
import type { Sealer } from '../control/sealer.ts'
import { SqlError } from '../errors.ts'
import type { CatalogSnapshot } from '../guard/catalog.ts'
import type { Parser } from '../guard/parse.ts'
import type { Policy } from '../guard/policy.ts'
import { reviewCatalog } from '../guard/review.ts'
import type { Log } from '../observe/log.ts'
import type { AttackReport } from '../provision/self-attack.ts'
import { catalogVersion, readCatalog } from '../provision/snapshot.ts'
import { describeMissing, isServable, missingLocks } from '../provision/trust.ts'
import type { CallerDatabase, DatabaseAbout } from '../session/callers.ts'
import type { SessionPrincipal } from '../session/served-database.ts'
import { Sweep, type Swept } from '../session/sweep.ts'
import type { Upstream } from '../upstream/connection.ts'
import { Pool } from '../upstream/pool.ts'
import type { PoolGroup } from '../upstream/pool-group.ts'
import { pinsFor } from './pins.ts'
import { repairGate } from './provisioning.ts'
import { attackGate, connectGate, type GateWay, gateWayOf, isMendable } from './upstreams.ts'

export interface ServedParts {
  readonly config: Config
  readonly sealer: Sealer
  readonly group: PoolGroup
  readonly parser: Parser
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

const pollMs = 1_000
const repairEveryMs = 60_000
/** A connection for our own questions is kept so long after the last session has gone. */
const watchKeptMs = 60_000

/** The clocks of a database's sessions, which also tell how many there are. */
class Present extends Sweep {
  count = 0

  override add(session: Swept): void {
    this.count++
    super.add(session)
  }

  override delete(session: Swept): void {
    this.count--
    super.delete(session)
  }
}

export class Served implements CallerDatabase {
  readonly id: string
  readonly tenant: string
  readonly name: string
  readonly alias: string
  readonly pooling: 'transaction' | 'session'
  readonly pool: Pool
  readonly log: Log
  readonly sessions: Present
  row: DatabaseRow
  readonly #parts: ServedParts
  readonly #way: GateWay
  #overrides: LimitOverrides
  #policies = new Map<string, Policy>()
  #catalog: CatalogSnapshot | undefined
  #parameters: ReadonlyMap<string, string> = new Map()
  #refusal: SqlError | null = null
  #report: AttackReport | undefined
  #preparing: Promise<AttackReport> | undefined
  #refreshing: Promise<CatalogSnapshot> | undefined
  #watcher: Promise<Upstream> | undefined
  #poll: NodeJS.Timeout | undefined
  #emptySinceMs = 0
  #repairedAtMs = 0

  /** @throws SqlError 55000, XX001 where its login is not there or cannot be opened */
  constructor(row: DatabaseRow, overrides: LimitOverrides, parts: ServedParts) {
    this.#parts = parts
    this.#overrides = overrides
    this.#way = gateWayOf(row, parts.sealer, parts.config.pool.connectTimeoutMs)
    this.row = row
    this.id = row.id
    this.tenant = row.tenantId
    this.name = row.dbname
    this.alias = row.alias
    this.pooling = row.pooling
    this.log = parts.log.child({ tenant: row.tenantName, database: row.alias })
    this.sessions = new Present(parts.now)
    this.pool = new Pool({
      ...parts.config.pool,
      key: row.id,
      group: parts.group,
      connect: signal => this.#connect(signal),
    })
  }

  catalog(): CatalogSnapshot {
    if (this.#catalog !== undefined) return this.#catalog
    throw new SqlError({
      code: '57P03',
      message: `database "${this.alias}" is not ready yet`,
      hint: 'Try again shortly.',
    })
  }

  /** Reads the catalog again if it changed; who asks meanwhile gets the same answer. */
  refreshCatalog(): Promise<CatalogSnapshot> {
    this.#refreshing ??= this.#readCatalog().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  policyOf(principal: SessionPrincipal): Policy {
    const known = this.#policies.get(principal.id)
    if (known !== undefined) return known
    const policy = resolvePolicy(this.#parts.config.limits, this.row, this.#overrides, principal.id)
    this.#policies.set(principal.id, policy)
    return policy
  }

  get about(): DatabaseAbout {
    const { kind, schemas, trust } = this.row
    const proved = this.#report === undefined ? 'unknown' : 'serving'
    const state = this.#refusal === null ? proved : 'refused'
    return { kind, schemas, defaultSchema: schemas[0]!, state, trust }
  }

  parameters(): ReadonlyMap<string, string> {
    return this.#parameters
  }

  refusal(): SqlError | null {
    return this.#refusal
  }

  /** Whether its catalog has been read. */
  get isReady(): boolean {
    return this.#catalog !== undefined
  }

  /** What the last self-attack found. */
  proof(): { readonly held: number; readonly guardOnly: readonly string[] } {
    const outcomes = this.#report?.outcomes ?? []
    const guardOnly = outcomes.filter(({ kind, verdict }) => kind === 'guard-only' && verdict !== 'held')
    return {
      held: outcomes.filter(({ kind, verdict }) => kind === 'must-fail' && verdict === 'held').length,
      guardOnly: guardOnly.map(({ name, evidence }) => (evidence === null ? name : `${name}: ${evidence}`)),
    }
  }

  /** Policy and limits changed; how the database is reached did not. */
  update(row: DatabaseRow, overrides: LimitOverrides): void {
    this.row = row
    this.#overrides = overrides
    this.#policies = new Map()
  }

  /** Before each session: attacked and read at the first, then polled as long as there are any. @throws SqlError why it is not served */
  async ready(): Promise<void> {
    if (this.#catalog === undefined) await this.prove()
    else if (this.sessions.count === 0) await this.refreshCatalog()
    if (this.#refusal !== null) throw this.#refusal
    this.#emptySinceMs = this.#parts.now()
    this.#poll ??= setInterval(() => void this.#tick(), pollMs).unref()
  }

  /** Attacks the database through its own login, and serves it only if every lock holds. @throws SqlError where it cannot be reached */
  prove(): Promise<AttackReport> {
    this.#preparing ??= this.#prove().finally(() => {
      this.#preparing = undefined
    })
    return this.#preparing
  }

  close(): void {
    this.#refusal = new SqlError({ code: '57P01', message: `database "${this.alias}" is not served any more` })
    clearInterval(this.#poll)
    this.#closeWatcher('the database is not served any more')
    this.pool.close()
  }

  async #connect(signal?: AbortSignal): Promise<Upstream> {
    try {
      return await this.#connectOnce(signal)
    } catch (error) {
      const now = this.#parts.now()
      if (!isMendable(error) || this.row.ownerRole === null || now - this.#repairedAtMs < repairEveryMs) throw error
      this.#repairedAtMs = now
      await repairGate(this.row, this.#parts.sealer, pinsFor(this.#parts.config, this.row, this.#overrides))
      this.log.warn({ error }, 'the gate login had lost its pins or its password; they are set again')
      return await this.#connectOnce(signal)
    }
  }

  /** Connects once, which mends a gate that can be mended; what cannot be is the attack's to name. */
  async #mend(): Promise<void> {
    try {
      const upstream = await this.#connect()
      upstream.destroy('it was only tried')
    } catch (error) {
      if (!isMendable(error)) throw error
    }
  }

  async #connectOnce(signal?: AbortSignal): Promise<Upstream> {
    const upstream = await connectGate(this.#way, signal)
    this.#parameters = new Map(upstream.parameters)
    return upstream
  }

  async #prove(): Promise<AttackReport> {
    await this.#mend()
    const report = await attackGate(this.#way, this.row)
    this.#report = report
    this.#refusal = isServable(report, this.row.trust) ? null : notServed(this.alias)
    for (const { name, verdict, evidence, mend } of this.#refusal === null ? [] : missingLocks(report)) {
      this.log.error({ attack: name, verdict, evidence, mend }, 'a lock does not hold: the database is not served')
    }
    if (report.passed) this.log.info(this.proof(), 'all locks hold')
    else if (this.#refusal === null)
      this.log.info({ missing: describeMissing(report) }, 'served behind the guard alone')
    if (this.#refusal === null) await this.refreshCatalog()
    return report
  }

  async #readCatalog(): Promise<CatalogSnapshot> {
    const watcher = await this.#watch()
    try {
      const query = (sql: string) => watcher.query(sql)
      if (this.#catalog?.version !== undefined && this.#catalog.version === (await catalogVersion(query)))
        return this.#catalog
      const raw = await readCatalog(query)
      this.#catalog = reviewCatalog(raw, text => this.#parts.parser.parseNow(text))
      return this.#catalog
    } catch (error) {
      this.#closeWatcher('its last question failed')
      throw error
    }
  }

  /** The connection for our own questions, apart from the pool: callers who hold every connection do not blind us. */
  #watch(): Promise<Upstream> {
    this.#watcher ??= this.#connect().then(upstream => {
      upstream.onDestroyed = () => {
        this.#watcher = undefined
      }
      return upstream
    })
    this.#watcher.catch(() => {
      this.#watcher = undefined
    })
    return this.#watcher
  }

  #closeWatcher(reason: string): void {
    const watcher = this.#watcher
    this.#watcher = undefined
    watcher?.then(
      upstream => upstream.destroy(reason),
      () => undefined, // it never came to be
    )
  }

  async #tick(): Promise<void> {
    const now = this.#parts.now()
    if (this.sessions.count > 0) this.#emptySinceMs = now
    if (now - this.#emptySinceMs > watchKeptMs) {
      clearInterval(this.#poll)
      this.#poll = undefined
      this.#closeWatcher('no session needs it')
      return
    }
    if (this.sessions.count === 0 || this.#refreshing !== undefined) return
    try {
      await this.refreshCatalog()
    } catch (error) {
      this.log.warn({ error }, 'the catalog could not be read again')
    }
  }
}

function notServed(alias: string): SqlError {
  return new SqlError({
    code: '57P03',
    message: `database "${alias}" is not served: a lock of it does not hold`,
    hint: 'The log of the gateway names the lock and how to mend it.',
  })
}
