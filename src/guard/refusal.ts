/** How a judging ends early. Thrown inside the guard, caught by judge(), never seen outside it. */
import type { SqlErrorFields } from '../errors.ts'

/** Stable words for audit and metrics. */
export type Reason =
  | 'writes'
  | 'function'
  | 'unknown-function'
  | 'operator'
  | 'type'
  | 'relation'
  | 'unknown-relation'
  | 'role'
  | 'setting'
  | 'unknown-setting'
  | 'copy'
  | 'cursor'
  | 'statement'
  | 'node'
  | 'size'
  | 'depth'
  | 'splice'

export class Refusal extends Error {
  readonly error: SqlErrorFields
  readonly reason: Reason

  constructor(error: SqlErrorFields, reason: Reason) {
    super(error.message)
    this.error = error
    this.reason = reason
  }
}
