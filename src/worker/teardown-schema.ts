import type { Task } from 'graphile-worker'
import { z } from 'zod'
import { SqlError } from '../errors.ts'
import type { Schemas } from '../materialize/schemas.ts'

export const teardownSchema = 'teardown-schema'

const payload = z.strictObject({ schema: z.uuid() })

/** Drops a schema that was unused when the job was made, if it still is. One that is in use is left alone. */
export function teardownSchemaTask(schemas: Pick<Schemas, 'expire'>): Task {
  return async given => {
    const { schema } = payload.parse(given)
    try {
      await schemas.expire(schema)
    } catch (error) {
      const used = error instanceof SqlError && (error.code === '55006' || error.code === '3F000')
      if (!used) throw error
    }
  }
}
