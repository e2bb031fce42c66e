/** What a provisioned schema may be, and what is said where there is none. */
import type { DatabaseRow } from '../control/database-rows.ts'
import { SqlError } from '../errors.ts'

const purposeMaxChars = 63

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
    hint: 'list_schemas shows yours.',
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
