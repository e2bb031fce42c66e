/** `postern database check`: what the serving login can do that it should not, and, when asked, the SQL that mends it, run. */
import { SqlError, toSqlError } from '../errors.ts'
import { type Administrator, type TextQuery, withAdministrator } from './administrator.ts'
import type { AttackContext } from './attack-steps.ts'
import { filteredSchema } from './filtered-views.ts'
import type { SuperuserTask } from './managed.ts'
import { quoteText } from './quote.ts'
import { type AttackConnection, type AttackReport, attackDatabase } from './self-attack.ts'

export interface CheckOptions {
  /** A new connection as the login that serves. */
  readonly connect: () => Promise<AttackConnection>
  readonly context: AttackContext
  /** Absent: only look. */
  readonly apply?: Mending | undefined
}

interface Mending {
  /** Absent where Postern has a login alone: then the mends are printed for others to run. */
  readonly administrator: Administrator | null
  /** Provisions again: roles, pins, grants. */
  readonly provision: () => Promise<readonly SuperuserTask[]>
}

export interface DatabaseFacts {
  readonly major: number
  readonly encoding: string
  /** Whether the filtered catalogs stand. */
  readonly filteredCatalogs: boolean
}

export interface CheckReport {
  /** Null where the login could not even connect. */
  readonly facts: DatabaseFacts | null
  readonly before: AttackReport | null
  /** Why there was no connection, or null. */
  readonly unreachable: SqlError | null
  readonly applied: readonly AppliedMend[]
  /** What only a superuser, or another owner, can do. */
  readonly superuserTasks: readonly SuperuserTask[]
  /** After mending; the same as before where nothing was asked for. */
  readonly after: AttackReport | null
}

export interface AppliedMend {
  readonly sql: string
  /** Null: done. */
  readonly error: SqlError | null
}

/**
 * Attacks, mends and attacks again. Only what stops service is mended: the other findings are printed, since mending
 * them (REVOKE … FROM PUBLIC on functions, temporary tables) could take something from the database's other users.
 * Throws what provisioning throws.
 */
export async function checkDatabase(options: CheckOptions): Promise<CheckReport> {
  const { apply, context } = options
  const first = await look(options)
  if (!apply) return { ...first, after: first.before, applied: [], superuserTasks: [] }
  const superuserTasks = await apply.provision()
  const between = await look(options)
  const mends = between.before === null ? [] : mendsOf(between.before)
  const applied = await applyMends(apply.administrator, context.database, mends)
  const last = applied.length === 0 ? between : await look(options)
  return {
    facts: last.facts,
    before: first.before,
    unreachable: last.unreachable,
    applied,
    superuserTasks,
    after: last.before,
  }
}

async function look({
  connect,
  context,
}: CheckOptions): Promise<Pick<CheckReport, 'facts' | 'before' | 'unreachable'>> {
  try {
    const connection = await connect()
    const facts = await readFacts(connection.query).finally(() => connection.close())
    return { facts, before: await attackDatabase(connect, context), unreachable: null }
  } catch (error) {
    return { facts: null, before: null, unreachable: toSqlError(error) }
  }
}

async function readFacts(query: TextQuery): Promise<DatabaseFacts> {
  const [row] = await query(
    `select current_setting('server_version_num')::int / 10000, current_setting('server_encoding'),
       exists (select from pg_catalog.pg_namespace n
                where n.nspname = ${quoteText(filteredSchema)} and pg_catalog.has_schema_privilege(n.oid, 'usage'))`,
  )
  return { major: Number(row?.[0]), encoding: row?.[1] ?? 'unknown', filteredCatalogs: row?.[2] === 't' }
}

function mendsOf(report: AttackReport): string[] {
  const broken = report.outcomes.filter(({ kind, verdict }) => kind === 'must-fail' && verdict === 'broken')
  return [...new Set(broken.flatMap(({ mend }) => mend))]
}

async function applyMends(
  administrator: Administrator | null,
  database: string,
  mends: readonly string[],
): Promise<AppliedMend[]> {
  if (mends.length === 0) return []
  if (administrator === null) {
    const error = new SqlError({ code: '42501', message: 'there are no administrator credentials for this database' })
    return mends.map(sql => ({ sql, error }))
  }
  return await withAdministrator(administrator, database, async query => {
    const applied: AppliedMend[] = []
    for (const sql of mends) {
      const error = await query(sql).then(
        () => null,
        (thrown: unknown) => toSqlError(thrown),
      )
      applied.push({ sql, error })
    }
    return applied
  })
}
