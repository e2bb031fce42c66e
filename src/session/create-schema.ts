/** CREATE SCHEMA of a run's own, made and committed by whoever was handed in: it needs more than a builder may. */
import { SqlError, type SqlErrorFields } from '../errors.ts'
import type { Effect } from './plan.ts'
import { refusalOf } from './refused.ts'
import type { SessionState } from './state.ts'

/** @returns what the client is told beside the tag. @throws RefusedStatement: 42P06 where it stands and was to be made */
export async function makeSchema(
  state: SessionState,
  text: string,
  { schema, ifNotExists }: Effect & { type: 'create-schema' },
): Promise<readonly SqlErrorFields[]> {
  try {
    const { createSchema } = state.options
    if (createSchema === undefined)
      throw new SqlError({ code: '0A000', message: 'CREATE SCHEMA is not available here' })
    if ((await createSchema(schema)) === 'created') return []
    const message = `schema "${schema}" already exists`
    if (!ifNotExists) throw new SqlError({ code: '42P06', message })
    return [{ code: '42P06', message: `${message}, skipping` }]
  } catch (error) {
    throw refusalOf(text, error)
  }
}
