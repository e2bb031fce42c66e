/** Gate logins: with which Postern connects to a database, and the reader role that each can become. */
import { type Administration, administer } from './administration.ts'
import { findDatabase } from './database-rows.ts'
import { makeId } from './ids.ts'
import type { Sealer } from './sealer.ts'

export interface ReaderRow {
  readonly id: string
  readonly databaseId: string
  readonly name: string
  readonly gateLogin: string
  readonly gatePasswordSealed: string
  /** Null: the login is its own reader (an external database that is used as it is). */
  readonly readerRole: string | null
}

export interface ReaderLogin {
  readonly gateLogin: string
  readonly gatePassword: string
  readonly readerRole: string | null
  /** `reader` where a database has but one. */
  readonly name?: string | undefined
}

/** Makes or replaces a database's reader of this name. @throws SqlError 42704 */
export function setReader(
  administration: Administration,
  database: { readonly tenant: string; readonly alias: string },
  reader: ReaderLogin,
): Promise<ReaderRow> {
  return administer(administration, async client => {
    const {
      id: databaseId,
      tenantName,
      tenantId,
      alias,
      readers,
    } = await findDatabase(client, database.tenant, database.alias)
    const name = reader.name ?? 'reader'
    const id = readers.find(row => row.name === name)?.id ?? makeId()
    const sealed = administration.sealer.seal(reader.gatePassword, passwordContext(id))
    await client.query(
      `insert into postern.reader (id, database_id, name, gate_login, gate_password_sealed, reader_role)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (id) do update set gate_login = excluded.gate_login,
         gate_password_sealed = excluded.gate_password_sealed, reader_role = excluded.reader_role`,
      [id, databaseId, name, reader.gateLogin, sealed, reader.readerRole],
    )
    const row = {
      id,
      databaseId,
      name,
      gateLogin: reader.gateLogin,
      gatePasswordSealed: sealed,
      readerRole: reader.readerRole,
    }
    const detail = { reader: name, gateLogin: row.gateLogin, readerRole: row.readerRole }
    return [row, { act: 'reader set', tenant: tenantName, tenantId, database: alias, detail }]
  })
}

/** The gate login's password, opened. @throws SqlError XX001 */
export function openGatePassword(reader: ReaderRow, sealer: Sealer): string {
  return sealer.open(reader.gatePasswordSealed, passwordContext(reader.id))
}

function passwordContext(readerId: string): string {
  return `reader/${readerId}/gate-password`
}
