import type { Task } from 'graphile-worker'
import type { Schemas } from '../materialize/schemas.ts'
import { teardownSchema } from './teardown-schema.ts'

export const expireSchemas = 'expire-schemas'

/** Every few minutes: a job for each schema that nobody uses any more. One of a kind waits at a time. */
export function expireSchemasTask(schemas: Pick<Schemas, 'unused'>): Task {
  return async (_, helpers) => {
    for (const schema of await schemas.unused())
      await helpers.addJob(teardownSchema, { schema }, { jobKey: `${teardownSchema} ${schema}`, maxAttempts: 3 })
  }
}
