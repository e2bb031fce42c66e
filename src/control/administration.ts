/** Who changes the control database, and the transaction in which every change is made and recorded. */
import type { ClientBase, Pool } from 'pg'
import { inTransaction } from '../transaction.ts'
import type { Sealer } from './sealer.ts'

export interface Administration {
  readonly pool: Pool
  readonly sealer: Sealer
  readonly actor: Actor
  /** Writes the record in the same transaction as the act: audit's `insertRecord`. */
  readonly record: (client: ClientBase, record: ActRecord, sealer: Sealer) => Promise<void>
}

export interface Actor {
  readonly door: string
  /** A login name, or for the CLI who runs it. */
  readonly principal?: string | undefined
  readonly principalId?: string | undefined
  readonly address?: string | undefined
  readonly session: string
  readonly requestId: string
}

/** The audit record of an act (one of audit's AuditRecords). */
interface ActRecord extends Actor {
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly kind: 'administration'
  readonly tenant?: string | undefined
  readonly tenantId?: string | undefined
  readonly database?: string | undefined
  readonly verdict: 'done'
  readonly detail: Readonly<Record<string, unknown>>
}

/** What the audit log says of an act. Never holds a secret. */
export interface Act {
  /** `tenant add`, `user remove` … */
  readonly act: string
  readonly tenant?: string | undefined
  readonly tenantId?: string | undefined
  readonly database?: string | undefined
  readonly detail?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Runs `work` in one transaction with the record of what it did: neither is kept without the other. Acts come one
 * after the other, by the lock on config_version, so that what one checks still holds when it commits.
 */
export function administer<T>(
  administration: Administration,
  work: (client: ClientBase) => Promise<readonly [result: T, act: Act]>,
): Promise<T> {
  return inTransaction(administration.pool, async client => {
    await client.query('select version from postern.config_version for update')
    const [result, act] = await work(client)
    await administration.record(client, recordOf(administration.actor, act), administration.sealer)
    return result
  })
}

function recordOf(actor: Actor, act: Act): ActRecord {
  return {
    time: Date.now(),
    kind: 'administration',
    door: actor.door,
    principal: actor.principal,
    principalId: actor.principalId,
    address: actor.address,
    session: actor.session,
    requestId: actor.requestId,
    tenant: act.tenant,
    tenantId: act.tenantId,
    database: act.database,
    verdict: 'done',
    detail: { act: act.act, ...act.detail },
  }
}
