/** The semantic layer as rows: the same definitions as in a file, one row each. What they hold is checked where they are read. */
import type { ClientBase, Pool } from 'pg'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import type { TenantRef } from './tenants.ts'

export interface SemanticEntry {
  readonly kind: 'entity' | 'relationship' | 'metric'
  /** A database's alias; `*`: any of the tenant's. */
  readonly database: string
  /** A schema's own name, or the purpose that it was provisioned for; `*`: any. */
  readonly schema: string
  readonly name: string
  readonly definition: unknown
}

/** By kind, the more general first, then as they were written. */
export async function listSemanticEntries(db: Pool | ClientBase, tenantId: string): Promise<readonly SemanticEntry[]> {
  const listed = await db.query<SemanticEntry>(
    `select s.kind, s.database_alias as database, s.schema_name as schema, s.name, s.definition
     from postern.semantic_entry s where s.tenant_id = $1
     order by s.kind, s.database_alias <> '*', s.schema_name <> '*', s.position, s.name`,
    [tenantId],
  )
  return listed.rows
}

export interface SemanticStamp {
  readonly tenantName: string
  /** Another text whenever any of the tenant's entries changes, whoever changed it; null: he has none. */
  readonly stamp: string | null
}

/** Undefined: there is no such tenant. */
export async function readSemanticStamp(db: Pool | ClientBase, tenantId: string): Promise<SemanticStamp | undefined> {
  const read = await db.query<SemanticStamp>(
    `select t.name as "tenantName", (select md5(string_agg(s.id::text || s.xmin::text, ',' order by s.id))
       from postern.semantic_entry s where s.tenant_id = t.id) as stamp
     from postern.tenant t where t.id = $1`,
    [tenantId],
  )
  return read.rows[0]
}

/** Puts these in the place of all that the tenant has. They are known to be good. */
export function replaceSemanticEntries(
  administration: Administration,
  tenant: TenantRef,
  entries: readonly SemanticEntry[],
): Promise<void> {
  return administer(administration, async client => {
    const removed = await client.query('delete from postern.semantic_entry where tenant_id = $1', [tenant.id])
    await client.query(
      `insert into postern.semantic_entry (id, tenant_id, kind, database_alias, schema_name, name, definition, position)
       select e.id, $1, e.kind, e.database, e.schema, e.name, e.definition, e.position
       from json_to_recordset($2) e (id uuid, kind text, database text, schema text, name text, definition json, position integer)`,
      [tenant.id, JSON.stringify(entries.map((entry, position) => ({ id: makeId(), ...entry, position })))],
    )
    const count = (kind: SemanticEntry['kind']) => entries.filter(entry => entry.kind === kind).length
    const detail = {
      entities: count('entity'),
      relationships: count('relationship'),
      metrics: count('metric'),
      removed: removed.rowCount,
    }
    return [undefined, { act: 'semantic import', tenant: tenant.name, tenantId: tenant.id, detail }]
  })
}
