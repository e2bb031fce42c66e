/** Brings the control schema to the newest version: sql/control, forward only, in order, each file once. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'

export interface Migration {
  readonly id: number
  /** The file's name. */
  readonly name: string
  /** SHA-256 in hex of the file, with line ends as LF. */
  readonly hash: string
  readonly text: string
}

interface Applied {
  readonly id: number
  readonly name: string
  readonly hash: string
}

const defaultFolder = join(import.meta.dirname, '../../sql/control')
const filePattern = /^(\d{6})-[a-z0-9-]+\.sql$/

/** The migrations of a folder in order. @throws SqlError F0000 where a name is out of pattern or a number used twice. */
export async function readMigrations(folder: string = defaultFolder): Promise<readonly Migration[]> {
  const migrations: Migration[] = []
  for (const name of (await readdir(folder)).sort()) {
    const id = Number(filePattern.exec(name)?.[1])
    if (!Number.isInteger(id) || id === migrations.at(-1)?.id) {
      throw new SqlError({
        code: 'F0000',
        message: `migration ${name} is not named 000001-words.sql with a number of its own`,
      })
    }
    const text = (await readFile(join(folder, name), 'utf8')).replaceAll('\r\n', '\n')
    migrations.push({ id, name, hash: createHash('sha256').update(text).digest('hex'), text })
  }
  return migrations
}

/**
 * Applies what is not applied yet, each file in a transaction of its own. Any number of instances may do so at once.
 * The pool's login must own the schema; where nothing is pending any login that may read postern.migration will do.
 * @returns the names of the files that this call applied
 * @throws SqlError 55000 where an applied file has changed since, or the database is newer than this program
 */
export async function migrate(pool: Pool, folder?: string): Promise<readonly string[]> {
  const migrations = await readMigrations(folder)
  if ((await pendingOf(pool, migrations)).length === 0) return []
  const client = await pool.connect()
  const done: string[] = []
  let failure: Error | undefined
  try {
    for (;;) {
      const name = await applyNext(client, migrations)
      if (name === undefined) return done
      done.push(name)
    }
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error))
    throw error
  } finally {
    client.release(failure)
  }
}

/** The names of the files that are not applied yet. @throws as {@link migrate} */
export async function pendingMigrations(pool: Pool, folder?: string): Promise<readonly string[]> {
  return (await pendingOf(pool, await readMigrations(folder))).map(migration => migration.name)
}

async function pendingOf(db: Pool | ClientBase, migrations: readonly Migration[]): Promise<readonly Migration[]> {
  const found = await db.query<{ found: boolean }>(`select to_regclass('postern.migration') is not null as found`)
  if (!found.rows[0]?.found) return migrations
  const applied = await db.query<Applied>('select id, name, hash from postern.migration order by id')
  return compare(migrations, applied.rows)
}

function compare(migrations: readonly Migration[], applied: readonly Applied[]): readonly Migration[] {
  const byId = new Map(migrations.map(migration => [migration.id, migration]))
  for (const row of applied) {
    const migration = byId.get(row.id)
    if (migration === undefined) {
      throw new SqlError({
        code: '55000',
        message: `the control database is newer than this Postern: it has had ${row.name}`,
        hint: 'Run the newer version of Postern. Migrations go forward only.',
      })
    }
    if (migration.hash !== row.hash) {
      throw new SqlError({
        code: '55000',
        message: `${migration.name} has changed since it was applied to the control database`,
        hint: 'Restore the file as it was and put the change into a new migration.',
      })
    }
    byId.delete(row.id)
  }
  return [...byId.values()]
}

/** The next pending file, under the lock of migrations; undefined: nothing is left to do. */
async function applyNext(client: ClientBase, migrations: readonly Migration[]): Promise<string | undefined> {
  await client.query('begin')
  await client.query(`set local statement_timeout to '10min'`)
  // Held until the transaction ends, so it also covers making the schema, which races without it.
  await client.query('select pg_advisory_xact_lock(7219, 1)')
  await client.query('create schema if not exists postern')
  await client.query(`
    create table if not exists postern.migration (
      id integer primary key,
      name text not null,
      hash text not null,
      applied_at timestamptz not null default now()
    )`)
  const next = (await pendingOf(client, migrations))[0]
  if (next !== undefined) {
    await client.query(next.text)
    await client.query('insert into postern.migration (id, name, hash) values ($1, $2, $3)', [
      next.id,
      next.name,
      next.hash,
    ])
  }
  await client.query('commit')
  return next?.name
}
