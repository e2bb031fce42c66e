/** postern.confirmation: what somebody was asked to confirm. Taking the answer removes the row: none is used twice. */
import type { Pool } from 'pg'

export interface ConfirmationSubject {
  readonly principalId: string
  readonly tenantId: string
  readonly tool: string
  /** SHA-256 of the arguments that were asked about. */
  readonly argumentsHash: Buffer
}

/** @param codeHash SHA-256 of a one-time code; null where a host asks its user */
export async function askConfirmation(
  pool: Pool,
  id: string,
  subject: ConfirmationSubject,
  codeHash: Buffer | null,
  validMs: number,
): Promise<void> {
  const { principalId, tenantId, tool, argumentsHash } = subject
  await pool.query(
    `with expired as (delete from postern.confirmation where expires_at < now())
     insert into postern.confirmation (id, kind, code_hash, principal_id, tenant_id, tool, arguments_hash, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8::double precision / 1000))`,
    [id, codeHash === null ? 'state' : 'code', codeHash, principalId, tenantId, tool, argumentsHash, validMs],
  )
}

/** Whether there is such a question, unexpired and unanswered; it is answered now. */
export async function takeConfirmation(
  pool: Pool,
  about: { readonly id: string } | { readonly codeHash: Buffer },
  subject: ConfirmationSubject,
): Promise<boolean> {
  const { principalId, tenantId, tool, argumentsHash } = subject
  const byId = 'id' in about
  const { rowCount } = await pool.query(
    `delete from postern.confirmation
     where ${byId ? "id = $1 and kind = 'state'" : "code_hash = $1 and kind = 'code'"}
       and principal_id = $2 and tenant_id = $3 and tool = $4 and arguments_hash = $5 and expires_at > now()`,
    [byId ? about.id : about.codeHash, principalId, tenantId, tool, argumentsHash],
  )
  return rowCount === 1
}
