/** What `knowledge add` and `knowledge edit` do with the options that they were given. */
import type { KnowledgeItem } from '../catalog/knowledge-base.ts'
import { checkStatement } from '../catalog/semantic-sql.ts'
import type { Administration } from '../control/administration.ts'
import { addKnowledgeEntry, setKnowledgeEntry } from '../control/knowledge-entries.ts'
import { addLearning, setLearning } from '../control/learnings.ts'
import { addTableKnowledge, setTableKnowledge } from '../control/table-knowledge.ts'
import type { TenantRef } from '../control/tenants.ts'
import { SqlError } from '../errors.ts'
import { createParser } from '../guard/parse.ts'
import { demand, entryFields, type FieldOptions, type Kind, learningFields, tableFields } from './knowledge-fields.ts'

/** @throws SqlError 22023, 42601 and kin for SQL that does not parse, 42710, 54000 */
export async function addItem(
  kind: Kind,
  administration: Administration,
  tenant: TenantRef,
  options: FieldOptions,
): Promise<KnowledgeItem> {
  switch (kind) {
    case 'entry': {
      const { title, markdown, tags = [] } = await entryFields(options)
      const entry = { title: demand('title', title), markdown: demand('text', markdown), tags }
      return { kind, ...(await addKnowledgeEntry(administration, tenant, entry)) }
    }
    case 'table': {
      const [table, second] = demand('table', options.table)
      if (table === undefined || second !== undefined) throw invalid('--table names one table here')
      const name = { database: options.database ?? '*', schema: options.schema ?? '*', table }
      const none = {
        useCases: [],
        qualityNotes: null,
        owner: null,
        refreshFrequency: null,
        joinHints: [],
        columnNotes: {},
      }
      return { kind, ...(await addTableKnowledge(administration, tenant, name, { ...none, ...tableFields(options) })) }
    }
    case 'learning': {
      const { description, category, correctedSql, ...rest } = learningFields(options)
      const learning = {
        ...{ database: '*', tables: [], failingSql: null, ...rest },
        description: demand('description', description),
        category: demand('category', category),
        correctedSql: demand('correctedSql', correctedSql),
      }
      await checkSql(learning.correctedSql)
      return { kind, ...(await addLearning(administration, tenant, learning)).learning }
    }
  }
}

/** @throws SqlError 22023, 42601 and kin for SQL that does not parse, 42704 */
export async function editItem(
  kind: Kind,
  administration: Administration,
  tenant: TenantRef,
  id: string,
  options: FieldOptions,
): Promise<KnowledgeItem> {
  switch (kind) {
    case 'entry':
      return { kind, ...(await setKnowledgeEntry(administration, tenant, id, await entryFields(options))) }
    case 'table':
      return { kind, ...(await setTableKnowledge(administration, tenant, id, tableFields(options))) }
    case 'learning':
      if (options.correctedSql !== undefined) await checkSql(options.correctedSql)
      return { kind, ...(await setLearning(administration, tenant, id, learningFields(options))) }
  }
}

/** @throws SqlError 42601 and kin, 22023 */
async function checkSql(text: string): Promise<void> {
  const parser = await createParser()
  try {
    await checkStatement(parser, text)
  } finally {
    await parser.close()
  }
}

function invalid(message: string): SqlError {
  return new SqlError({ code: '22023', message })
}
