/** How a tenant database is reached with its gate login, and what the login must be before it may serve. */
import type { DatabaseRow } from '../control/database-rows.ts'
import { openGatePassword, type ReaderRow } from '../control/readers.ts'
import type { Sealer } from '../control/sealer.ts'
import { SqlError } from '../errors.ts'
import type { AttackContext } from '../provision/attack-steps.ts'
import { assertGate, type ExpectedGate } from '../provision/gate.ts'
import { type AttackConnection, type AttackReport, attackDatabase } from '../provision/self-attack.ts'
import { connectUpstream, type Upstream } from '../upstream/connection.ts'
import type { UpstreamOptions } from '../upstream/upstream-options.ts'
import { neverProvisioned } from './provisioning.ts'

export interface GateWay {
  readonly options: UpstreamOptions
  readonly expected: ExpectedGate
}

/** @throws SqlError 55000 where the database has no gate login yet, XX001 where its password cannot be opened */
export function gateWayOf(row: DatabaseRow, sealer: Sealer, connectTimeoutMs: number): GateWay {
  const reader: ReaderRow | undefined = row.readers[0]
  if (reader === undefined) throw neverProvisioned(row)
  const { host, port, tlsMode, tlsCa } = row.server
  return {
    options: {
      host,
      port,
      database: row.dbname,
      user: reader.gateLogin,
      password: openGatePassword(reader, sealer),
      tls: { mode: tlsMode, ca: tlsCa ?? undefined },
      connectTimeoutMs,
      applicationName: 'postern',
      // A login of ours is pinned to its role; one that stood already is switched as it connects.
      role: row.ownerRole === null ? (reader.readerRole ?? undefined) : undefined,
    },
    expected: {
      login: reader.gateLogin,
      reader: reader.readerRole ?? reader.gateLogin,
      exact: row.ownerRole !== null,
      trust: row.trust,
    },
  }
}

/** Connects and asserts the login's pins; a connection that does not hold them is destroyed. @throws SqlError 28000, 08001 … */
export async function connectGate(way: GateWay, signal?: AbortSignal): Promise<Upstream> {
  const upstream = await connectUpstream(way.options, signal)
  try {
    await assertGate(sql => upstream.query(sql), way.expected)
    return upstream
  } catch (error) {
    upstream.destroy('its login is not what it must be')
    throw error
  }
}

/** The gate's password or its pins are not what they must be: what the provisioner can mend. */
export function isMendable(error: unknown): boolean {
  return error instanceof SqlError && error.code.startsWith('28')
}

/**
 * Tries every lock of the database through its own login, as it comes: what its pins should be is attacked too.
 * @throws SqlError where it cannot be reached
 */
export function attackGate(way: GateWay, row: DatabaseRow): Promise<AttackReport> {
  return attackDatabase(() => attackerOf(way), attackContextOf(way, row))
}

export function attackContextOf(way: GateWay, row: DatabaseRow): AttackContext {
  const otherRoles = [row.ownerRole, row.liveRole, row.server.provisionerLogin].filter(role => role !== null)
  const provisioned = row.provisioned.map(({ name }) => name)
  return { ...way.expected, kind: row.kind, otherRoles, schemas: row.schemas, provisioned, database: row.dbname }
}

export async function attackerOf(way: GateWay): Promise<AttackConnection> {
  const upstream = await connectUpstream(way.options)
  const { processId } = upstream
  return {
    query: sql => upstream.query(sql),
    processId: processId > 0 ? processId : null,
    close: () => upstream.destroy('the self-attack is over'),
  }
}
