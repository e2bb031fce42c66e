/** Where a statement's limits end its answer: the words the client reads. */
import { SqlError } from '../errors.ts'
import type { StatementRun } from './run.ts'

/** Sent before CommandComplete of a truncated result. */
export function truncationNotice(run: StatementRun): { severity: string; code: string; message: string; hint: string } {
  const limit = run.truncated === 'bytes' ? `${run.limits.bytesMax} bytes` : `${run.limits.rowsMax} rows`
  return {
    severity: 'NOTICE',
    code: '01000',
    message: `result truncated: a statement may return at most ${limit}`,
    hint: 'Aggregate, filter, or read in parts with ORDER BY and LIMIT.',
  }
}

export function limitError(run: StatementRun, cut: 'too-many-rows' | 'too-many-bytes'): SqlError {
  const limit = cut === 'too-many-bytes' ? `${run.limits.bytesMax} bytes` : `${run.limits.rowsMax} rows`
  const what = run.plan.effect.type === 'copy' ? 'COPY' : 'a result'
  return new SqlError({
    code: '54000',
    message: `${what} of more than ${limit} is refused here`,
    hint: 'Aggregate, filter, or read in parts with ORDER BY and LIMIT.',
  })
}

export function rowTooLarge(run: StatementRun): SqlError {
  return new SqlError({
    code: '54000',
    message: `a row of more than ${run.limits.bytesMax} bytes is refused here`,
    hint: 'Select fewer or shorter columns, for example with left() or substring().',
  })
}

/** @param frame a whole DataRow. @returns the refusal, where one of its cells is over the limit */
export function cellTooLarge(run: StatementRun, frame: Buffer): SqlError | undefined {
  const cells = frame.readUInt16BE(5)
  let at = 7
  for (let i = 0; i < cells && at + 4 <= frame.length; i++) {
    const length = frame.readInt32BE(at)
    if (length > run.limits.cellMaxBytes) {
      return new SqlError({
        code: '54000',
        message: `a value of ${length} bytes is refused here: the limit is ${run.limits.cellMaxBytes}`,
        hint: 'Select a part of it, for example with left() or substring().',
      })
    }
    at += 4 + Math.max(0, length)
  }
  return undefined
}
