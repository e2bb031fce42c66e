/** What the catalogs of tenant databases said when they were last read, kept over restarts and for all instances. */
import type { Pool } from 'pg'

export interface SnapshotRow {
  readonly version: string
  readonly generatedAt: Date
  /** Null: as the caller has it. */
  readonly contents: unknown
}

/** @param knownAt generatedAt of what the caller holds already: those contents are not sent again */
export async function readSnapshot(
  pool: Pool,
  databaseId: string,
  schema: string,
  knownAt: Date | null,
): Promise<SnapshotRow | undefined> {
  const read = await pool.query<SnapshotRow>(
    `select version, generated_at as "generatedAt",
       case when generated_at is distinct from $3::timestamptz then contents end as contents
     from postern.catalog_snapshot where database_id = $1 and schema = $2`,
    [databaseId, schema, knownAt],
  )
  return read.rows[0]
}

/** The newest stays, whoever writes last. Of a database that was removed meanwhile nothing is kept. */
export async function storeSnapshot(
  pool: Pool,
  databaseId: string,
  schema: string,
  snapshot: SnapshotRow,
): Promise<void> {
  await pool.query(
    `insert into postern.catalog_snapshot as s (database_id, schema, version, generated_at, contents)
     select d.id, $2, $3, $4, $5 from postern.database d where d.id = $1
     on conflict (database_id, schema) do update
       set version = excluded.version, generated_at = excluded.generated_at, contents = excluded.contents
       where s.generated_at < excluded.generated_at`,
    [databaseId, schema, snapshot.version, snapshot.generatedAt, JSON.stringify(snapshot.contents)],
  )
}
