/** Progress notifications as the protocol wants them: only where they were asked for, and growing each time. */

export interface ProgressParams {
  readonly progressToken: string | number
  readonly progress: number
  readonly total?: number
  readonly message: string
}

export type Progress = (message: string, count?: { readonly done: number; readonly total?: number }) => void

/** Undefined where the caller sent no token. After `ended` nothing more is sent. */
export function progressOf(
  token: unknown,
  send: (params: ProgressParams) => void,
  ended: () => boolean,
): Progress | undefined {
  if (typeof token !== 'string' && typeof token !== 'number') return undefined
  let last = 0
  return (message, count) => {
    if (ended()) return
    // A phase that starts to count anew, or counts nothing, still moves on by a little.
    const progress = count !== undefined && count.done > last ? count.done : last + smallStep(last)
    last = progress
    const total = count?.total !== undefined && count.total >= progress ? { total: count.total } : {}
    send({ progressToken: token, progress, ...total, message })
  }
}

function smallStep(last: number): number {
  return Math.max(0.001, last * 1e-9)
}
