/** A schema's catalog as the reader sees it, before any policy: what is stored, and read again after a restart. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { SqlError } from '../errors.ts'
import type { StatementAnswer } from '../session/callers.ts'
import { introspectionSql, versionSql } from './introspection-sql.ts'

/** Runs one statement of ours as the reader. $1 is the schema. */
export type Ask = (text: string, parameters: readonly (string | null)[]) => Promise<StatementAnswer>

const tableName = z.object({ schema: z.string(), name: z.string() })

/** json_agg and array(…) of nothing are null. */
const listOf = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullable()
    .transform(list => list ?? [])

const column = z.object({
  number: z.int(),
  name: z.string(),
  type: z.string(),
  typeOid: z.int(),
  notNull: z.boolean(),
  identity: z.string(),
  generated: z.string(),
  default: z.string().nullable(),
  readable: z.boolean(),
  description: z.string().nullable(),
})

const index = z.object({
  name: z.string(),
  unique: z.boolean(),
  primary: z.boolean(),
  valid: z.boolean(),
  /** Numbers of columns; 0: an expression. */
  keys: z.array(z.int()),
  included: z.array(z.int()),
  /** It has an expression or a predicate. */
  computed: z.boolean(),
  partial: z.boolean(),
  definition: z.string(),
})

const table = z.object({
  name: z.string(),
  kind: z.enum(['r', 'p', 'v', 'm', 'f']),
  rows: z.number(),
  isPartition: z.boolean(),
  partitionKey: z.string().nullable(),
  parents: listOf(tableName),
  description: z.string().nullable(),
  columns: listOf(column),
  indexes: listOf(index),
  checks: listOf(z.object({ name: z.string(), columns: listOf(z.int()), definition: z.string() })),
})

const foreignKey = z.object({
  name: z.string(),
  schema: z.string(),
  table: z.string(),
  columns: z.array(z.string()),
  toSchema: z.string(),
  toTable: z.string(),
  toColumns: z.array(z.string()),
})

const type = z.object({
  oid: z.int(),
  schema: z.string(),
  name: z.string(),
  /** pg_type.typtype */
  kind: z.string(),
  /** Of a domain, else 0. */
  base: z.int(),
  baseType: z.string().nullable(),
  /** Of an array, else 0. */
  element: z.int(),
  description: z.string().nullable(),
  values: z.array(z.string()).nullable(),
})

const contents = z.object({
  description: z.string().nullable(),
  tables: z.array(table),
  foreignKeys: z.array(foreignKey),
  types: z.array(type),
})

export type SchemaContents = z.output<typeof contents>
export type RawTable = z.output<typeof table>
export type RawType = z.output<typeof type>
export type RawForeignKey = z.output<typeof foreignKey>

export interface SchemaRead {
  readonly version: string
  readonly contents: SchemaContents
}

/** Undefined: of another release, or damaged. */
export function parseStored(stored: unknown): SchemaContents | undefined {
  return contents.safeParse(stored).data
}

export async function readVersion(ask: Ask, schema: string): Promise<string> {
  const answer = await ask(versionSql, [schema])
  const version = answer.rows[0]?.[0]
  if (version) return shorten(version)
  throw unreadable(new Error('no version'))
}

/** @throws SqlError 3F000 where the schema is not there, 42501 where the reader may not use it, 54000, or as the session does */
export async function readSchema(ask: Ask, schema: string): Promise<SchemaRead> {
  const answer = await askTwice(ask, schema)
  if (answer.truncated !== undefined || answer.cuts.length > 0)
    throw new SqlError({
      code: '54000',
      message: `the catalog of schema "${schema}" is larger than the limits allow`,
      hint: 'The operator can raise rowsMax, bytesMax and cellMaxBytes of the database.',
    })
  const parts = new Map<string, unknown[]>()
  for (const [part, text] of answer.rows) {
    const list = parts.get(part ?? '') ?? []
    parts.set(part ?? '', list)
    const value = parseJson(text ?? 'null')
    if (Array.isArray(value)) list.push(...value)
    else if (value !== null) list.push(value)
  }
  const head = headOf(parts.get('schema')?.[0], schema)
  const read = contents.safeParse({
    description: head.description,
    tables: parts.get('tables') ?? [],
    foreignKeys: parts.get('foreignKeys') ?? [],
    types: parts.get('types') ?? [],
  })
  if (read.success) return { version: shorten(head.version), contents: read.data }
  throw unreadable(read.error.issues[0])
}

const schemaHead = z.object({ version: z.string(), description: z.string().nullable(), usable: z.boolean() })

function headOf(value: unknown, schema: string): z.output<typeof schemaHead> {
  if (value === undefined) throw missingSchema(schema, [])
  const head = schemaHead.safeParse(value)
  if (!head.success) throw unreadable(head.error.issues[0])
  if (head.data.usable) return head.data
  throw new SqlError({
    code: '42501',
    message: `permission denied for schema ${schema}`,
    hint: 'The operator can grant it: postern database check --apply.',
  })
}

export function missingSchema(schema: string, there: readonly string[]): SqlError {
  const hint = there.length === 0 ? undefined : `There is ${there.join(', ')}.`
  return new SqlError({ code: '3F000', message: `schema "${schema}" does not exist`, hint })
}

/** What describes an object fails where it is dropped meanwhile; the second time it is gone from the catalog too. */
async function askTwice(ask: Ask, schema: string): Promise<StatementAnswer> {
  try {
    return await ask(introspectionSql, [schema])
  } catch (error) {
    if (!(error instanceof SqlError && /^(cache lookup failed|could not open relation)/.test(error.message)))
      throw error
    return await ask(introspectionSql, [schema])
  }
}

function shorten(version: string): string {
  return createHash('sha256').update(version).digest('hex').slice(0, 16)
}

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
