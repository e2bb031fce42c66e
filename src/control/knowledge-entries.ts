/** General knowledge of a tenant: titled pages of Markdown. Texts are kept as they were given. */
import type { ClientBase, Pool } from 'pg'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import { missing } from './names.ts'
import type { TenantRef } from './tenants.ts'
import { checkText, checkTexts, isId, refuseMore } from './texts.ts'

export interface KnowledgeEntry {
  readonly id: string
  readonly title: string
  readonly markdown: string
  readonly tags: readonly string[]
  /** The login of whoever wrote it. */
  readonly createdBy: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface NewKnowledgeEntry {
  readonly title: string
  readonly markdown: string
  readonly tags: readonly string[]
}

export const entryLimits = {
  titleMaxBytes: 200,
  markdownMaxBytes: 16 * 1024,
  tagMaxBytes: 63,
  tagsMax: 20,
  /** Per tenant. */
  entriesMax: 500,
} as const

const columns = `e.id, e.title, e.markdown, e.tags, e.created_by as "createdBy", e.created_at as "createdAt",
  e.updated_at as "updatedAt"`

function checkEntry(entry: NewKnowledgeEntry): void {
  checkText('the title', entry.title, { maxBytes: entryLimits.titleMaxBytes })
  checkText('the text', entry.markdown, { maxBytes: entryLimits.markdownMaxBytes, lines: true })
  checkTexts('a tag', entry.tags, { maxBytes: entryLimits.tagMaxBytes }, entryLimits.tagsMax)
}

/** @throws SqlError 22023, 54000 */
export async function addKnowledgeEntry(
  administration: Administration,
  tenant: TenantRef,
  entry: NewKnowledgeEntry,
): Promise<KnowledgeEntry> {
  checkEntry(entry)
  return administer(administration, async client => {
    const there = await client.query('select from postern.knowledge_entry e where e.tenant_id = $1', [tenant.id])
    refuseMore('general entries', there.rowCount ?? 0, entryLimits.entriesMax)
    const added = await client.query<KnowledgeEntry>(
      `insert into postern.knowledge_entry as e (id, tenant_id, title, markdown, tags, created_by)
       values ($1, $2, $3, $4, $5, $6) returning ${columns}`,
      [makeId(), tenant.id, entry.title, entry.markdown, entry.tags, administration.actor.principal ?? null],
    )
    const row = added.rows[0]!
    return [row, actOf('add', tenant, row)]
  })
}

/** What is left out stays. @throws SqlError 22023, 42704 */
export function setKnowledgeEntry(
  administration: Administration,
  tenant: TenantRef,
  id: string,
  change: Partial<NewKnowledgeEntry>,
): Promise<KnowledgeEntry> {
  return administer(administration, async client => {
    const before = await findKnowledgeEntry(client, tenant.id, id)
    const after = { ...before, ...change }
    checkEntry(after)
    const set = await client.query<KnowledgeEntry>(
      `update postern.knowledge_entry e set title = $3, markdown = $4, tags = $5, updated_at = now()
       where e.tenant_id = $1 and e.id = $2 returning ${columns}`,
      [tenant.id, id, after.title, after.markdown, after.tags],
    )
    const row = set.rows[0]!
    return [row, actOf('edit', tenant, row)]
  })
}

/** @throws SqlError 42704 */
export function removeKnowledgeEntry(
  administration: Administration,
  tenant: TenantRef,
  id: string,
): Promise<KnowledgeEntry> {
  return administer(administration, async client => {
    const row = await findKnowledgeEntry(client, tenant.id, id)
    await client.query('delete from postern.knowledge_entry where tenant_id = $1 and id = $2', [tenant.id, id])
    return [row, actOf('remove', tenant, row)]
  })
}

/** The last changed first; with `textMaxBytes` no more of them than have so much Markdown together. */
export async function listKnowledgeEntries(
  db: Pool | ClientBase,
  tenantId: string,
  o: { readonly textMaxBytes?: number; readonly entriesMax?: number } = {},
): Promise<readonly KnowledgeEntry[]> {
  const listed = await db.query<KnowledgeEntry>(
    `select ${columns} from (
       select *, sum(octet_length(k.markdown)) over (order by k.updated_at desc, k.id desc) as bytes
       from postern.knowledge_entry k where k.tenant_id = $1) e
     where $2::bigint is null or e.bytes <= $2
     order by e.updated_at desc, e.id desc limit $3`,
    [tenantId, o.textMaxBytes ?? null, o.entriesMax ?? null],
  )
  return listed.rows
}

/** A stranger's is missing. @throws SqlError 42704 */
export async function findKnowledgeEntry(db: Pool | ClientBase, tenantId: string, id: string): Promise<KnowledgeEntry> {
  if (!isId(id)) throw missing('knowledge', id)
  const found = await db.query<KnowledgeEntry>(
    `select ${columns} from postern.knowledge_entry e where e.tenant_id = $1 and e.id = $2`,
    [tenantId, id],
  )
  const row = found.rows[0]
  if (row === undefined) throw missing('knowledge', id)
  return row
}

function actOf(verb: 'add' | 'edit' | 'remove', tenant: TenantRef, row: KnowledgeEntry) {
  const detail = { kind: 'entry', id: row.id, title: row.title, tags: row.tags }
  return { act: `knowledge ${verb}`, tenant: tenant.name, tenantId: tenant.id, detail }
}
