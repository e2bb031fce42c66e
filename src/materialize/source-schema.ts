/** What a source of a pipeline and an entity of a connector type may say: strict, every text with its limit. */
import { z } from 'zod'
import { textFault } from '../control/texts.ts'
import { templateFault } from './templates.ts'

export const sourceLimits = {
  /** An identifier of Postgres has at most 63 bytes. */
  nameMaxBytes: 63,
  textMaxBytes: 2 * 1024,
  sqlMaxBytes: 64 * 1024,
  columnsMax: 1_600,
  keyColumnsMax: 32,
  parametersMax: 50,
  pageSizeMax: 100_000,
} as const

export const text = (maxBytes: number = sourceLimits.textMaxBytes, lines = false) =>
  z.string().check(context => {
    const message = textFault(context.value, { maxBytes, lines })
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value })
  })

/** A text with `{{ knobs.x }}`, `{{ config.x }}` or `{{ watermark }}` in it. */
export const template = (maxBytes: number = sourceLimits.textMaxBytes, lines = false) =>
  text(maxBytes, lines).check(context => {
    const message = templateFault(context.value)
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value })
  })

/** What may stand in SQL without quotes, so that nobody has to wonder how it is written. */
export const identifier = () =>
  z
    .string()
    .regex(/^[a-z_][a-z0-9_]*$/, 'must be lower case: letters, digits and "_", beginning with a letter')
    .max(sourceLimits.nameMaxBytes)

/** The name of a pipeline, a connector type, an entity or a source. */
export const slug = () =>
  z
    .string()
    .regex(/^[a-z][a-z0-9_-]*$/, 'must be lower case: letters, digits, "_" and "-", beginning with a letter')
    .max(sourceLimits.nameMaxBytes)

/** What may be written as a text alone, and is short for an object with it. */
const orShort = <Schema extends z.ZodType>(key: string, schema: Schema) =>
  z.preprocess(value => (typeof value === 'string' ? { [key]: value } : value), schema)

const few = <Value extends z.ZodType>(value: Value) =>
  z
    .record(text(sourceLimits.nameMaxBytes * 2), value)
    .refine(parameters => Object.keys(parameters).length <= sourceLimits.parametersMax, 'has too many')

const scalar = z.union([template(), z.number(), z.boolean()], 'must be text, a number or a truth value')

const endpoint = orShort(
  'path',
  z.strictObject({
    path: template(),
    method: z.enum(['GET', 'POST']).default('GET'),
    /** One whose template finds nothing is left out. */
    query: few(scalar).default({}),
    headers: few(template()).default({}),
    body: z.record(z.string(), z.unknown()).optional(),
  }),
)

/** Where in an answer something stands: keys parted by dots; `.` is the answer itself. */
const path = () => text(sourceLimits.nameMaxBytes * 8)
const parameter = (name: string) => text(sourceLimits.nameMaxBytes * 2).default(name)
const size = {
  page_size: z.int().min(1).max(sourceLimits.pageSizeMax).optional(),
  page_size_parameter: parameter('limit'),
}

const pagination = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('cursor'), parameter: parameter('cursor'), next: path(), ...size }),
  z.strictObject({ kind: z.literal('offset'), parameter: parameter('offset'), total: path().optional(), ...size }),
  z.strictObject({
    kind: z.literal('page'),
    parameter: parameter('page'),
    first: z.int().min(0).max(1).default(1),
    pages: path().optional(),
    ...size,
  }),
  z.strictObject({ kind: z.literal('keyset'), parameter: parameter('after'), field: path(), ...size }),
  z.strictObject({ kind: z.literal('link'), ...size }),
  z.strictObject({ kind: z.literal('next-url'), next: path(), ...size }),
])

const columnTypes = [
  'text',
  'boolean',
  'integer',
  'bigint',
  'numeric',
  'double precision',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'uuid',
  'jsonb',
] as const

const column = orShort(
  'type',
  z.strictObject({
    type: z.enum(columnTypes),
    /** Where it stands in a record; absent: under its name. */
    from: path().optional(),
    description: text(sourceLimits.textMaxBytes, true).optional(),
  }),
)

const columns = z.preprocess(
  value => (value === 'inferred' ? undefined : value),
  z
    .record(identifier(), column)
    .refine(all => Object.keys(all).length <= sourceLimits.columnsMax, 'has too many columns')
    .optional(),
)

const primaryKey = z.preprocess(
  value => (typeof value === 'string' ? [value] : value),
  z.array(identifier()).max(sourceLimits.keyColumnsMax),
)

const watermark = orShort(
  'column',
  z.strictObject({
    /** Of the table: what is loaded next is above its greatest value. */
    column: identifier(),
    /** What the first load begins with; absent: everything. */
    initial: z.union([text(), z.number()], 'must be text or a number').optional(),
  }),
)

/** Which of these keys a loader takes; the others are every loader's. */
export const loaderKeys = {
  rest: ['endpoint', 'pagination', 'records'],
  postgres: ['relation', 'query'],
  file: ['path', 'format', 'delimiter', 'header'],
  script: ['script'],
} as const

export type LoaderName = keyof typeof loaderKeys

export const sourceShape = {
  description: text(sourceLimits.textMaxBytes, true).optional(),
  loader: z.enum(['rest', 'postgres', 'file', 'script']).optional(),
  endpoint: endpoint.optional(),
  pagination: pagination.optional(),
  records: path().optional(),
  /** `schema.table` of the Postgres that is copied from. */
  relation: z
    .string()
    .regex(/^[^.\s]+\.[^.\s]+$/, 'must be <schema>.<table>')
    .max(2 * sourceLimits.nameMaxBytes + 1)
    .optional(),
  query: text(sourceLimits.sqlMaxBytes, true).optional(),
  /** Below the connector's folder or address; a file's name may have `*` in it. */
  path: template().optional(),
  format: z.enum(['csv', 'ndjson']).optional(),
  delimiter: z.string().length(1).optional(),
  header: z.boolean().optional(),
  /** A module of the connector type's folder. */
  script: z
    .string()
    .regex(/^[\w-]+(\/[\w-]+)*\.ts$/, 'must be a .ts file of the connector type’s folder')
    .optional(),
  primary_key: primaryKey.optional(),
  columns,
  mode: z.enum(['replace', 'append', 'merge']).optional(),
  watermark: watermark.optional(),
  config: z.record(identifier(), z.unknown()).optional(),
} as const

const written = z.strictObject(sourceShape)

export type WrittenSource = z.output<typeof written>
export type Endpoint = z.output<typeof endpoint>
export type Pagination = z.output<typeof pagination>
export type ColumnDefinition = z.output<typeof column>
