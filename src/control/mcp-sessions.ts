/** postern.mcp_session: sessions of the MCP protocol of 2025, so that another instance can take one up. */
import { createHash } from 'node:crypto'
import type { Pool } from 'pg'

export interface McpSessionRow {
  readonly principalId: string
  readonly tenantId: string
  /** Params of the initialize request. */
  readonly initialize: unknown
}

/** @param perPrincipalMax the principal's sessions beyond it are removed, those unused longest first */
export async function saveMcpSession(
  pool: Pool,
  sessionId: string,
  row: McpSessionRow,
  perPrincipalMax: number,
): Promise<void> {
  await pool.query(
    `with surplus as (
       select id_hash from postern.mcp_session where principal_id = $2 order by last_seen_at desc offset $5 - 1
     ), removed as (
       delete from postern.mcp_session where id_hash in (select id_hash from surplus)
     )
     insert into postern.mcp_session (id_hash, principal_id, tenant_id, initialize) values ($1, $2, $3, $4)
     on conflict (id_hash) do update set last_seen_at = now()`,
    [hashOf(sessionId), row.principalId, row.tenantId, JSON.stringify(row.initialize), perPrincipalMax],
  )
}

/** Null where there is none, it is of somebody else, or it has not been used for `idleTimeoutMs`. */
export async function findMcpSession(
  pool: Pool,
  sessionId: string,
  owner: { readonly principalId: string; readonly tenantId: string },
  idleTimeoutMs: number,
): Promise<McpSessionRow | null> {
  const { rows } = await pool.query<{ initialize: unknown }>(
    `update postern.mcp_session set last_seen_at = now()
     where id_hash = $1 and principal_id = $2 and tenant_id = $3
       and last_seen_at > now() - make_interval(secs => $4::double precision / 1000)
     returning initialize`,
    [hashOf(sessionId), owner.principalId, owner.tenantId, idleTimeoutMs],
  )
  const [row] = rows
  return row === undefined ? null : { ...owner, initialize: row.initialize }
}

export async function touchMcpSessions(pool: Pool, sessionIds: readonly string[]): Promise<void> {
  if (sessionIds.length === 0) return
  await pool.query('update postern.mcp_session set last_seen_at = now() where id_hash = any ($1)', [
    sessionIds.map(hashOf),
  ])
}

export async function removeMcpSession(pool: Pool, sessionId: string): Promise<void> {
  await pool.query('delete from postern.mcp_session where id_hash = $1', [hashOf(sessionId)])
}

export async function removeIdleMcpSessions(pool: Pool, idleTimeoutMs: number): Promise<void> {
  await pool.query(
    'delete from postern.mcp_session where last_seen_at < now() - make_interval(secs => $1::double precision / 1000)',
    [idleTimeoutMs],
  )
}

function hashOf(sessionId: string): Buffer {
  return createHash('sha256').update(sessionId).digest()
}
