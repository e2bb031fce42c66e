/** What a host can attach to a conversation by its address: a piece of knowledge, a table, a run. */
import { SqlError } from '../errors.ts'
import type { ToolContext } from './tool.ts'
import { describeTable } from './tools/describe-table.ts'
import { readRun } from './tools/get-materialization-status.ts'
import { oneLine } from './tools/lines.ts'

export interface ResourceTemplate {
  readonly name: string
  readonly title: string
  readonly description: string
  /** RFC 6570. */
  readonly uriTemplate: string
  readonly mimeType: string
}

export const resourceTemplates: readonly ResourceTemplate[] = [
  {
    name: 'knowledge',
    title: 'Knowledge',
    description: 'An entry, a table note or a learning of the tenant.',
    uriTemplate: 'postern://knowledge/{id}',
    mimeType: 'text/markdown',
  },
  {
    name: 'table',
    title: 'Table',
    description: 'A table or view as describe_table gives it.',
    uriTemplate: 'postern://{database}/{schema}/{table}',
    mimeType: 'text/plain',
  },
  {
    name: 'run',
    title: 'Run',
    description: 'A run as get_materialization_status gives it.',
    uriTemplate: 'postern://runs/{id}',
    mimeType: 'text/plain',
  },
]

export interface ResourceText {
  readonly uri: string
  readonly mimeType: string
  /** Written by tenants or strangers: the server fences it. */
  readonly text: string
}

export interface ListedResource {
  readonly uri: string
  readonly name: string
  readonly mimeType: string
}

const listedMax = 200
/** What a look-up of a name ends with: the database, the schema, the table, the entry or run is not there. */
const missingCodes = new Set(['3D000', '3F000', '42P01', '42704'])

/** The tenant's general entries, the last changed first; tables and runs are found by the tools. */
export async function listResources({ principal, services }: ToolContext): Promise<readonly ListedResource[]> {
  checkScope(principal)
  const entries = await services.knowledge.entries(principal)
  return entries.slice(0, listedMax).map(({ id, title }) => ({
    uri: `postern://knowledge/${id}`,
    name: oneLine(title),
    mimeType: 'text/markdown',
  }))
}

/**
 * Undefined where there is no such resource, or none of this caller's: the two cannot be told apart.
 * @throws SqlError 42501 without data:read, and whatever keeps it from being looked up
 */
export async function readResource(uri: string, context: ToolContext): Promise<ResourceText | undefined> {
  checkScope(context.principal)
  const parts = partsOf(uri)
  if (parts === undefined) return undefined
  try {
    return { uri, ...(await textOf(parts, context)) }
  } catch (error) {
    if (error instanceof SqlError && missingCodes.has(error.code)) return undefined
    throw error
  }
}

type Parts =
  | { readonly kind: 'knowledge' | 'run'; readonly id: string }
  | { readonly kind: 'table'; readonly database: string; readonly schema: string; readonly table: string }

/** Each part percent-encoded; nothing else may stand in the address. */
function partsOf(uri: string): Parts | undefined {
  const match = /^postern:\/\/([^/?#]+)\/([^/?#]+)(?:\/([^/?#]+))?$/.exec(uri)
  if (match === null) return undefined
  const [first, second, third] = match.slice(1).map(decoded)
  if (first === undefined || second === undefined) return undefined
  if (match[3] !== undefined)
    return third === undefined ? undefined : { kind: 'table', database: first, schema: second, table: third }
  if (first === 'knowledge') return { kind: 'knowledge', id: second }
  return first === 'runs' ? { kind: 'run', id: second } : undefined
}

function decoded(part: string | undefined): string | undefined {
  if (part === undefined) return undefined
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined // not an encoding of anything
  }
}

async function textOf(parts: Parts, context: ToolContext): Promise<Omit<ResourceText, 'uri'>> {
  switch (parts.kind) {
    case 'knowledge':
      return { mimeType: 'text/markdown', text: await knowledgeText(parts.id, context) }
    case 'run':
      return { mimeType: 'text/plain', text: (await readRun(parts.id, context)).text }
    case 'table': {
      const { database, schema, table } = parts
      const there = { ...context, target: { database, schema } }
      return { mimeType: 'text/plain', text: (await describeTable({ table, samples: true }, there)).text }
    }
  }
}

async function knowledgeText(id: string, { principal, services }: ToolContext): Promise<string> {
  const item = await services.knowledge.item(principal, id)
  switch (item.kind) {
    case 'entry':
      return [`# ${oneLine(item.title)}`, ...tagged('tags', item.tags), '', item.markdown].join('\n')
    case 'learning':
      return [
        `# ${oneLine(item.category)}: ${oneLine(item.description)}`,
        ...tagged('tables', item.tables),
        `confidence: ${item.confidence}, applied ${item.timesApplied} times`,
        ...sql('wrong', item.failingSql),
        ...sql('right', item.correctedSql),
      ].join('\n')
    case 'table':
      return [
        `# ${oneLine(item.table)}`,
        ...item.useCases.map(use => `use: ${oneLine(use)}`),
        ...tagged('quality', [item.qualityNotes]),
        ...tagged('owner', [item.owner]),
        ...tagged('refreshed', [item.refreshFrequency]),
        ...item.joinHints.map(hint => `join: ${oneLine(hint)}`),
        ...Object.entries(item.columnNotes).map(([column, note]) => `${oneLine(column)}: ${oneLine(note)}`),
      ].join('\n')
  }
}

function tagged(label: string, words: readonly (string | null)[]): string[] {
  const said = words.filter(word => word !== null && word !== '').map(word => oneLine(word ?? ''))
  return said.length === 0 ? [] : [`${label}: ${said.join(', ')}`]
}

function sql(label: string, text: string | null): string[] {
  return text === null ? [] : [`${label}:`, text]
}

function checkScope({ scopes }: ToolContext['principal']): void {
  if (scopes.has('data:read')) return
  throw new SqlError({ code: '42501', message: 'reading resources needs the scope data:read' })
}
