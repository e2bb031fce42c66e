/** What the knowledge base says that concerns a table, beside the notes on the table itself. */
import { z } from 'zod'
import type { SchemaMetadata, TableMetadata } from '../../catalog/metadata.ts'
import { oneLine } from './lines.ts'

const eachMax = 5
const textMaxChars = 1_000

export const noteFacts = z.strictObject({
  learned: z
    .array(
      z.strictObject({
        description: z.string(),
        failing_sql: z.string().optional(),
        corrected_sql: z.string(),
        confidence: z.number().describe('0 to 1'),
      }),
    )
    .optional(),
  entries: z
    .array(z.strictObject({ uri: z.string(), title: z.string() }))
    .optional()
    .describe('Knowledge to read'),
})

type NoteFacts = z.output<typeof noteFacts>

/**
 * The surest learnings and the newest entries that name the table.
 * @param logicalSchema the purpose of a schema that was provisioned, else its name
 */
export function noteFactsOf(
  { learnings, knowledge }: SchemaMetadata,
  { schema, name }: TableMetadata,
  logicalSchema: string,
): NoteFacts {
  const names = [name, `${schema}.${name}`, `${logicalSchema}.${name}`]
  const learned = learnings.filter(({ tables }) => tables.some(table => names.includes(table))).slice(0, eachMax)
  const entries = knowledge.filter(entry => mentions(entry, name)).slice(0, eachMax)
  return {
    learned:
      learned.length === 0
        ? undefined
        : learned.map(({ description, failingSql, correctedSql, confidence }) => ({
            description: oneLine(description, textMaxChars),
            failing_sql: failingSql === null ? undefined : oneLine(failingSql, textMaxChars),
            corrected_sql: oneLine(correctedSql, textMaxChars),
            confidence,
          })),
    entries:
      entries.length === 0
        ? undefined
        : entries.map(({ id, title }) => ({ uri: `postern://knowledge/${id}`, title: oneLine(title) })),
  }
}

export function noteLines({ learned = [], entries = [] }: NoteFacts): string[] {
  return [
    ...learned.map(({ description, failing_sql, corrected_sql, confidence }) => {
      const instead = failing_sql === undefined ? '' : ` instead of ${failing_sql}`
      return `learned (confidence ${confidence}): ${description} Write ${corrected_sql}${instead}`
    }),
    ...entries.map(({ uri, title }) => `knowledge: ${title} (${uri})`),
  ]
}

/** As a tag, or as a word of its title or text. */
function mentions({ tags, title, markdown }: SchemaMetadata['knowledge'][number], name: string): boolean {
  const wanted = name.toLowerCase()
  if (tags.some(tag => tag.toLowerCase() === wanted)) return true
  return `${title} ${markdown}`
    .toLowerCase()
    .split(/[^\p{L}\p{N}_]+/u)
    .includes(wanted)
}
