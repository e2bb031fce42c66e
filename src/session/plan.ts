/**
 * What a session does for one judged statement: the text that goes upstream (the client's own, spliced, or our own words
 * where the guard says that we answer), and what its completion means for the client's state.
 */
import type { SqlErrorFields } from '../errors.ts'
import type { SetConfigCall, Splice, StatementKind, TransactionAnswer } from '../guard/verdict.ts'

export type Effect =
  | { readonly type: 'none' }
  | { readonly type: 'rows'; readonly sets: readonly SetConfigCall[] }
  | { readonly type: 'copy'; readonly header: boolean; readonly binary: boolean }
  | { readonly type: 'copy-in' }
  /** Made by whoever was handed in, before the statement that stands for it runs. */
  | { readonly type: 'create-schema'; readonly schema: string; readonly ifNotExists: boolean }
  | { readonly type: 'declare'; readonly cursor: string }
  | { readonly type: 'fetch'; readonly cursor: string; readonly move: boolean }
  | { readonly type: 'close-cursor'; readonly cursor: string | null }
  | { readonly type: 'set'; readonly changes: readonly SettingChange[]; readonly local: boolean }
  | { readonly type: 'reset-all'; readonly discard: boolean }
  | { readonly type: 'deallocate'; readonly name: string | null }
  | {
      readonly type: 'transaction'
      readonly op: TransactionAnswer['op']
      readonly savepoint: string
      readonly chain: boolean
    }

export interface SettingChange {
  readonly name: string
  /** What stands after TO, quoted; null: back to the startup value. */
  readonly value: string | null
}

export interface Plan {
  readonly kind: StatementKind
  /** What goes upstream. */
  readonly text: string
  /** Where `text` came from the client's: for error positions. Undefined: our own words, positions mean nothing to the client. */
  readonly splices: readonly Splice[] | undefined
  readonly effect: Effect
  /** CommandComplete's tag where it is not the server's own. */
  readonly tag: string | undefined
  readonly notices: readonly SqlErrorFields[]
  /** At most this many rows come by themselves. */
  readonly limitPushed: number | undefined
  readonly dirties: boolean
  /** Parameters that must name a setting that may be shown. */
  readonly examines: readonly number[]
  readonly relations: readonly string[]
  /** Ours alone: the client sees nothing of it, nor does the audit. */
  readonly unseen?: boolean
  /** Ends a failed transaction: may run in one. */
  readonly exits: boolean
}

export const plain = {
  splices: undefined,
  tag: undefined,
  notices: [],
  limitPushed: undefined,
  dirties: false,
  examines: [],
  relations: [],
  exits: false,
} as const

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** As the server reports search_path. */
export function quoteIfNeeded(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteName(name)
}
