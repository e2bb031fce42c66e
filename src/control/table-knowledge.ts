/** What people know of a tenant's tables. Keyed by logical names, so that a table that comes back finds it again. */
import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import { missing } from './names.ts'
import type { TenantRef } from './tenants.ts'
import { checkText, checkTexts, isId, refuseMore } from './texts.ts'

/** Which table is meant. */
export interface TableName {
  /** A database's alias; `*`: any of the tenant's. */
  readonly database: string
  /** A schema's own name, or the purpose that it was provisioned for; `*`: any. */
  readonly schema: string
  readonly table: string
}

export interface TableNotes {
  readonly useCases: readonly string[]
  readonly qualityNotes: string | null
  readonly owner: string | null
  readonly refreshFrequency: string | null
  readonly joinHints: readonly string[]
  /** By column. */
  readonly columnNotes: Readonly<Record<string, string>>
}

export interface TableKnowledgeRow extends TableName, TableNotes {
  readonly id: string
  readonly createdBy: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export const tableKnowledgeLimits = {
  /** An identifier of Postgres has at most 63 bytes. */
  nameMaxBytes: 63,
  ownerMaxBytes: 200,
  refreshFrequencyMaxBytes: 200,
  qualityNotesMaxBytes: 4 * 1024,
  /** One use case, join hint or column note. */
  noteMaxBytes: 1024,
  useCasesMax: 20,
  joinHintsMax: 20,
  columnNotesMax: 200,
  /** Per tenant. */
  tablesMax: 2_000,
} as const

const columns = `k.id, k.database_alias as database, k.schema_name as schema, k.table_name as "table",
  k.use_cases as "useCases", k.quality_notes as "qualityNotes", k.owner, k.refresh_frequency as "refreshFrequency",
  k.join_hints as "joinHints", k.column_notes as "columnNotes", k.created_by as "createdBy",
  k.created_at as "createdAt", k.updated_at as "updatedAt"`

function checkNotes(name: TableName, notes: TableNotes): void {
  const limits = tableKnowledgeLimits
  const note = { maxBytes: limits.noteMaxBytes, lines: true }
  for (const part of ['database', 'schema', 'table'] as const) {
    checkText(`the ${part}`, name[part], { maxBytes: limits.nameMaxBytes })
  }
  checkTexts('a use case', notes.useCases, note, limits.useCasesMax)
  checkTexts('a join hint', notes.joinHints, note, limits.joinHintsMax)
  checkTexts('a column note', Object.values(notes.columnNotes), note, limits.columnNotesMax)
  const named = Object.keys(notes.columnNotes)
  checkTexts('a column', named, { maxBytes: limits.nameMaxBytes }, limits.columnNotesMax)
  if (notes.owner !== null) checkText('the owner', notes.owner, { maxBytes: limits.ownerMaxBytes })
  if (notes.refreshFrequency !== null) {
    checkText('the refresh frequency', notes.refreshFrequency, { maxBytes: limits.refreshFrequencyMaxBytes })
  }
  if (notes.qualityNotes !== null) {
    checkText('the quality notes', notes.qualityNotes, { maxBytes: limits.qualityNotesMaxBytes, lines: true })
  }
}

/** @throws SqlError 22023, 54000, 42710 where there is one of that table */
export async function addTableKnowledge(
  administration: Administration,
  tenant: TenantRef,
  name: TableName,
  notes: TableNotes,
): Promise<TableKnowledgeRow> {
  checkNotes(name, notes)
  return administer(administration, async client => {
    const there = await client.query('select from postern.table_knowledge k where k.tenant_id = $1', [tenant.id])
    refuseMore('tables with knowledge', there.rowCount ?? 0, tableKnowledgeLimits.tablesMax)
    const added = await client.query<TableKnowledgeRow>(
      `insert into postern.table_knowledge as k (id, tenant_id, database_alias, schema_name, table_name, use_cases,
         quality_notes, owner, refresh_frequency, join_hints, column_notes, created_by)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
       on conflict (tenant_id, database_alias, schema_name, table_name) do nothing returning ${columns}`,
      [
        makeId(),
        tenant.id,
        ...[name.database, name.schema, name.table],
        ...valuesOf(notes),
        administration.actor.principal ?? null,
      ],
    )
    const row = added.rows[0]
    if (row === undefined) throw await alreadyThere(client, tenant, name)
    return [row, actOf('add', tenant, row)]
  })
}

/** What is left out stays. @throws SqlError 22023, 42704 */
export function setTableKnowledge(
  administration: Administration,
  tenant: TenantRef,
  id: string,
  change: Partial<TableNotes>,
): Promise<TableKnowledgeRow> {
  return administer(administration, async client => {
    const before = await findTableKnowledge(client, tenant.id, id)
    const after = { ...before, ...change }
    checkNotes(before, after)
    const set = await client.query<TableKnowledgeRow>(
      `update postern.table_knowledge k set use_cases = $3, quality_notes = $4, owner = $5, refresh_frequency = $6,
         join_hints = $7, column_notes = $8, updated_at = now()
       where k.tenant_id = $1 and k.id = $2 returning ${columns}`,
      [tenant.id, id, ...valuesOf(after)],
    )
    const row = set.rows[0]!
    return [row, actOf('edit', tenant, row)]
  })
}

/** @throws SqlError 42704 */
export function removeTableKnowledge(
  administration: Administration,
  tenant: TenantRef,
  id: string,
): Promise<TableKnowledgeRow> {
  return administer(administration, async client => {
    const row = await findTableKnowledge(client, tenant.id, id)
    await client.query('delete from postern.table_knowledge where tenant_id = $1 and id = $2', [tenant.id, id])
    return [row, actOf('remove', tenant, row)]
  })
}

/** All of a tenant, or what is meant for one schema, the more general first. */
export async function listTableKnowledge(
  db: Pool | ClientBase,
  tenantId: string,
  where?: { readonly database: string; readonly schema: string },
): Promise<readonly TableKnowledgeRow[]> {
  const listed = await db.query<TableKnowledgeRow>(
    `select ${columns} from postern.table_knowledge k
     where k.tenant_id = $1 and ($2::text is null or k.database_alias in ('*', $2) and k.schema_name in ('*', $3))
     order by k.table_name, k.schema_name <> '*', k.database_alias <> '*', k.database_alias, k.schema_name`,
    [tenantId, where?.database ?? null, where?.schema ?? null],
  )
  return listed.rows
}

/** A stranger's is missing. @throws SqlError 42704 */
export async function findTableKnowledge(
  db: Pool | ClientBase,
  tenantId: string,
  id: string,
): Promise<TableKnowledgeRow> {
  if (!isId(id)) throw missing('knowledge', id)
  const found = await db.query<TableKnowledgeRow>(
    `select ${columns} from postern.table_knowledge k where k.tenant_id = $1 and k.id = $2`,
    [tenantId, id],
  )
  const row = found.rows[0]
  if (row === undefined) throw missing('knowledge', id)
  return row
}

function valuesOf(notes: TableNotes): unknown[] {
  const { useCases, qualityNotes, owner, refreshFrequency, joinHints, columnNotes } = notes
  return [useCases, qualityNotes, owner, refreshFrequency, joinHints, JSON.stringify(columnNotes)]
}

async function alreadyThere(client: ClientBase, tenant: TenantRef, name: TableName): Promise<SqlError> {
  const rows = await listTableKnowledge(client, tenant.id, name)
  const row = rows.find(one => one.table === name.table && one.database === name.database && one.schema === name.schema)
  return new SqlError({
    code: '42710',
    message: `there is knowledge of table ${JSON.stringify(name.table)} already`,
    hint: `Change it: postern knowledge edit ${row?.id} --tenant ${tenant.name} …`,
  })
}

function actOf(verb: 'add' | 'edit' | 'remove', tenant: TenantRef, row: TableKnowledgeRow) {
  const { id, database, schema, table } = row
  const detail = { kind: 'table', id, database, schema, table }
  return { act: `knowledge ${verb}`, tenant: tenant.name, tenantId: tenant.id, detail }
}
