/**
 * Attacks a database through the login that will serve it, before it serves anybody: what holds, what does not, and
 * the SQL that would mend it. Every try is rolled back.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { SqlError, toSqlError } from '../errors.ts'
import type { TextQuery } from './administrator.ts'
import { reportAttacks } from './attack-reports.ts'
import { type AttackClass, type AttackContext, type AttackKind, type StepAttack, stepAttacks } from './attack-steps.ts'
import { quoteName, quoteText } from './quote.ts'

/** One connection as the login under attack, fresh from the server. */
export interface AttackConnection {
  readonly query: TextQuery
  /** From BackendKeyData; null where it is not known. */
  readonly processId: number | null
  close(): void | Promise<void>
}

export interface AttackOutcome {
  readonly name: string
  readonly class: AttackClass | 'pooler'
  readonly kind: AttackKind
  /** 'unknown': the try ended in a way that proves nothing, and counts as broken. */
  readonly verdict: 'held' | 'broken' | 'unknown'
  /** What was reached, for the operator. */
  readonly evidence: string | null
  readonly mend: readonly string[]
}

export interface AttackReport {
  /** False: the database must not be served. */
  readonly passed: boolean
  readonly outcomes: readonly AttackOutcome[]
}

/** Throws only where no connection can be had. */
export async function attackDatabase(
  connect: () => Promise<AttackConnection>,
  context: AttackContext,
): Promise<AttackReport> {
  const outcomes: AttackOutcome[] = [await attackPooler(connect)]
  const connection = await connect()
  try {
    // Names in the mends are qualified then, and nothing in the database stands in for pg_catalog.
    await connection.query(`set search_path = ''`)
    const [dblink] = await connection.query(dblinkSchema)
    for (const attack of stepAttacks(context, dblink?.[0] ?? null))
      outcomes.push(await trySteps(connection.query, attack))
    for (const attack of reportAttacks(context)) {
      outcomes.push(...(await askReport(connection.query, attack.name, attack.class, attack.sql)))
    }
    outcomes.push(await attackPins(connection.query, context))
  } finally {
    await connection.close()
  }
  return { passed: outcomes.every(({ kind, verdict }) => kind === 'guard-only' || verdict === 'held'), outcomes }
}

const dblinkSchema = `select n.nspname from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'dblink'`

/** As the reader, then as the bare login: broken if either gets through. */
async function trySteps(query: TextQuery, attack: StepAttack): Promise<AttackOutcome> {
  const [first, ...rest] = attack.steps
  // SET TRANSACTION READ WRITE must come before anything that takes a snapshot, SET ROLE does not.
  const asLogin = first === 'set role none' ? attack.steps : ['set role none', first ?? '', ...rest]
  const asReader = await tryOnce(query, attack.steps)
  const worse = asReader.verdict === 'held' ? await tryOnce(query, asLogin) : asReader
  const { name, kind, mend } = attack
  return { name, class: attack.class, kind, ...worse, mend: worse.verdict === 'held' ? [] : mend }
}

type Attempt = Pick<AttackOutcome, 'verdict' | 'evidence'>

async function tryOnce(query: TextQuery, steps: readonly string[]): Promise<Attempt> {
  try {
    await query('begin')
    let rows: readonly (readonly (string | null)[])[] = []
    for (const step of steps) rows = await query(step)
    if (rows.length === 0) return { verdict: 'held', evidence: null }
    return {
      verdict: 'broken',
      evidence: (rows[0] ?? [])
        .map(value => value ?? 'null')
        .join(' ')
        .slice(0, evidenceMax),
    }
  } catch (error) {
    const { code, message } = toSqlError(error)
    if (refusals.test(code)) return { verdict: 'held', evidence: null }
    return { verdict: 'unknown', evidence: `${code}: ${message}` }
  } finally {
    await query('rollback')
  }
}

const evidenceMax = 200

/**
 * Privilege (42501, 28000, 25006), no such role or function (42704, 42883, 42P01, 22023), not in this server (0A000), and
 * dblink's refusal to go without a password (2F003). 58P01, a missing file, is none: it was looked for.
 */
const refusals = /^(42501|28000|25006|42704|42883|42P01|22023|0A000|2F003)$/

