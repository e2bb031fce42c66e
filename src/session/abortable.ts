/** What a session is asked in the name of a caller who may give up. */
import { canceledByUser } from './lease.ts'
import type { Session } from './session.ts'

/** A cancelled statement that has not ended by then is given up with its connection. */
const cancelPatienceMs = 500

/** Runs `ask`; the abort of `signal` stops it on the server, and the session with it where that takes too long. @throws SqlError 57014 */
export async function abortable<Answer>(
  session: Session,
  signal: AbortSignal | undefined,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  let impatience: NodeJS.Timeout | undefined
  const onAbort = () => {
    void session.cancel()
    impatience = setTimeout(() => session.expire(canceledByUser()), cancelPatienceMs)
  }
  if (signal?.aborted === true) throw canceledByUser()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await ask()
  } finally {
    clearTimeout(impatience)
    signal?.removeEventListener('abort', onAbort)
  }
}
