/** Which schemas are a run's own: those that it was given, and the ones that it makes beside them. */
import type { BuilderScope } from './policy.ts'

/**
 * Exactly one of the run's schemas, or that with `_name` behind it. What another run or a live schema could be called is
 * not: `raw__k1_x__k2` begins as a schema of run k1 and is one of run k2.
 */
export function ownsSchema(builder: BuilderScope, schema: string): boolean {
  if (builder.liveSchemas.includes(schema)) return false
  return builder.schemas.some(own => {
    if (schema === own) return true
    if (!schema.startsWith(`${own}_`) || schema.length === own.length + 1) return false
    return !endsAsRun(schema.slice(own.length + 1), own)
  })
}

/** Whether such a name holds `__` and an id as wide as the run's, with nothing or `_name` behind: another run's mark. */
function endsAsRun(name: string, own: string): boolean {
  const at = own.lastIndexOf('__')
  if (at < 0) return false
  const width = own.length - at - 2
  return new RegExp(`__[a-z0-9]{${width}}(?:_|$)`, 'u').test(name)
}
