import { z } from 'zod'
import { sqlName } from '../../catalog/sql-text.ts'
import { resolveTarget, type Target, targetArguments } from '../target.ts'
import { defineTool, readingAnnotations, type ToolContext } from '../tool.ts'
import { cells, counted, oneLine } from './lines.ts'
import { catalogRequest, readableSchemas } from './place.ts'

const textMaxChars = 200
const hitsDefault = 20
const hitsMax = 100
const excerptMaxChars = 160
/** Schemas looked into where none is named. */
const schemasMax = 20

const output = z.strictObject({
  objects: z.array(
    z.strictObject({
      kind: z.string(),
      schema: z.string(),
      table: z.string(),
      column: z.string().optional(),
      type: z.string().optional(),
      description: z.string().optional(),
    }),
  ),
  knowledge: z.array(z.strictObject({ kind: z.string(), uri: z.string(), title: z.string(), excerpt: z.string() })),
  note: z.string().optional(),
})

type Output = z.output<typeof output>

const nothing =
  'Nothing is called or described so. Try one word, a synonym or the singular; list_tables shows all names.'

export const searchObjectsTool = defineTool({
  name: 'search_objects',
  title: 'Search tables, columns and knowledge',
  description:
    'Find tables, columns and knowledge by words in names, descriptions, synonyms and notes, in all schemas that always stand, or in the one named. Next: describe_table.',
  input: z.strictObject({
    ...targetArguments,
    text: z.string().trim().min(1).max(textMaxChars).describe('All words must be found'),
    limit: z.int().min(1).max(hitsMax).default(hitsDefault),
  }),
  output,
  scope: 'data:read',
  annotations: readingAnnotations,
  extended: true,
  run: async (args, context) => {
    const { principal, services, target } = context
    const places = target.schema === undefined ? ownPlaces(context) : [await resolveTarget(context)]
    const hits = []
    for (const place of places) {
      const metadata = await services.catalog.metadata(principal, place.database, catalogRequest(context, place))
      hits.push(...services.catalog.search(metadata, args.text, { hitsMax: args.limit }))
    }
    hits.sort((a, b) => b.score - a.score)
    const known = await services.knowledge.search(principal, args.text, { rowsMax: args.limit })
    const data: Output = {
      objects: hits.slice(0, args.limit).map(hit => ({
        kind: hit.kind === 'table' ? hit.tableKind : hit.kind,
        schema: hit.schema,
        table: hit.table,
        column: hit.column ?? undefined,
        type: hit.type ?? undefined,
        description: hit.description === null ? undefined : oneLine(hit.description, excerptMaxChars),
      })),
      knowledge: known.map(({ kind, id, title, excerpt }) => ({
        kind,
        uri: `postern://knowledge/${id}`,
        title: oneLine(title),
        excerpt: oneLine(excerpt, excerptMaxChars),
      })),
      note: hits.length === 0 && known.length === 0 ? nothing : undefined,
    }
    return { data, database: places[0]?.database.alias, text: textOf(data), untrusted: true }
  },
})

/** The database's own schemas: what users provisioned is looked into where it is named, which counts as a use. */
function ownPlaces(context: ToolContext): readonly Target[] {
  const { services, principal, target } = context
  const database = services.directory.find(principal, target.database)
  const readable = readableSchemas(context, { database })
  const schemas = database.about.schemas.filter(schema => readable.includes(schema)).slice(0, schemasMax)
  return schemas.map(schema => ({ database, schema, row: undefined }))
}

function textOf({ objects, knowledge, note }: Output): string {
  return [
    `${counted(objects.length, 'object')}, ${knowledge.length} of knowledge`,
    ...objects.map(({ kind, schema, table, column, type, description }) => {
      const name = [schema, table, ...(column === undefined ? [] : [column])].map(sqlName).join('.')
      return cells(name, kind, type ?? '', description)
    }),
    ...knowledge.map(({ kind, uri, title, excerpt }) => cells(uri, kind, title, excerpt)),
    ...(note === undefined ? [] : [note]),
  ].join('\n')
}
