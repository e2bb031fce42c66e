import { SqlError, type SqlErrorFields, toSqlError } from '../errors.ts'
import type { RefuseVerdict } from '../guard/verdict.ts'

/** A statement that does not run: its text for the record, and its verdict where it was the guard who refused it. */
export class RefusedStatement extends SqlError {
  readonly text: string
  readonly verdict: RefuseVerdict | undefined

  constructor(text: string, error: SqlErrorFields, verdict?: RefuseVerdict) {
    super(error)
    this.text = text
    this.verdict = verdict
  }
}

/** What was thrown on the way to running `text`. */
export function refusalOf(text: string, thrown: unknown): RefusedStatement {
  return thrown instanceof RefusedStatement ? thrown : new RefusedStatement(text, toSqlError(thrown).fields())
}
