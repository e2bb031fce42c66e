/**
 * Sessions for doors whose callers ask one statement at a time: judged, run, counted and audited as on the wire. A session
 * that came back as it was opened is kept for the same caller's next statement; it holds no connection meanwhile.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { SqlError } from '../errors.ts'
import type { StatementKind } from '../guard/verdict.ts'
import { abortable } from './abortable.ts'
import { type Collected, CollectingSink, collect } from './collect.ts'
import type { Door, NarrowLimits, Origin, SessionServices } from './context.ts'
import { canceledByUser } from './lease.ts'
import type { StatementRun } from './run.ts'
import type { ServedDatabase, SessionPrincipal } from './served-database.ts'
import { openSession, type Session } from './session.ts'
import { outcomeOf } from './statement-answer.ts'
import type { Sweep } from './sweep.ts'

/** A served database, the clocks of its sessions, and what its users may be told of it. */
export interface CallerDatabase extends ServedDatabase {
  readonly about: DatabaseAbout
  readonly sessions: Sweep
  /** To be waited for before a session is opened. @throws SqlError why it is not served */
  ready(): Promise<void>
}

export interface DatabaseAbout {
  readonly kind: 'managed' | 'external'
  readonly schemas: readonly string[]
  readonly defaultSchema: string
  /** owner-login: its login may write, so that the guard and read-only transactions stand alone. */
  readonly trust: 'proven' | 'owner-login'
  /** 'unknown': nobody has used it yet since the start. */
  readonly state: 'serving' | 'refused' | 'unknown'
}

export interface StatementRequest {
  readonly principal: SessionPrincipal
  readonly database: CallerDatabase
  /** One statement. */
  readonly text: string
  /** Text forms; the server infers their types. */
  readonly parameters: readonly (string | null)[]
  /** Schemas; the database's own where it is left out. */
  readonly searchPath?: readonly string[] | undefined
  readonly limits?: NarrowLimits | undefined
  /** Bytes kept of one value. */
  readonly cellKeepBytes?: number | undefined
  /** Bytes kept of all values together. */
  readonly keepBytes?: number | undefined
  readonly client: { readonly address: string; readonly applicationName: string }
  readonly origin?: Origin | undefined
  /** Its abort stops the statement on the server: the answer is 57014 then. */
  readonly signal?: AbortSignal | undefined
}

export interface StatementAnswer extends Collected {
  readonly statementKind: StatementKind
  /** What ran: the caller's own text, or that with the guard's splices. */
  readonly sqlExecuted: string
  /** `schema.name`, through views too. */
  readonly relations: readonly string[]
  /** Exact: a result of as many rows as the limit allows is whole. 'bytes': what came after did not fit. */
  readonly truncated: 'rows' | 'bytes' | undefined
  /** Waiting for a connection, and running. */
  readonly waitMs: number
  readonly runMs: number
}

export interface CallerSessionsOptions {
  readonly services: Omit<SessionServices, 'sweep'>
  readonly door: Door
  /** Kept without use for so long. */
  readonly idleTimeoutMs?: number | undefined
  readonly idleMax?: number | undefined
}

/** Who has a session open, as revocation asks. */
export interface OpenCaller {
  readonly tenantId: string
  readonly principalId: string
  readonly credential: string | null
  readonly database: CallerDatabase
}

interface Caller {
  readonly key: string
  readonly session: Session
  readonly sink: CollectingSink
  readonly request: StatementRequest
  origin: Origin | undefined
  last: StatementRun | undefined
  idleSinceMs: number
}

const keepBytes = 1024 * 1024 * 1024
/** Values read alike, whatever the server or the database is set to. */
const valueSettings = [
  ['datestyle', ['ISO', 'MDY']],
  ['intervalstyle', ['postgres']],
  ['bytea_output', ['hex']],
  ['extra_float_digits', ['1']],
] as const

export class CallerSessions {
  private readonly options: CallerSessionsOptions
  private readonly busy = new Set<Caller>()
  /** Oldest first. */
  private idle: Caller[] = []
  private readonly timer: NodeJS.Timeout

  constructor(options: CallerSessionsOptions) {
    this.options = options
    this.timer = setInterval(() => this.forgetIdle(), 1_000).unref()
  }

