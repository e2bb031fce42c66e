/** What opens a session, and what a statement of it is judged under. */
import type { AuditSink } from '../audit/record.ts'
import type { Parser } from '../guard/parse.ts'
import type { Limits } from '../guard/policy.ts'
import type { Judgement } from './judgement.ts'
import type { StatementRun } from './run.ts'
import type { ServedDatabase, SessionPrincipal } from './served-database.ts'
import type { Sink } from './sink.ts'
import type { Sweep } from './sweep.ts'

/** A door may ask for less than the policy allows, never for more. */
export type NarrowLimits = Partial<
  Pick<Limits, 'rowsMax' | 'bytesMax' | 'statementTimeoutMs' | 'wallClockMs' | 'atRowLimit'>
>

/** Which request of its door a statement belongs to. */
export interface Origin {
  readonly requestId: string
  /** W3C trace id, 32 hex digits. */
  readonly traceId: string | undefined
}

export type Door = 'wire' | 'mcp' | 'cli' | 'job' | 'catalog'

export interface SessionOptions {
  readonly principal: SessionPrincipal
  readonly database: ServedDatabase
  readonly door: Door
  readonly sink: Sink
  readonly client: { readonly address: string; readonly applicationName: string }
  /** Settings of the startup packet, name and value as the client sent them: each is treated as a SET. */
  readonly startupSettings: readonly (readonly [string, string])[]
  readonly virtualPid: number
  /** Identifies the session in the audit. */
  readonly id: string
  /** Schemas that unqualified names are looked for in; the database's own where it is left out. */
  readonly searchPath?: readonly string[] | undefined
  readonly limits?: NarrowLimits | undefined
  /** Settings that the session begins with, name and values; RESET goes back to them. */
  readonly settings?: readonly (readonly [string, readonly string[]])[] | undefined
  /** Asked at each statement; undefined: the session counts its requests itself. */
  readonly origin?: (() => Origin | undefined) | undefined
  /** Told of every statement that ended, before its end goes to the sink. */
  readonly onEnded?: ((run: StatementRun) => void) | undefined
  /** Makes a schema of a builder's run; left out: none can be made. @throws SqlError */
  readonly createSchema?: ((name: string) => Promise<'created' | 'exists'>) | undefined
  readonly services: SessionServices
}

/** What all sessions of a process share. */
export interface SessionServices {
  readonly audit: AuditSink
  readonly parser: Parser
  readonly judgement: Judgement
  readonly sweep: Sweep
  readonly log: { error(fields: object, message: string): void }
  /** Counts a request to run something, where such requests are limited. @throws SqlError 53400 */
  readonly admit?: ((principal: SessionPrincipal) => Promise<void> | undefined) | undefined
  /** Milliseconds since the epoch. */
  readonly now: () => number
}
