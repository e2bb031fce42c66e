/** A builder's statements write: none leaves before its upstream is known to have the session's settings. */
import { SqlError } from '../errors.ts'
import type { SessionState } from './state.ts'

/** @returns what was held, once a replay that it began is through. @throws SqlError 08006 where that failed */
export function awaitReplay(state: SessionState, held: Promise<void> | undefined): Promise<void> | undefined {
  if (!state.isBuilder || state.starting) return held
  const settle = (): Promise<void> | undefined => {
    if (state.expectations.last?.type !== 'replay') return undefined
    return state.whenDrained(() => {
      if (state.lease.upstream !== undefined) return undefined
      throw new SqlError({ code: '08006', message: "the session's settings could not be restored" })
    })
  }
  return held === undefined ? settle() : held.then(settle)
}