  /**
   * Runs one statement. The door flushes the audit before it answers its caller.
   * @throws SqlError as the wire would give it: 57014 is the caller's own cancel where `signal` is aborted, else a timeout
   */
  async run(request: StatementRequest): Promise<StatementAnswer> {
    if (request.signal?.aborted === true) throw canceledByUser()
    const caller = await this.take(request)
    let kept = false
    try {
      const collected = await this.ask(caller, request)
      const { last } = caller
      if (last === undefined && collected.tag !== '') throw new Error('a statement ended without a run')
      kept = last === undefined || isHarmless(last)
      return { ...collected, ...outcomeOf(last, collected, request.text) }
    } catch (error) {
      // A refusal or a failed statement leaves nothing behind; a session that ended is not idle.
      kept = error instanceof SqlError && error.severity === 'ERROR' && error.code !== '57014'
      throw error
    } finally {
      this.giveBack(caller, kept)
    }
  }

  sessions(): readonly OpenCaller[] {
    return [...this.busy, ...this.idle].map(({ request: { principal, database } }) => ({
      tenantId: principal.tenant,
      principalId: principal.id,
      credential: principal.credential ?? null,
      database,
    }))
  }

  /** Ends the sessions that match; statements that run get `error`. */
  end(matches: (about: OpenCaller) => boolean, error: SqlError): void {
    const all = [...this.busy, ...this.idle]
    const chosen = new Set(this.sessions().flatMap((about, i) => (matches(about) ? [all[i]!] : [])))
    this.idle = this.idle.filter(caller => !chosen.has(caller))
    for (const caller of chosen) caller.session.expire(error.fatal())
  }

  async close(): Promise<void> {
    clearInterval(this.timer)
    const all = [...this.busy, ...this.idle]
    this.idle = []
    await Promise.all(all.map(caller => caller.session.close()))
  }

  private async take(request: StatementRequest): Promise<Caller> {
    await request.database.ready()
    const key = keyOf(request)
    // The newest first: the others can grow old.
    const at = this.idle.findLastIndex(caller => caller.key === key && caller.request.database === request.database)
    const [known] = at === -1 ? [] : this.idle.splice(at, 1)
    const caller = known ?? (await this.open(key, request))
    this.busy.add(caller)
    return caller
  }

  private async open(key: string, request: StatementRequest): Promise<Caller> {
    const { services, door } = this.options
    const { principal, database, client, searchPath, limits } = request
    const sink = new CollectingSink()
    let caller: Caller | undefined
    const session = await openSession({
      principal,
      database,
      door,
      sink,
      client,
      startupSettings: [],
      virtualPid: randomInt(1, 2 ** 31),
      id: randomUUID(),
      searchPath,
      limits,
      settings: valueSettings,
      origin: () => caller?.origin,
      onEnded: run => {
        if (caller !== undefined) caller.last = run
      },
      services: { ...services, sweep: database.sessions },
    })
    caller = { key, session, sink, request, origin: undefined, last: undefined, idleSinceMs: 0 }
    return caller
  }

  private async ask(caller: Caller, request: StatementRequest): Promise<Collected> {
    const { session, sink } = caller
    const { signal, text, parameters, origin } = request
    caller.origin = origin
    caller.last = undefined
    sink.keep = { cellBytes: request.cellKeepBytes ?? keepBytes, bytes: request.keepBytes ?? keepBytes }
    return abortable(session, signal, () => collect(session, sink, text, parameters))
  }

  private giveBack(caller: Caller, kept: boolean): void {
    this.busy.delete(caller)
    if (!kept || !caller.session.idle || caller.session.ended) {
      void caller.session.close()
      return
    }
    caller.origin = undefined
    caller.idleSinceMs = this.options.services.now()
    this.idle.push(caller)
    if (this.idle.length > (this.options.idleMax ?? 256)) void this.idle.shift()?.session.close()
  }

  private forgetIdle(): void {
    const before = this.options.services.now() - (this.options.idleTimeoutMs ?? 60_000)
    const kept = this.idle.filter(caller => caller.idleSinceMs >= before && !caller.session.ended)
    const gone = this.idle.filter(caller => !kept.includes(caller))
    this.idle = kept
    for (const caller of gone) void caller.session.close()
  }
}

function keyOf({ principal, searchPath, limits, client }: StatementRequest): string {
  const { tenant, id, credential, expiresAt } = principal
  return JSON.stringify([tenant, id, credential, expiresAt, searchPath, limits, client])
}

/** Rows were read and nothing was set: the next statement finds the session as a new one would be. */
function isHarmless({ plan: { effect } }: StatementRun): boolean {
  return effect.type === 'rows' && effect.sets.length === 0
}
