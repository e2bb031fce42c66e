/** Brings the rows of provisioned schemas and what stands in the databases together again, after whatever happened. */
import { type Actor, administer } from '../control/administration.ts'
import { type DatabaseRow, listDatabases } from '../control/database-rows.ts'
import { endAbandoned } from '../control/runs.ts'
import { moveSchema, releaseFromRun } from '../control/schema-states.ts'
import { findByName, listSchemas, type TenantSchemaRow } from '../control/tenant-schemas.ts'
import { SqlError } from '../errors.ts'
import { dropSchema, listProvisioned, type SchemaTarget } from '../provision/schemas.ts'
import type { SchemaParts, SchemaWork } from './schema-work.ts'

export interface SweepFinding {
  /**
   * 'run': nobody works on it any more; 'interrupted': making, filling or dropping was cut short; 'lost': a row whose schema is
   * gone; 'orphan': a schema that no row stands for; 'unreachable': the database could not be looked at.
   */
  readonly kind: 'run' | 'interrupted' | 'lost' | 'orphan' | 'unreachable'
  /** `tenant/alias`; null for a run. */
  readonly database: string | null
  /** The schema's real name; null for a database. */
  readonly schema: string | null
  readonly mended: boolean
  /** What it was, or why it could not be mended. */
  readonly detail: string
}

export async function sweepSchemas(
  parts: SchemaParts,
  work: SchemaWork,
  actor: Actor,
  fix: boolean,
): Promise<readonly SweepFinding[]> {
  const { pool } = parts.administration
  const findings: SweepFinding[] = []
  for (const run of await endAbandoned(pool))
    findings.push({
      kind: 'run',
      database: null,
      schema: run.schema,
      mended: true,
      detail: `run ${run.id}: worker lost`,
    })
  for (const row of await listSchemas(pool, { tenantId: null })) {
    const finding = await finish(parts, work, actor, row)
    if (finding !== undefined) findings.push(finding)
  }
  for (const database of await listDatabases(pool)) {
    if (database.ownerRole === null || database.server.provisionerLogin === null) continue
    try {
      findings.push(...(await compare(parts, work, actor, database, fix)))
    } catch (error) {
      parts.log.warn({ error, database: database.alias }, 'the schemas of a database could not be looked at')
      findings.push({ kind: 'unreachable', ...nameOf(database, null), mended: false, detail: messageOf(error) })
    }
  }
  return findings
}

/** The advisory lock tells whether somebody is at it: a process that died holds none. */
async function finish(
  parts: SchemaParts,
  work: SchemaWork,
  actor: Actor,
  row: TenantSchemaRow,
): Promise<SweepFinding | undefined> {
  const { state } = row
  if (state !== 'provisioning' && state !== 'teardown' && state !== 'materializing') return undefined
  const about = { kind: 'interrupted', database: `${row.tenantName}/${row.database}`, schema: row.name } as const
  try {
    if (state === 'materializing') {
      if (!(await releaseFromRun(parts.administration.pool, row.id))) return undefined
      await parts.changed(row.databaseId)
    } else await work.drop(row.id, 'lost', actor, { waitMs: 0 })
    return { ...about, mended: true, detail: state }
  } catch (error) {
    if (error instanceof SqlError && error.code === '55006') return undefined
    parts.log.warn({ error, schema: row.name }, 'what was left half done could not be finished')
    return { ...about, mended: false, detail: messageOf(error) }
  }
}

async function compare(
  parts: SchemaParts,
  work: SchemaWork,
  actor: Actor,
  database: DatabaseRow,
  fix: boolean,
): Promise<readonly SweepFinding[]> {
  const { pool } = parts.administration
  const target = parts.targetOf(database)
  const before = await listSchemas(pool, { tenantId: database.tenantId, databaseId: database.id })
  const standing = await listProvisioned(target)
  const known = new Set(before.filter(isLive).map(({ name }) => name))
  const orphans = standing.filter(name => !known.has(name))
  const lost = before.filter(row => row.state === 'active' && !standing.includes(row.name)).map(({ name }) => name)
  const findings: SweepFinding[] = []
  for (const name of [...orphans, ...lost]) {
    // Looked at again while nobody can change it.
    const look = () => mend(parts, database, target, name, fix)
    const held = await work.locks.hold(database.id, name, look, { waitMs: 0 }).catch((error: unknown) => {
      if (error instanceof SqlError && error.code === '55006') return undefined
      return { kind: 'orphan', ...nameOf(database, name), mended: false, detail: messageOf(error) } as const
    })
    if (held === undefined) continue
    findings.push(held)
    if (held.mended) await record(parts, actor, database, held)
  }
  if (findings.some(({ mended }) => mended)) await parts.changed(database.id)
  return findings
}

async function mend(
  parts: SchemaParts,
  database: DatabaseRow,
  target: SchemaTarget,
  name: string,
  fix: boolean,
): Promise<SweepFinding | undefined> {
  const { pool } = parts.administration
  const row = await findByName(pool, database.id, name)
  const stands = (await listProvisioned(target)).includes(name)
  if (stands && (row === undefined || !isLive(row))) {
    if (fix) await dropSchema(target, name, async () => {})
    const detail = row === undefined ? 'it stands, and nobody knows of it' : `it stands, and its row says ${row.state}`
    return { kind: 'orphan', ...nameOf(database, name), mended: fix, detail }
  }
  if (!stands && row?.state === 'active') {
    const step = { from: ['active'], to: 'expired', held: null, claim: null, endedBy: 'lost' } as const
    const mended = fix && (await moveSchema(pool, row.id, step))
    return { kind: 'lost', ...nameOf(database, name), mended, detail: 'its row says active, and it is not there' }
  }
  return undefined
}

function isLive({ state }: TenantSchemaRow): boolean {
  return state !== 'expired' && state !== 'failed'
}

function record(parts: SchemaParts, actor: Actor, database: DatabaseRow, finding: SweepFinding): Promise<void> {
  const detail = { schema: finding.schema, kind: finding.kind, was: finding.detail }
  const about = { tenant: database.tenantName, tenantId: database.tenantId, database: database.alias }
  return administer({ ...parts.administration, actor }, async () => [
    undefined,
    { ...about, act: 'schema sweep', detail },
  ])
}

function nameOf(database: DatabaseRow, schema: string | null): { database: string; schema: string | null } {
  return { database: `${database.tenantName}/${database.alias}`, schema }
}

function messageOf(error: unknown): string {
  return error instanceof SqlError ? `${error.message} (${error.code})` : 'it failed; the log says why'
}
