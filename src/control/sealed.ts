/** Everything in the control database that is sealed, found by its name, and sealed anew at a rotation. */
import type { ClientBase, Pool } from 'pg'
import { type Administration, administer } from './administration.ts'
import type { Sealer } from './sealer.ts'

/** A column `<what>_sealed`. What it holds was sealed for `<table>/<id>/<what>`, with dashes. */
interface SealedColumn {
  readonly table: string
  readonly column: string
  /** The primary key. */
  readonly key: string
}

export interface SealedCount {
  /** The master key that opens them. */
  readonly keyId: string
  readonly secrets: number
}

/** How many secrets each master key opens. */
export async function countSealed(db: Pool | ClientBase): Promise<readonly SealedCount[]> {
  const counts = new Map<string, number>()
  for (const { table, column } of await findColumns(db)) {
    const read = await db.query<{ keyId: string; secrets: string }>(
      `select split_part(${quote(column)}, '$', 2) as "keyId", count(*) as secrets
       from postern.${quote(table)} where ${quote(column)} is not null group by 1`,
    )
    for (const { keyId, secrets } of read.rows) counts.set(keyId, (counts.get(keyId) ?? 0) + Number(secrets))
  }
  return [...counts].map(([keyId, secrets]) => ({ keyId, secrets }))
}

/**
 * Seals everything by `sealer`, which opens what it was sealed with before, in one transaction: done again where it was
 * interrupted. `administration` is the owner's: the service may not touch all of it.
 * @returns how many secrets were sealed anew
 * @throws SqlError XX001 where one of them cannot be opened; then nothing is changed
 */
export function resealAll(administration: Administration, sealer: Sealer): Promise<number> {
  return administer(administration, async client => {
    let resealed = 0
    for (const column of await findColumns(client)) resealed += await resealColumn(client, column, sealer)
    return [resealed, { act: 'keys rotate', detail: { to: sealer.keyId, resealed } }]
  })
}

async function resealColumn(client: ClientBase, { table, column, key }: SealedColumn, sealer: Sealer): Promise<number> {
  const older = await client.query<{ key: string; sealed: string }>(
    `select ${quote(key)}::text as key, ${quote(column)} as sealed from postern.${quote(table)}
     where ${quote(column)} is not null and split_part(${quote(column)}, '$', 2) <> $1 for update`,
    [sealer.keyId],
  )
  for (const row of older.rows) {
    const context = contextOf(table, row.key, column)
    await client.query(`update postern.${quote(table)} set ${quote(column)} = $2 where ${quote(key)}::text = $1`, [
      row.key,
      sealer.seal(sealer.open(row.sealed, context), context),
    ])
  }
  return older.rows.length
}

async function findColumns(db: Pool | ClientBase): Promise<readonly SealedColumn[]> {
  const found = await db.query<SealedColumn>(
    `select c.relname as "table", a.attname as "column", k.attname as key
     from pg_catalog.pg_class c
       join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname like '%\\_sealed' and not a.attisdropped
       join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisprimary and i.indnkeyatts = 1
       join pg_catalog.pg_attribute k on k.attrelid = c.oid and k.attnum = i.indkey[0]
     where c.relnamespace = 'postern'::regnamespace and c.relkind = 'r'
     order by c.relname, a.attname`,
  )
  return found.rows
}

function contextOf(table: string, key: string, column: string): string {
  // The audit's keys have numbers.
  if (table === 'audit_key') return `audit key ${key}`
  return `${table}/${key}/${column.slice(0, -'_sealed'.length).replaceAll('_', '-')}`
}

/** Names from the catalog, of our own schema. */
function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
