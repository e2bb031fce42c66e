/** What a provisioned schema may be, and what is said where there is none. */
import type { DatabaseRow } from '../control/database-rows.ts'
import type { SchemaEnd, TenantSchemaRow } from '../control/tenant-schemas.ts'
import { SqlError } from '../errors.ts'

const purposeMaxChars = 63

export interface SchemaLimits {
  readonly tenantMax: number
  readonly userMax: number
  readonly ttlHours: number
  readonly ttlHoursMax: number
}

/** Whether users may make schemas there. @throws SqlError 55000 */
export function checkProvisionable(row: DatabaseRow): void {
  const made = row.ownerRole !== null && row.provisionedAt !== null
  if (row.kind === 'managed' ? made : made && row.provision && row.server.provisionerLogin !== null) return
  throw new SqlError({
    code: '55000',
    message: `schemas cannot be made in database "${row.alias}"`,
    hint:
      row.kind === 'managed'
        ? 'It is not made yet.'
        : 'It needs an administrator\'s credentials, and "postern schema allow".',
  })
}

/** As it is written down. @throws SqlError 22023 */
export function checkPurpose(text: string): string {
  const purpose = text.normalize('NFC')
  if (/^[\p{L}\p{N}][\p{L}\p{N}\p{M} ._-]*$/u.test(purpose) && purpose.length <= purposeMaxChars) return purpose
  throw new SqlError({
    code: '22023',
    message: `${JSON.stringify(text)} cannot be the purpose of a schema`,
    hint: `Use letters, digits, spaces, ".", "_" and "-", at most ${purposeMaxChars} characters: "forecast 2026".`,
  })
}

export function missing(nameOrHandle: string): SqlError {
  return new SqlError({
    code: '3F000',
    message: `there is no provisioned schema ${JSON.stringify(nameOrHandle)}`,
    hint: 'list_schemas, or "postern schema list", shows those there are.',
  })
}

export function gone(name: string, purpose?: string): SqlError {
  return new SqlError({
    code: '3F000',
    message: `schema "${name}" has expired`,
    hint: `Call provision_schema${purpose === undefined ? '' : ` with purpose ${JSON.stringify(purpose)}`} to have it again, empty.`,
  })
}

export function notYours(name: string): SqlError {
  return new SqlError({
    code: '42501',
    message: `schema "${name}" is somebody else's`,
    hint: 'Its owner or an admin of the tenant may do that.',
  })
}

export function notProvisioned(name: string): SqlError {
  return new SqlError({ code: '42501', message: `schema "${name}" is the database's own and is never torn down here` })
}

/** @throws SqlError 53400 */
export function checkQuota(
  stands: { readonly tenant: number; readonly user: number },
  known: TenantSchemaRow | undefined,
  limits: SchemaLimits,
): void {
  // One whose making or dropping was cut short is counted already.
  const counted = known !== undefined && known.state !== 'expired' && known.state !== 'failed' ? 1 : 0
  const full = (whose: string, max: number) =>
    new SqlError({
      code: '53400',
      message: `${whose} has ${max} provisioned schemas, which is as many as it may have`,
      hint: 'Tear one down that is not needed any more.',
    })
  if (stands.user - counted >= limits.userMax) throw full('this user', limits.userMax)
  if (stands.tenant - counted >= limits.tenantMax) throw full('this tenant', limits.tenantMax)
}

export function takenOver(name: string): SqlError {
  return new SqlError({
    code: '55006',
    message: `schema "${name}" is being changed by somebody else`,
    hint: 'Try again shortly.',
  })
}

export function busyReading(name: string): SqlError {
  return new SqlError({
    code: '55006',
    message: `schema "${name}" is being read, so it could not be dropped`,
    hint: 'Try again when the statements that read it have ended.',
  })
}

export function notDroppable(row: TenantSchemaRow, by: SchemaEnd): SqlError {
  if (row.state === 'expired') return new SqlError({ code: '3F000', message: `schema "${row.name}" is gone already` })
  if (by !== 'teardown') return new SqlError({ code: '55006', message: `schema "${row.name}" is in use` })
  return new SqlError({
    code: '55006',
    message: `schema "${row.name}" is held by a run`,
    hint: 'Cancel the run first, or wait until it has ended.',
  })
}
