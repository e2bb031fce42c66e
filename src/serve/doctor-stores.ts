/** What the control database and the tenants' databases must be. */
import type { Pool } from 'pg'
import type { Config } from '../config.ts'
import type { Administration } from '../control/administration.ts'
import { type DatabaseRow, listDatabases } from '../control/database-rows.ts'
import { countSealed } from '../control/sealed.ts'
import { toSqlError } from '../errors.ts'
import { checkRow } from './database-check.ts'
import type { Finding } from './finding.ts'
import type { Stores } from './stores.ts'

const clockDifferenceMaxMs = 5_000
const majorMin = 14
const lateAfter = '10 minutes'

export async function checkStores(config: Config, stores: Stores, administration: Administration): Promise<Finding[]> {
  const databases = await listDatabases(stores.control)
  const findings = [
    await checkControl(stores.control),
    await checkSecrets(stores),
    ...(await checkClock(stores.control)),
    await checkAuditLog(stores.control),
    await checkQueue(stores.control),
  ]
  if (databases.length === 0)
    findings.push({ what: 'databases', state: 'doubt', found: 'none yet', mend: 'postern database add --help' })
  for (const row of databases)
    if (row.disabledAt === null) findings.push(await checkDatabase(config, administration, row))
  return findings
}

async function checkControl(control: Pool): Promise<Finding> {
  const answer = await control.query<{ major: number; name: string }>(
    `select pg_catalog.current_setting('server_version_num')::integer / 10000 as major, pg_catalog.current_database() as name`,
  )
  const { major, name } = answer.rows[0]!
  const state = major >= majorMin ? 'good' : 'fault'
  return {
    what: 'control database',
    state,
    found: `${name} on Postgres ${major}, up to date`,
    mend: `Postgres ${majorMin} or later is needed.`,
  }
}

async function checkSecrets(stores: Stores): Promise<Finding> {
  const what = 'stored secrets'
  const owner = stores.openOwner()
  try {
    const counts = await countSealed(owner)
    const sum = (rows: typeof counts) => rows.reduce((total, { secrets }) => total + secrets, 0)
    const closed = counts.filter(({ keyId }) => !stores.keys.opens(keyId))
    const older = counts.filter(({ keyId }) => keyId !== stores.keys.keyId)
    if (closed.length > 0) {
      const found = `${sum(closed)} of ${sum(counts)} are sealed by a master key that is not here: ${closed.map(({ keyId }) => keyId).join(', ')}`
      return { what, state: 'fault', found, mend: 'Give that key: masterKey, or masterKeyPrevious during a rotation.' }
    }
    if (older.length > 0)
      return {
        what,
        state: 'doubt',
        found: `${sum(older)} are sealed by an older master key`,
        mend: 'postern keys rotate',
      }
    return { what, state: 'good', found: `${sum(counts)}, all opened by the master key` }
  } finally {
    await owner.end()
  }
}

async function checkClock(control: Pool): Promise<Finding[]> {
  const before = Date.now()
  const answer = await control.query<{ now: Date }>('select pg_catalog.clock_timestamp() as now')
  const differenceMs = Math.abs(answer.rows[0]!.now.getTime() - (before + Date.now()) / 2)
  if (differenceMs < clockDifferenceMaxMs) return []
  return [
    {
      what: 'clock',
      state: 'doubt',
      found: `${Math.round(differenceMs / 1000)} s from the control database's`,
      mend: 'Let both machines keep time by NTP.',
    },
  ]
}

async function checkAuditLog(control: Pool): Promise<Finding> {
  const what = 'audit log'
  const answer = await control.query<{ insert: boolean; more: boolean }>(
    `select pg_catalog.has_table_privilege('postern.audit_log', 'insert') as insert,
       pg_catalog.has_table_privilege('postern.audit_log', 'update, delete, truncate') as more`,
  )
  const { insert, more } = answer.rows[0]!
  if (!insert) return { what, state: 'fault', found: 'cannot be written', mend: 'postern migrate' }
  if (more)
    return {
      what,
      state: 'fault',
      found: 'the service may change it',
      mend: 'revoke update, delete, truncate on postern.audit_log from postern_service',
    }
  return { what, state: 'good', found: 'may be added to and not changed' }
}

/** Workers are seen by the jobs that nobody takes: a worker looks every few seconds. */
async function checkQueue(control: Pool): Promise<Finding> {
  const what = 'job queue'
  const made = await control.query<{ made: boolean }>(
    `select pg_catalog.to_regclass('graphile_worker.jobs') is not null as made`,
  )
  if (made.rows[0]?.made !== true) return { what, state: 'fault', found: 'not made', mend: 'postern migrate' }
  const answer = await control.query<{ waiting: number; late: number; failed: number }>(
    `select count(*) filter (where attempts < max_attempts)::integer as waiting,
       count(*) filter (where attempts = 0 and locked_at is null and run_at < pg_catalog.now() - $1::interval)::integer as late,
       count(*) filter (where attempts >= max_attempts)::integer as failed
     from graphile_worker.jobs`,
    [lateAfter],
  )
  const { waiting, late, failed } = answer.rows[0]!
  if (late > 0)
    return {
      what,
      state: 'doubt',
      found: `nobody takes its jobs: ${late} wait`,
      mend: 'Run "postern up" or "postern worker".',
    }
  if (failed > 0)
    return { what, state: 'doubt', found: `${failed} jobs failed for good`, mend: 'The log of the worker says why.' }
  return { what, state: 'good', found: waiting === 0 ? 'empty' : `${waiting} jobs` }
}

async function checkDatabase(config: Config, administration: Administration, row: DatabaseRow): Promise<Finding> {
  const what = `database ${row.tenantName}/${row.alias}`
  const mend = `postern database check ${row.alias} --tenant ${row.tenantName}`
  try {
    const { after, unreachable, facts } = await checkRow(config, administration, row, false)
    if (after === null) return { what, state: 'fault', found: unreachable?.message ?? 'cannot be reached', mend }
    const open = after.outcomes.filter(({ kind, verdict }) => kind === 'must-fail' && verdict !== 'held')
    if (open.length > 0)
      return {
        what,
        state: 'fault',
        found: `not served, for it does not hold against: ${open.map(({ name }) => name).join(', ')}`,
        mend,
      }
    const filtered = facts?.filteredCatalogs === true
    const catalogs = filtered ? '' : '; cluster-wide catalogs are refused'
    return {
      what,
      state: filtered ? 'good' : 'doubt',
      found: `Postgres ${facts?.major}, all locks hold${catalogs}`,
      mend: `${mend} --apply`,
    }
  } catch (thrown) {
    return { what, state: 'fault', found: toSqlError(thrown).message, mend }
  }
}
