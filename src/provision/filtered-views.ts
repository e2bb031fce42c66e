/** Installs schema postern_catalog from sql/tenant: what readers see instead of the cluster-wide catalogs. */
import { readFile } from 'node:fs/promises'
import { SqlError } from '../errors.ts'
import settings from '../guard/settings.json' with { type: 'json' }
import { inTransaction, type Query } from './administrator.ts'
import type { DatabaseRoles } from './names.ts'
import { quoteName, quoteText } from './quote.ts'
import { firstOwnOid } from './version-sql.ts'

export const filteredSchema = 'postern_catalog'

const sqlFile = new URL('../../sql/tenant/filtered-catalogs.sql', import.meta.url)

const database = '(select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())'

/** The bootstrap superuser and pg_… have oids below initdb's end: psql joins the owners of system tables with pg_roles too. */
const roles = `
  select r.oid from pg_catalog.pg_roles r where r.oid < ${firstOwnOid} or r.rolname in (current_user, session_user)
  union select d.datdba from pg_catalog.pg_database d where d.oid = ${database}
  union select s.refobjid from pg_catalog.pg_shdepend s
   where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
     and (s.dbid = ${database} or s.dbid = 0 and s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass and s.objid = ${database})`

/** pg_default and pg_global, the database's own, and those of its tables. */
const tablespaces = `
  select t.oid from pg_catalog.pg_tablespace t where t.spcname in ('pg_default', 'pg_global')
  union select d.dattablespace from pg_catalog.pg_database d where d.oid = ${database}
  union select c.reltablespace from pg_catalog.pg_class c`

const substitutes: readonly (readonly [token: string, sql: string])[] = [
  ['{database}', database],
  ['{roles}', roles],
  ['{tablespaces}', tablespaces],
  ['{settings}', settings.shown.map(quoteText).join(', ')],
]

/**
 * Makes or renews the twins in the database that `query` talks to, owned by the owner role and readable by live and
 * reader. Throws 42501 where a schema of that name belongs to anybody else, 2BP01 where a changed twin is depended on.
 */
export async function installFilteredViews(query: Query, names: DatabaseRoles): Promise<void> {
  const statements = await filledStatements(query)
  const [schema, owner] = [quoteName(filteredSchema), quoteName(names.owner)]
  await inTransaction(query, async () => {
    await query(`create schema if not exists ${schema} authorization ${owner}`)
    await checkOwner(query, names.owner)
    await query(`revoke all on schema ${schema} from public`)
    await query(`set local role ${owner}`)
    for (const statement of statements) await replaceView(query, statement)
    await dropOthers(query, statements)
    await query('reset role')
    const readers = `${quoteName(names.live)}, ${quoteName(names.reader)}`
    await query(`grant usage on schema ${schema} to ${readers}`)
    await query(`revoke all on all tables in schema ${schema} from public`)
    await query(`revoke all on all functions in schema ${schema} from public`)
    await query(`grant select on all tables in schema ${schema} to ${readers}`)
    await query(`grant execute on all functions in schema ${schema} to ${readers}`)
  })
}

interface Statement {
  /** Null for a function. */
  readonly view: string | null
  readonly sql: string
}

async function filledStatements(query: Query): Promise<Statement[]> {
  const columns = await readColumns(query)
  const templates = (await readFile(sqlFile, 'utf8')).split(/;\n/)
  const filled = templates.map(template => fill(template, columns))
  return filled.filter(statement => statement !== null)
}

/** relation of pg_catalog → its columns, each with its type and collation as a cast writes them */
type Columns = ReadonlyMap<string, readonly { name: string; type: string }[]>

async function readColumns(query: Query): Promise<Columns> {
  const rows = await query(
    `select c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)
         || case when a.attcollation = 'pg_catalog."C"'::pg_catalog.regcollation then ' collate pg_catalog."C"' else '' end
       from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace and c.relkind in ('r', 'v')
        and a.attnum > 0 and not a.attisdropped
      order by c.relname, a.attnum`,
  )
  const columns = new Map<string, { name: string; type: string }[]>()
  for (const [relation, name, type] of rows) {
    if (!relation || !name || !type) continue
    const known = columns.get(relation) ?? []
    known.push({ name, type })
    columns.set(relation, known)
  }
  return columns
}

/** Null when there is nothing to run: no statement, or a relation that this server does not have. */
function fill(template: string, columns: Columns): Statement | null {
  const body = template
    .split('\n')
    .filter(line => !line.startsWith('--'))
    .join('\n')
    .trim()
  if (body === '') return null
  const list = /\{columns (\w+)((?:;[^}{]*(?:\{roles\})?[^}{]*)*)\}/.exec(body)
  const known = list?.[1] === undefined ? [] : columns.get(list[1])
  if (known === undefined) return null
  const withColumns = list ? body.replace(list[0], () => columnList(known, list[2] ?? '')) : body
  const sql = substitutes.reduce((text, [token, by]) => text.replaceAll(token, () => by), withColumns)
  return { view: /^create or replace view (\S+)/.exec(sql)?.[1] ?? null, sql }
}

function columnList(known: readonly { name: string; type: string }[], replacements: string): string {
  const replaced = new Map<string, string>()
  for (const replacement of replacements.split(';').slice(1)) {
    const [name, ...expression] = replacement.split('=')
    replaced.set((name ?? '').trim(), expression.join('=').trim())
  }
  return known
    .map(({ name, type }) => {
      const expression = replaced.get(name)
      return expression === undefined ? quoteName(name) : `(${expression})::${type} as ${quoteName(name)}`
    })
    .join(', ')
}

async function checkOwner(query: Query, owner: string): Promise<void> {
  const [row] = await query(
    `select pg_catalog.pg_get_userbyid(n.nspowner) = $2 and not exists (
         select from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relowner <> n.nspowner)
       from pg_catalog.pg_namespace n where n.nspname = $1`,
    [filteredSchema, owner],
  )
  if (row?.[0] === 't') return
  throw new SqlError({
    code: '42501',
    message: `schema ${filteredSchema} exists and does not belong to "${owner}" alone`,
    hint: 'The name is reserved: rename that schema, then provision again.',
  })
}

/** What an earlier version installed, or the server no longer has an original of. */
async function dropOthers(query: Query, statements: readonly Statement[]): Promise<void> {
  const views = await query(
    `select pg_catalog.format('%I.%I', n.nspname, c.relname)
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relkind = 'v'`,
    [filteredSchema],
  )
  const ours = new Set(statements.map(({ view }) => view))
  for (const [view] of views) if (view && !ours.has(view)) await query(`drop view ${view}`)
}

/** A view keeps its oid as long as its columns stay (else 42P16): an upgraded server may have others. */
async function replaceView(query: Query, { view, sql }: Statement): Promise<void> {
  await query('savepoint twin')
  try {
    await query(sql)
  } catch (error) {
    if (!(error instanceof SqlError) || error.code !== '42P16' || view === null) throw error
    await query('rollback to savepoint twin')
    await query(`drop view ${view}`)
    await query(sql)
  }
  await query('release savepoint twin')
}
