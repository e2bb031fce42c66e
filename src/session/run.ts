/** One execution of one statement: what it may give, what it gave, how it ended. */
import type { SqlError } from '../errors.ts'
import type { Limits } from '../guard/policy.ts'
import { frameCopyData } from '../wire/scanner.ts'
import type { Plan } from './plan.ts'
import type { TextSource } from './position.ts'
import type { ClientCursor, ClientPortal } from './statements.ts'

const binaryTrailerBytes = 7

/** What a row may do: go out, be left out, be looked into, or end the statement. */
export type RowVerdict = 'pass' | 'drop' | 'hold' | 'too-many-rows' | 'too-many-bytes' | 'row-too-large'

export class StatementRun {
  readonly plan: Plan
  /** The client's own text of this statement. */
  readonly text: string
  /** For error positions; undefined: our own words ran. */
  readonly source: TextSource | undefined
  readonly startedAtMs: number
  endedAtMs = 0
  readonly waitMs: number
  readonly counter: ClientPortal | ClientCursor
  /** Of the portal, as text, where the plan tracks a set_config. */
  readonly parameters: readonly (string | null)[]
  /** Rows and bytes that the client got from this execution. */
  rows = 0
  bytes = 0
  truncated: 'rows' | 'bytes' | undefined
  /** Ended by us in the middle: the client has its error, what still comes is left out. */
  refused: SqlError | undefined
  /** We sent a cancel to end a truncated or refused statement: its 57014 is not the client's. */
  cancelled = false
  /** A record of its start is in the audit. */
  recorded = false
  /** Its final record was made. */
  ended = false
  copyFramesSeen = 0
  readonly limits: Limits

  constructor(options: {
    readonly plan: Plan
    readonly text: string
    readonly source: TextSource | undefined
    readonly limits: Limits
    readonly startedAtMs: number
    readonly waitMs: number
    readonly counter?: ClientPortal | ClientCursor | undefined
    readonly parameters?: readonly (string | null)[]
  }) {
    this.plan = options.plan
    this.text = options.text
    this.source = options.source
    this.limits = options.limits
    this.startedAtMs = options.startedAtMs
    this.waitMs = options.waitMs
    this.counter = options.counter ?? { rows: 0, bytes: 0 }
    this.parameters = options.parameters ?? []
  }

  /** A file cut short is wrong, so COPY is refused at a limit; results too where the policy says so. */
  get refusesAtLimit(): boolean {
    return this.plan.effect.type === 'copy' || this.limits.atRowLimit === 'refuse'
  }

  /** Counts one DataRow or CopyData frame of `length` bytes and says what becomes of it. */
  row(type: number, length: number): RowVerdict {
    if (this.truncated !== undefined || this.refused !== undefined) return 'drop'
    const counts = type !== frameCopyData || this.copyRow(length)
    const limits = this.limits
    if (counts && this.counter.rows >= limits.rowsMax) return 'too-many-rows'
    if (this.counter.bytes + length > limits.bytesMax)
      return this.counter.bytes === 0 ? 'row-too-large' : 'too-many-bytes'
    if (length > limits.cellMaxBytes && type !== frameCopyData) return 'hold'
    this.count(length, counts)
    return 'pass'
  }

  /** A held row that turned out to be allowed. */
  count(length: number, isRow: boolean): void {
    if (isRow) {
      this.rows++
      this.counter.rows++
    }
    this.bytes += length
    this.counter.bytes += length
  }

  /** Whether a CopyData frame is a row: a CSV header and a binary trailer are not. */
  private copyRow(length: number): boolean {
    const effect = this.plan.effect
    this.copyFramesSeen++
    if (effect.type !== 'copy') return true
    if (effect.header && this.copyFramesSeen === 1) return false
    return !(effect.binary && length === binaryTrailerBytes)
  }
}
