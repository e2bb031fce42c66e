/**
 * The guard's answer for one statement. A verdict is plain, immutable data: it may be cached and shared between
 * sessions, so it holds *where* a caller's own values go ({@link Splice} with a `fill`), never the values.
 */
import type { SqlErrorFields } from '../errors.ts'

export type StatementKind =
  | 'select'
  | 'explain'
  | 'copy'
  | 'declare'
  | 'fetch'
  | 'close'
  | 'set'
  | 'show'
  | 'transaction'
  | 'discard'
  | 'unlisten'
  | 'deallocate'
  | 'insert'
  | 'update'
  | 'delete'
  | 'merge'
  | 'truncate'
  | 'create'
  | 'refresh'
  | 'alter'
  | 'drop'
  | 'comment'
  | 'analyze'
  | 'grant'
  | 'empty'
  | 'other'

export type Verdict = RunVerdict | AnswerVerdict | RefuseVerdict

interface Judged {
  readonly statementKind: StatementKind
  /** `schema.name` of every relation that is read, through views too. */
  readonly relations: readonly string[]
  /** Functions by the name they were resolved to, `schema.name`. */
  readonly functions: readonly string[]
}

/** A text that goes upstream: the client's own, or that text with splices. */
export interface RunVerdict extends Judged {
  readonly kind: 'run'
  /** What goes upstream. Holes of `fills` are already in it, as the fill's placeholder constant. */
  readonly text: string
  /** In ascending order; empty when the client's own text runs. Lets an upstream error position be led back. */
  readonly splices: readonly Splice[]
  readonly effect: RunEffect
  /** A LIMIT is in force in `text` such that at most this many rows come; undefined: the session must bound Execute itself. */
  readonly limitPushed: number | undefined
  /** Calls that the session must track: set_config with a constant name. */
  readonly sets: readonly SetConfigCall[]
  /** Calls code outside the manifest (a tenant's function): the upstream may not be lent on as it is. */
  readonly dirties: boolean
  /** Numbers of parameters that must hold the name of a setting that is shown (`isShown` in settings.ts), or NULL. */
  readonly examines: readonly number[]
}

/** `start` and `end` are UTF-16 offsets into the client's statement text; `text` stands there instead upstream. */
export interface Splice {
  readonly start: number
  readonly end: number
  readonly text: string
  /** Where set, `text` is a placeholder of the same shape and the session puts this client's value there instead. */
  readonly fill?: 'virtual-pid'
}

export type RunEffect =
  | { readonly type: 'rows' }
  /** COPY … TO STDOUT. `header`: the first CopyData is a header and no row. `binary`: header and trailer are no rows. */
  | { readonly type: 'copy'; readonly header: boolean; readonly binary: boolean }
  /** COPY … FROM STDIN. */
  | { readonly type: 'copy-in' }
  /** DECLARE … CURSOR. */
  | { readonly type: 'declare'; readonly cursor: string }

/** set_config(name, value, is_local) beside whatever else the select list holds (asyncpg). */
export interface SetConfigCall {
  readonly name: string
  readonly value: { readonly constant: string } | { readonly parameter: number }
  readonly local: boolean
}

/** What the session does in its own words or answers by itself. */
export interface AnswerVerdict extends Judged {
  readonly kind: 'answer'
  readonly answer: Answer
}

export type Answer =
  | { readonly type: 'empty' }
  /** `values` are the arguments as text, one for all but list settings (search_path); null: SET … TO DEFAULT or RESET name. */
  | {
      readonly type: 'set'
      readonly name: string
      readonly values: readonly string[] | null
      readonly local: boolean
      readonly tag: 'SET' | 'RESET'
    }
  | { readonly type: 'show'; readonly name: string }
  | { readonly type: 'show-all' }
  | { readonly type: 'reset-all' }
  | { readonly type: 'discard'; readonly target: 'ALL' | 'PLANS' | 'TEMP' | 'SEQUENCES' }
  | { readonly type: 'close-cursor'; readonly cursor: string | null }
  | { readonly type: 'unlisten' }
  | { readonly type: 'deallocate'; readonly name: string | null }
  /** SET SESSION AUTHORIZATION DEFAULT, RESET ROLE, RESET SESSION AUTHORIZATION, SET ROLE NONE is refused. */
  | { readonly type: 'role-default'; readonly tag: 'SET' | 'RESET' }
  /** select pg_advisory_unlock_all(): one row, one void column of this name. */
  | { readonly type: 'advisory-unlock-all'; readonly column: string }
  /** CREATE SCHEMA of a run's own: the provisioner makes it. */
  | { readonly type: 'create-schema'; readonly schema: string; readonly ifNotExists: boolean }
  /** A builder's GRANT or REVOKE that concerns others than the reader. */
  | { readonly type: 'skip'; readonly tag: 'GRANT' | 'REVOKE'; readonly message: string }
  | TransactionAnswer
  /** FETCH and MOVE. count null: ALL. */
  | {
      readonly type: 'fetch'
      readonly cursor: string
      readonly direction: 'forward' | 'backward' | 'absolute' | 'relative'
      readonly count: number | null
      readonly move: boolean
    }

export type TransactionAnswer = {
  readonly type: 'transaction'
  readonly op:
    | 'begin'
    | 'start'
    | 'commit'
    | 'rollback'
    | 'savepoint'
    | 'release'
    | 'rollback-to'
    | 'set-transaction'
    | 'set-characteristics'
  readonly savepoint?: string
  readonly chain?: boolean
  readonly isolation?: 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable'
  readonly deferrable?: boolean
  /** The client asked for READ WRITE: accepted, stays read only. */
  readonly readWrite?: boolean
}

export interface RefuseVerdict extends Judged {
  readonly kind: 'refuse'
  readonly error: SqlErrorFields
  /** A stable word for audit and metrics: 'writes', 'function', 'relation', 'role', 'setting', 'node', 'syntax' … */
  readonly reason: string
}
