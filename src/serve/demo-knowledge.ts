/** What is written about a demo tenant's data: once, so that what its users change or remove stays so. */
import { entriesOf } from '../catalog/semantic-export.ts'
import { parseSemantics } from '../catalog/semantic-yaml.ts'
import type { Administration } from '../control/administration.ts'
import { addKnowledgeEntry } from '../control/knowledge-entries.ts'
import { addLearning } from '../control/learnings.ts'
import { listSemanticEntries, replaceSemanticEntries } from '../control/semantic-entries.ts'
import { addTableKnowledge } from '../control/table-knowledge.ts'
import { findTenant } from '../control/tenants.ts'
import type { DemoTenant } from '../embedded/demo.ts'
import { demoEntries, demoLearning, demoSemantics, demoTables } from '../embedded/demo-semantics.ts'
import { createParser } from '../guard/parse.ts'

const alias = 'crm'

/** To be called before the tenant's database is made. A second time it does nothing. */
export async function writeDemoKnowledge(administration: Administration, name: DemoTenant): Promise<void> {
  const tenant = await findTenant(administration.pool, name)
  if ((await listSemanticEntries(administration.pool, tenant.id)).length > 0) return
  for (const entry of demoEntries) await addKnowledgeEntry(administration, tenant, entry)
  for (const { table, ...notes } of demoTables) {
    const where = { database: alias, schema: 'crm', table }
    await addTableKnowledge(administration, tenant, where, { joinHints: [], columnNotes: {}, ...notes })
  }
  await addLearning(administration, tenant, { database: alias, ...demoLearning })
  const parser = await createParser()
  try {
    const { layer } = parseSemantics(demoSemantics[name], `${name}.yml`, parser)
    await replaceSemanticEntries(administration, tenant, entriesOf(layer))
  } finally {
    await parser.close()
  }
}
