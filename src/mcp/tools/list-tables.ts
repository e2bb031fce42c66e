import { z } from 'zod'
import type { SchemaMetadata, TableMetadata } from '../../catalog/metadata.ts'
import { sqlName } from '../../catalog/sql-text.ts'
import { resolveTarget, targetArguments } from '../target.ts'
import { defineTool, readingAnnotations } from '../tool.ts'
import { type Freshness, freshnessOf } from './freshness.ts'
import { cells, counted, matchesName, oneLine } from './lines.ts'
import { catalogRequest, readableSchemas } from './place.ts'

const tablesDefault = 100
const tablesMax = 500
const filterMaxChars = 200
const descriptionMaxChars = 120

const table = z.strictObject({
  name: z.string(),
  kind: z.string(),
  rows_estimate: z.number().optional().describe("The planner's; absent: never analysed"),
  size_class: z.string(),
  materialized_at: z.string().optional().describe('When a run last loaded it'),
  freshness: z.string().optional(),
  pipeline: z.string().optional(),
  description: z.string().optional(),
})

const output = z.strictObject({
  tables: z.array(table),
  total: z.int().describe('That match, on all pages'),
  note: z.string().optional(),
  next_cursor: z.string().optional(),
})

type Output = z.output<typeof output>

export const listTablesTool = defineTool({
  name: 'list_tables',
  title: 'List tables',
  description:
    'Tables and views of a schema that query may read, with purpose, estimated rows and freshness. Next: describe_table before writing SQL.',
  input: z.strictObject({
    ...targetArguments,
    name: z.string().min(1).max(filterMaxChars).optional().describe('Part of a name, or a pattern with *'),
    limit: z.int().min(1).max(tablesMax).default(tablesDefault),
    cursor: z.string().optional().describe('next_cursor'),
  }),
  output,
  scope: 'data:read',
  annotations: readingAnnotations,
  run: async (args, context) => {
    const place = await resolveTarget(context)
    const { principal, services } = context
    const after = args.cursor === undefined ? undefined : context.cursors.open(args.cursor)
    const metadata = await services.catalog.metadata(principal, place.database, catalogRequest(context, place))
    const freshness = await freshnessOf(context, place)
    const matching = metadata.tables.filter(({ name }) => matchesName(name, args.name)).sort(byName)
    const left = after === undefined ? matching : matching.filter(({ name }) => name > after)
    const page = left.slice(0, args.limit)
    const data: Output = {
      tables: page.map(about => factsOf(about, freshness)),
      total: matching.length,
      note: page.length === 0 ? whyEmpty(metadata, args.name, readableSchemas(context, place), after) : undefined,
      next_cursor: left.length > page.length ? context.cursors.seal(page.at(-1)!.name) : undefined,
    }
    return {
      data,
      database: place.database.alias,
      schema: place.schema,
      text: textOf(data, place.schema, args.name),
      untrusted: true,
    }
  },
})

function byName(a: TableMetadata, b: TableMetadata): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}

function factsOf(about: TableMetadata, freshness: Freshness): z.output<typeof table> {
  const { name, kind, rowsEstimate, sizeClass, description } = about
  return {
    name,
    kind,
    rows_estimate: rowsEstimate ?? undefined,
    size_class: sizeClass,
    ...freshness.of(about),
    description: description === null ? undefined : oneLine(description, descriptionMaxChars),
  }
}

/** Only ever said after a look-up that succeeded: one that fails is an error. */
function whyEmpty(
  metadata: SchemaMetadata,
  filter: string | undefined,
  schemas: readonly string[],
  after: string | undefined,
): string {
  if (after !== undefined) return 'There are no more.'
  const count = metadata.tables.length
  if (count > 0)
    return `None of ${counted(count, 'table')} matches ${oneLine(filter ?? '')}: leave name out to see all.`
  const others = schemas.filter(schema => schema !== metadata.schema).map(sqlName)
  const elsewhere = others.length === 0 ? '' : ` Other schemas: ${others.map(name => oneLine(name)).join(', ')}.`
  return `The schema holds no table or view that may be read.${elsewhere} run_materialization loads a pipeline's tables.`
}

function textOf(data: Output, schema: string, filter: string | undefined): string {
  const which = filter === undefined ? '' : ` like ${oneLine(filter)}`
  const here = data.tables.length === data.total ? '' : `, ${data.tables.length} here`
  const lines = [`${oneLine(sqlName(schema))}: ${counted(data.total, 'table')}${which}${here}`]
  if (data.tables.length > 0) lines.push(cells('name', 'kind', 'rows', 'size', 'fresh', 'description'))
  for (const { name, kind, rows_estimate, size_class, description, ...fresh } of data.tables) {
    const when = [fresh.materialized_at, fresh.freshness, fresh.pipeline && `by ${fresh.pipeline}`].filter(Boolean)
    lines.push(cells(sqlName(name), kind, rows_estimate, size_class, when.join(' '), description))
  }
  if (data.note !== undefined) lines.push(data.note)
  if (data.next_cursor !== undefined) lines.push(`next_cursor: ${data.next_cursor}`)
  return lines.join('\n')
}
