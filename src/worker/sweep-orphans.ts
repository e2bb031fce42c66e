import type { Task } from 'graphile-worker'
import type { Schemas } from '../materialize/schemas.ts'
import type { Log } from '../observe/log.ts'

export const sweepOrphans = 'sweep-orphans'

/** Finishes what processes that died have left half done. What only an operator should remove is reported. */
export function sweepOrphansTask(schemas: Pick<Schemas, 'sweep'>, log: Log): Task {
  return async () => {
    for (const finding of await schemas.sweep({ fix: false })) {
      const { mended, ...about } = finding
      if (mended) log.info(about, 'what was left half done is finished')
      else log.warn(about, 'not as it should be: "postern schema sweep --fix" mends it')
    }
  }
}
