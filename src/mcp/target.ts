/** Where a tool works: the database and the schema that its caller means. */
import { z } from 'zod'
import { SqlError } from '../errors.ts'
import type { SchemaRow } from '../materialize/schemas.ts'
import { nearest } from '../nearest.ts'
import type { CallerDatabase } from '../session/callers.ts'
import type { ToolContext } from './tool.ts'

const nameMaxLength = 200

/** Part of every tool's input but list_databases'. */
export const targetArguments = {
  database: z.string().min(1).max(nameMaxLength).optional().describe('Alias'),
  schema: z.string().min(1).max(nameMaxLength).optional().describe('Name, or handle of provision_schema'),
}

export interface Target {
  readonly database: CallerDatabase
  /** The real name, as SQL has it. */
  readonly schema: string
  /** Where it was provisioned. */
  readonly row: SchemaRow | undefined
}

/** @throws SqlError 3D000, 3F000 (an expired schema too, with what to do) */
export async function resolveTarget(context: ToolContext): Promise<Target> {
  const { principal, services, target } = context
  const database = services.directory.find(principal, target.database)
  if (target.schema === undefined) return { database, schema: database.about.defaultSchema, row: undefined }
  const row = await services.schemas.resolve(principal, database, target.schema)
  if (row !== undefined) return { database, schema: row.name, row }
  if (database.about.schemas.includes(target.schema)) return { database, schema: target.schema, row }
  const meant = nearest(target.schema, database.about.schemas)
  throw new SqlError({
    code: '3F000',
    message: `schema "${target.schema}" does not exist in database "${database.alias}"`,
    hint: `${meant === undefined ? '' : `Did you mean ${meant}? `}There is ${database.about.schemas.join(', ')}; list_schemas shows those that you provisioned.`,
  })
}
