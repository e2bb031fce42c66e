/** Reads what the guard must know of a tenant database: one round trip for the version, one for the whole. */
import { z } from 'zod'
import { SqlError } from '../errors.ts'
import type { RawCatalog } from '../guard/catalog.ts'
import type { TextQuery } from './administrator.ts'
import { catalogSql } from './snapshot-sql.ts'
import { versionSql } from './version-sql.ts'

/**
 * A text that changes whenever the schema of the database does, and when a large table's size changes several fold. Cheap:
 * for polling. `query` may be the administrator's or the gate's; the catalogs are readable to both. (One change goes
 * unseen: ALTER EXTENSION … ADD of a function that stands already.)
 */
export async function catalogVersion(query: TextQuery): Promise<string> {
  const [row] = await query(`${emptyPath} select ${versionSql}`)
  const version = row?.[0]
  if (version) return version
  throw unreadable(new Error('no version'))
}

/** The catalog and its version, of one moment. Throws SqlError: what the server said, or XX000 for an answer that makes no sense. */
export async function readCatalog(query: TextQuery): Promise<RawCatalog> {
  const rows = await query(`${emptyPath} select ${catalogSql}`)
  const parsed = rawCatalog.safeParse(parseJson(rows.at(-1)?.[0] ?? 'null'))
  if (parsed.success) return parsed.data
  throw unreadable(parsed.error.issues[0])
}

/**
 * One message of two statements is one transaction: the path is empty for the second alone, so every name in a definition
 * is qualified, and no object of the database can stand in for one of pg_catalog.
 */
const emptyPath = `set local search_path = '';`

const named = { schema: z.string(), name: z.string() }

const rawCatalog = z.object({
  version: z.string(),
  major: z.int(),
  database: z.string(),
  schemas: z.array(z.string()),
  relations: z.array(
    z.object({
      ...named,
      oid: z.int(),
      kind: z.string(),
      columns: z.array(z.string()),
      rowsEstimate: z.number(),
      definition: z.string().nullable(),
      policies: z.array(z.string()),
      parents: z.array(z.string()),
    }),
  ),
  functions: z.array(
    z.object({
      ...named,
      volatility: z.string(),
      securityDefiner: z.boolean(),
      extension: z.string().nullable(),
      rowArgument: z.boolean(),
      makesRange: z.boolean(),
    }),
  ),
  operators: z.array(z.object({ ...named, function: z.string() })),
  types: z.array(z.object({ ...named, kind: z.string(), check: z.string().nullable(), contains: z.array(z.string()) })),
  casts: z.array(z.object({ schema: z.string(), type: z.string(), function: z.string() })),
  extensions: z.array(z.object({ name: z.string(), schema: z.string() })),
  filteredViews: z.array(z.string()),
})

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unreadable(error)
  }
}

function unreadable(cause: unknown): SqlError {
  return new SqlError({ code: 'XX000', message: 'the catalog of the database could not be read', cause })
}
