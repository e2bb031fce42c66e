/** What opens a session, and what a statement of it is judged under. */
import type { AuditSink } from '../audit/record.ts'
import type { Parser } from '../guard/parse.ts'
import type { Judgement } from './judgement.ts'
import type { ServedDatabase, SessionPrincipal } from './served-database.ts'
import type { Sink } from './sink.ts'
import type { Sweep } from './sweep.ts'

export interface SessionOptions {
  readonly principal: SessionPrincipal
  readonly database: ServedDatabase
  readonly door: 'wire' | 'mcp' | 'cli' | 'job'
  readonly sink: Sink
  readonly client: { readonly address: string; readonly applicationName: string }
  /** Settings of the startup packet, name and value as the client sent them: each is treated as a SET. */
  readonly startupSettings: readonly (readonly [string, string])[]
  readonly virtualPid: number
  /** Identifies the session in the audit. */
  readonly id: string
  readonly services: SessionServices
}

/** What all sessions of a process share. */
export interface SessionServices {
  readonly audit: AuditSink
  readonly parser: Parser
  readonly judgement: Judgement
  readonly sweep: Sweep
  readonly log: { error(fields: object, message: string): void }
  /** Milliseconds since the epoch. */
  readonly now: () => number
}