async function askReport(
  query: TextQuery,
  name: string,
  group: AttackClass,
  sql: string,
): Promise<readonly AttackOutcome[]> {
  const held = { name, class: group, kind: 'must-fail', verdict: 'held', evidence: null, mend: [] } as const
  try {
    const breaches = await query(sql)
    if (breaches.length === 0) return [held]
    return breaches.map(([kind, evidence, mend]) => ({
      ...held,
      kind: kind === 'guard-only' ? 'guard-only' : 'must-fail',
      verdict: 'broken',
      evidence: evidence ?? null,
      mend: mend ? [mend] : [],
    }))
  } catch (error) {
    const { code, message } = toSqlError(error)
    return [{ ...held, verdict: 'unknown', evidence: `${code}: ${message}` }]
  }
}

/** What clients and pools send to get back to the beginning must lead back to the pins. The connection is not used after this. */
async function attackPins(query: TextQuery, context: AttackContext): Promise<AttackOutcome> {
  const outcome = {
    name: 'pins after RESET ALL, RESET ROLE and DISCARD ALL',
    class: 'role-escape',
    kind: 'must-fail',
    mend: pinMends(context),
  } as const
  const resets = ['reset all', 'reset role', 'reset session authorization', 'discard all']
  const escaped = `select current_user, pg_catalog.current_setting('default_transaction_read_only')
    where current_user <> ${quoteText(context.reader)} or pg_catalog.current_setting('default_transaction_read_only') <> 'on'`
  try {
    for (const reset of ['select 1', ...resets]) {
      await query(reset)
      const [row] = await query(escaped)
      if (row) return { ...outcome, verdict: 'broken', evidence: `after ${reset}: ${row[0]}, read only ${row[1]}` }
    }
    return { ...outcome, verdict: 'held', evidence: null, mend: [] }
  } catch (error) {
    const { code, message } = toSqlError(error)
    return { ...outcome, verdict: 'unknown', evidence: `${code}: ${message}` }
  }
}

function pinMends({ login, reader }: AttackContext): string[] {
  const alter = `alter role ${quoteName(login)} set`
  return [
    `${alter} default_transaction_read_only = on`,
    ...(login === reader ? [] : [`${alter} role = ${quoteText(reader)}`]),
  ]
}

/** A pooler that hands out backends by transaction mixes the pins of all that it serves. */
async function attackPooler(connect: () => Promise<AttackConnection>): Promise<AttackOutcome> {
  const outcome = {
    name: 'a transaction pooler in between',
    class: 'pooler',
    kind: 'must-fail',
    mend: [],
  } as const
  const first = await connect()
  try {
    const second = await connect()
    try {
      const evidence = await Promise.race([
        findPooler(first, second),
        sleep(poolerWaitMs, 'its backends are shared', { ref: false }),
      ])
      return { ...outcome, verdict: evidence === null ? 'held' : 'broken', evidence }
    } finally {
      await second.close()
    }
  } catch (error) {
    const { code, message } = toSqlError(error)
    return { ...outcome, verdict: 'unknown', evidence: `${code}: ${message}` }
  } finally {
    await first.close()
  }
}

const poolerWaitMs = 10_000

/** The second connection takes, and keeps, whatever backend the first has just given back. */
async function findPooler(first: AttackConnection, second: AttackConnection): Promise<string | null> {
  const before = await backendOf(first)
  await second.query('begin')
  await backendOf(second)
  const after = await backendOf(first)
  await second.query('rollback')
  if (before !== after) return `two transactions of one connection ran on backends ${before} and ${after}`
  if (first.processId !== null && String(first.processId) !== before) {
    return `the connection was given process id ${first.processId}, its backend is ${before}`
  }
  const pools = await first.query('show pools').catch(noSuchSetting)
  return pools.length > 0 ? 'SHOW POOLS is answered' : null
}

async function backendOf(connection: AttackConnection): Promise<string> {
  const [row] = await connection.query('select pg_catalog.pg_backend_pid()')
  return row?.[0] ?? 'unknown'
}

function noSuchSetting(error: unknown): readonly [] {
  if (error instanceof SqlError && error.code === '42704') return []
  throw error
}
