import type { Task } from 'graphile-worker'
import type { Log } from '../observe/log.ts'

export const housekeeping = 'housekeeping'

/** Removes what has expired. */
export type Chore = () => Promise<unknown>

/** Each of the chores, by name: one that fails keeps none of the others from being done. */
export function housekeepingTask(chores: Readonly<Record<string, Chore>>, log: Log): Task {
  return async () => {
    const failed: string[] = []
    for (const [chore, run] of Object.entries(chores)) {
      try {
        await run()
      } catch (error) {
        failed.push(chore)
        log.warn({ error, chore }, 'expired things could not be removed')
      }
    }
    if (failed.length > 0) throw new Error(`not done: ${failed.join(', ')}`)
  }
}
