/** What a connector shows to its provider: sealed, one for each, and locked while it is made anew. */
import pg, { type ClientBase, type Pool } from 'pg'
import { SqlError } from '../errors.ts'
import type { ConnectorRow, NewCredential } from './connectors.ts'
import { makeId } from './ids.ts'
import type { Sealer } from './sealer.ts'

export interface CredentialRow {
  readonly id: string
  readonly kind: string
  readonly sealed: string
}

/** With the connector that it is of. */
export interface HeldCredential {
  readonly connector: Pick<ConnectorRow, 'id' | 'name' | 'type' | 'knobs' | 'state'>
  readonly credential: CredentialRow | null
}

interface Read {
  readonly connectorId: string
  readonly name: string
  readonly type: string
  readonly knobs: ConnectorRow['knobs']
  readonly state: ConnectorRow['state']
  readonly id: string | null
  readonly kind: string | null
  readonly sealed: string | null
}

/** Undefined: there is no such connector. */
export async function readHeld(db: Pool | ClientBase, connectorId: string): Promise<HeldCredential | undefined> {
  const read = await db.query<Read>(
    `select c.id as "connectorId", c.name, c.type, c.knobs, c.state, x.id, x.kind, x.secret_sealed as sealed
     from postern.connector c left join postern.connector_credential x on x.connector_id = c.id where c.id = $1`,
    [connectorId],
  )
  const row = read.rows[0]
  if (row === undefined) return undefined
  const { id, kind, sealed, connectorId: ofConnector, ...connector } = row
  const held = id !== null && kind !== null && sealed !== null
  return { connector: { ...connector, id: ofConnector }, credential: held ? { id, kind, sealed } : null }
}

/** Whoever else would make a credential anew waits until this transaction ends. @throws SqlError 55P03 where that takes too long */
export async function lockCredential(client: ClientBase, connectorId: string, waitMaxMs: number): Promise<void> {
  await client.query(`select set_config('lock_timeout', $1, true)`, [String(waitMaxMs)])
  try {
    await client.query('select id from postern.connector_credential where connector_id = $1 for update', [connectorId])
  } catch (cause) {
    if (!(cause instanceof pg.DatabaseError) || cause.code !== '55P03') throw cause
    const message = "somebody else has been making this connector's credentials anew for too long"
    throw new SqlError({ code: '55P03', message, hint: 'Try again in a moment.', cause })
  }
}

/** In the place of the one before it. */
export async function writeCredential(
  client: ClientBase,
  sealer: Sealer,
  connectorId: string,
  { kind, secret, expiresAt, connected }: NewCredential,
): Promise<void> {
  const id = makeId()
  await client.query('delete from postern.connector_credential where connector_id = $1', [connectorId])
  await client.query(
    `insert into postern.connector_credential (id, connector_id, kind, secret_sealed, expires_at)
     values ($1, $2, $3, $4, $5)`,
    [id, connectorId, kind, sealer.seal(secret, contextOf(id)), expiresAt],
  )
  await writeState(client, connectorId, connected ? 'connected' : 'not_connected', null)
}

/** The same credential with other contents; its row stays, and so does who waits for it. */
export async function renewCredential(
  client: ClientBase,
  sealer: Sealer,
  connectorId: string,
  { id, secret, expiresAt }: { readonly id: string; readonly secret: string; readonly expiresAt: Date | null },
): Promise<void> {
  await client.query(
    `update postern.connector_credential set secret_sealed = $2, expires_at = $3, changed_at = now() where id = $1`,
    [id, sealer.seal(secret, contextOf(id)), expiresAt],
  )
  await writeState(client, connectorId, 'connected', null)
}

export async function writeState(
  db: Pool | ClientBase,
  connectorId: string,
  state: ConnectorRow['state'],
  fault: string | null,
): Promise<void> {
  await db.query(
    `update postern.connector set state = $2, fault = $3, changed_at = now()
     where id = $1 and (state, fault) is distinct from ($2, $3)`,
    [connectorId, state, fault],
  )
}

/** @throws SqlError XX001 */
export function openCredential({ id, sealed }: CredentialRow, sealer: Sealer): string {
  return sealer.open(sealed, contextOf(id))
}

function contextOf(id: string): string {
  return `connector_credential/${id}/secret`
}
