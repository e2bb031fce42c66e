/** What was learned from statements that were wrong. SQL is kept as text: nothing here runs it. */
import type { ClientBase, Pool } from 'pg'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import { missing } from './names.ts'
import type { TenantRef } from './tenants.ts'
import { checkText, checkTexts, isId, refuseMore } from './texts.ts'

export interface NewLearning {
  /** A database's alias; `*`: any of the tenant's. */
  readonly database: string
  readonly description: string
  readonly category: string
  /** Logical names, `table` or `schema.table`; empty: it holds everywhere. */
  readonly tables: readonly string[]
  readonly failingSql: string | null
  readonly correctedSql: string
}

export interface Learning extends NewLearning {
  readonly id: string
  /** From 0 to 1 in steps of 0.1. */
  readonly confidence: number
  /** Agents are given it: its confidence is at least the floor. */
  readonly active: boolean
  /** How often somebody said what came of using it. */
  readonly timesApplied: number
  readonly createdBy: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export const learningLimits = {
  descriptionMaxBytes: 2 * 1024,
  categoryMaxBytes: 63,
  sqlMaxBytes: 16 * 1024,
  /** schema.table */
  tableMaxBytes: 127,
  tablesMax: 20,
  /** Per tenant. */
  learningsMax: 1_000,
  /** Below it a learning is kept, but no longer given to agents. */
  confidenceFloor: 0.3,
} as const

const columns = `l.id, l.database_alias as database, l.description, l.category, l.tables, l.failing_sql as "failingSql",
  l.corrected_sql as "correctedSql", l.confidence::float8 as confidence,
  l.confidence >= ${learningLimits.confidenceFloor} as active, l.times_applied as "timesApplied",
  l.created_by as "createdBy", l.created_at as "createdAt", l.updated_at as "updatedAt"`

function checkLearning(learning: NewLearning): void {
  const limits = learningLimits
  checkText('the database', learning.database, { maxBytes: 63 })
  checkText('the description', learning.description, { maxBytes: limits.descriptionMaxBytes, lines: true })
  checkText('the category', learning.category, { maxBytes: limits.categoryMaxBytes })
  checkTexts('a table', learning.tables, { maxBytes: limits.tableMaxBytes }, limits.tablesMax)
  const sql = { maxBytes: limits.sqlMaxBytes, lines: true }
  if (learning.failingSql !== null) checkText('the failing SQL', learning.failingSql, sql)
  checkText('the corrected SQL', learning.correctedSql, sql)
}

/**
 * Confidence 0.5 at first. One that says the same again, word by word, is the one that is there.
 * @throws SqlError 22023, 54000
 */
export async function addLearning(
  administration: Administration,
  tenant: TenantRef,
  learning: NewLearning,
): Promise<{ readonly learning: Learning; readonly created: boolean }> {
  checkLearning(learning)
  return administer<{ learning: Learning; created: boolean }>(administration, async client => {
    const { database, description, category, tables, failingSql, correctedSql } = learning
    const same = await client.query<Learning>(
      `select ${columns} from postern.learning l where l.tenant_id = $1 and l.database_alias = $2
         and l.description = $3 and l.category = $4 and l.corrected_sql = $5`,
      [tenant.id, database, description, category, correctedSql],
    )
    const known = same.rows[0]
    if (known !== undefined) return [{ learning: known, created: false }, actOf('add again', tenant, known)]
    const there = await client.query('select from postern.learning l where l.tenant_id = $1', [tenant.id])
    refuseMore('learnings', there.rowCount ?? 0, learningLimits.learningsMax)
    const added = await client.query<Learning>(
      `insert into postern.learning as l (id, tenant_id, database_alias, description, category, tables, failing_sql,
         corrected_sql, created_by) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning ${columns}`,
      [
        makeId(),
        tenant.id,
        database,
        description,
        category,
        tables,
        failingSql,
        correctedSql,
        administration.actor.principal ?? null,
      ],
    )
    const row = added.rows[0]!
    return [{ learning: row, created: true }, actOf('add', tenant, row)]
  })
}

/** What is left out stays, confidence too. @throws SqlError 22023, 42704 */
export function setLearning(
  administration: Administration,
  tenant: TenantRef,
  id: string,
  change: Partial<NewLearning>,
): Promise<Learning> {
  return administer(administration, async client => {
    const after = { ...(await findLearning(client, tenant.id, id)), ...change }
    checkLearning(after)
    const set = await client.query<Learning>(
      `update postern.learning l set database_alias = $3, description = $4, category = $5, tables = $6,
         failing_sql = $7, corrected_sql = $8, updated_at = now()
       where l.tenant_id = $1 and l.id = $2 returning ${columns}`,
      [
        ...[tenant.id, id, after.database, after.description, after.category, after.tables],
        ...[after.failingSql, after.correctedSql],
      ],
    )
    const row = set.rows[0]!
    return [row, actOf('edit', tenant, row)]
  })
}

/** Somebody used it, and it was right or wrong: confidence moves by 0.1, within 0 and 1. @throws SqlError 42704 */
export function judgeLearning(
  administration: Administration,
  tenant: TenantRef,
  id: string,
  right: boolean,
): Promise<Learning> {
  return administer(administration, async client => {
    if (!isId(id)) throw missing('knowledge', id)
    const moved = await client.query<Learning>(
      `update postern.learning l set times_applied = l.times_applied + 1, updated_at = now(),
         confidence = greatest(0, least(1, l.confidence + case when $3 then 0.1 else -0.1 end))
       where l.tenant_id = $1 and l.id = $2 returning ${columns}`,
      [tenant.id, id, right],
    )
    const row = moved.rows[0]
    if (row === undefined) throw missing('knowledge', id)
    return [row, actOf(right ? 'confirm' : 'contradict', tenant, row)]
  })
}

/** @throws SqlError 42704 */
export function removeLearning(administration: Administration, tenant: TenantRef, id: string): Promise<Learning> {
  return administer(administration, async client => {
    const row = await findLearning(client, tenant.id, id)
    await client.query('delete from postern.learning where tenant_id = $1 and id = $2', [tenant.id, id])
    return [row, actOf('remove', tenant, row)]
  })
}

/** The surest first. `active`: only those that agents are given; `database`: only those that hold in it. */
export async function listLearnings(
  db: Pool | ClientBase,
  tenantId: string,
  o: { readonly active?: boolean; readonly database?: string; readonly rowsMax?: number } = {},
): Promise<readonly Learning[]> {
  const listed = await db.query<Learning>(
    `select ${columns} from postern.learning l
     where l.tenant_id = $1 and (not $2 or l.confidence >= ${learningLimits.confidenceFloor})
       and ($3::text is null or l.database_alias in ('*', $3))
     order by l.confidence desc, l.times_applied desc, l.id desc limit $4`,
    [tenantId, o.active === true, o.database ?? null, o.rowsMax ?? null],
  )
  return listed.rows
}

/** A stranger's is missing. @throws SqlError 42704 */
export async function findLearning(db: Pool | ClientBase, tenantId: string, id: string): Promise<Learning> {
  if (!isId(id)) throw missing('knowledge', id)
  const found = await db.query<Learning>(
    `select ${columns} from postern.learning l where l.tenant_id = $1 and l.id = $2`,
    [tenantId, id],
  )
  const row = found.rows[0]
  if (row === undefined) throw missing('knowledge', id)
  return row
}

function actOf(verb: string, tenant: TenantRef, row: Learning) {
  const { id, category, tables, confidence } = row
  const detail = { kind: 'learning', id, category, tables, confidence }
  return { act: `knowledge ${verb}`, tenant: tenant.name, tenantId: tenant.id, detail }
}
