/**
 * Every identifier that Postern makes. Two originals never meet in one name, however they are spelt: each name carries
 * a hash of the full original. Role names carry nothing else, since regrole and pg_get_userbyid show them to the whole cluster.
 */
import { createHash } from 'node:crypto'
import { SqlError } from '../errors.ts'

/** Names of the roles of one tenant database (and, for reader and gate, of one of its readers). */
export interface DatabaseRoles {
  /** NOLOGIN; owns schemas and live tables. */
  readonly owner: string
  /** NOLOGIN; SELECT on whole live tables, for builders. */
  readonly live: string
  /** NOLOGIN; what callers' statements run as. */
  readonly reader: string
  /** LOGIN; Postern's own way in, pinned to reader. */
  readonly gate: string
}

/** Postgres cuts identifiers at 63 bytes. */
const identifierMaxBytes = 63
/** A live schema leaves room for `__<run>` and `__old<run>` behind it. */
export const schemaNameMaxBytes = 40
const roleHashDigits = 20
const databaseHashDigits = 8
const readablePartMax = 20
/** Tenant and user in a provisioned schema's name: room is left for the purpose. */
const provisionedPartMax = 8

/**
 * The roles of a database. `databaseId` and `readerId` are the control database's keys (uuids), never names that a
 * tenant or user chose; at most 35 bytes, so that `_b<run>` and the like fit behind.
 */
export function databaseRoles(databaseId: string, readerId = 'default'): DatabaseRoles {
  const database = `postern_${hash(['database', databaseId], roleHashDigits)}`
  const reader = `postern_${hash(['reader', databaseId, readerId], roleHashDigits)}`
  return { owner: `${database}_owner`, live: `${database}_live`, reader: `${reader}_reader`, gate: `${reader}_gate` }
}

/** The name of a managed database, which its users read in psql's prompt: `acme_crm_1f3a09bc`. */
export function managedDatabaseName(tenantName: string, databaseName: string, databaseId: string): string {
  const parts = [tenantName, databaseName].map(readablePart).filter(part => part !== '')
  const readable = parts.length > 0 ? parts : ['db']
  return [...readable, hash(['name', databaseId, tenantName, databaseName], databaseHashDigits)].join('_')
}

/**
 * The name of a schema that a user has provisioned: `acme_alice_forecast_1f3a09bc`. The parts are for people to read;
 * the hash of the keys and the whole purpose keeps it apart from every other, however much is cut.
 */
export function provisionedSchemaName(
  readable: { readonly tenant: string; readonly user: string; readonly purpose: string },
  keys: { readonly databaseId: string; readonly principalId: string },
): string {
  const digits = hash(['schema', keys.databaseId, keys.principalId, readable.purpose], databaseHashDigits)
  const cut = (text: string) => readablePart(text).slice(0, provisionedPartMax).replace(/_$/, '')
  const parts = [readable.tenant, readable.user].map(cut).concat(readablePart(readable.purpose))
  const joined = parts.filter(part => part !== '').join('_')
  // Postgres and Postern keep the names that begin like theirs.
  const allowed = /^(pg_|postern_)/.test(`${joined}_`) || joined === '' ? `s_${joined}` : joined
  const room = schemaNameMaxBytes - databaseHashDigits - 1
  return `${allowed.slice(0, room).replace(/_+$/, '')}_${digits}`
}

/** Throws 42602 unless a managed database may have a schema of this name. */
export function checkSchemaName(name: string): void {
  const bytes = Buffer.byteLength(name)
  const reserved = /^(pg_.*|postern|postern_.*|public|information_schema|graphile_worker)$/.test(name)
  if (bytes > 0 && bytes <= schemaNameMaxBytes && !reserved && !name.includes('\0') && !name.includes('__')) return
  throw new SqlError({
    code: '42602',
    message: `"${name}" cannot be a schema of a managed database`,
    hint: `A schema's name has 1 to ${schemaNameMaxBytes} bytes, no double underscore, and does not begin with pg_ or postern_.`,
  })
}

/** Throws 42602 for a name that Postgres would cut. */
export function checkIdentifier(name: string): void {
  const bytes = Buffer.byteLength(name)
  if (bytes > 0 && bytes <= identifierMaxBytes && !name.includes('\0')) return
  throw new SqlError({ code: '42602', message: `"${name}" is not a name of 1 to ${identifierMaxBytes} bytes` })
}

/** Lower-case letters, digits and single underscores, beginning with a letter; '' when nothing is left. */
function readablePart(text: string): string {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
  return plain
    .replace(/^[_0-9]+/, '')
    .slice(0, readablePartMax)
    .replace(/_+$/, '')
}

/** JSON keeps the parts apart: ['a', 'bc'] and ['ab', 'c'] differ. */
function hash(parts: readonly string[], digits: number): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, digits)
}
