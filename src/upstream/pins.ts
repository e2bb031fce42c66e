import { SqlError } from '../errors.ts'

/** Settings that a connection must keep. */
export type Pins = ReadonlyMap<string, string>

/** What every upstream is pinned to, by our StartupMessage; it must say so itself, at login and whenever it changes. */
const readerPins: Pins = new Map([
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
  ['default_transaction_read_only', 'on'],
])

/** A run's builder writes. */
const builderPins: Pins = new Map([...readerPins, ['default_transaction_read_only', 'off']])

export function pinsOf(options: { readonly readWrite?: boolean | undefined }): Pins {
  return options.readWrite === true ? builderPins : readerPins
}

/**
 * Postgres reports all of them from version 14 on. What is not reported cannot be trusted to hold.
 *
 * @throws SqlError 08001
 */
export function checkPins(parameters: ReadonlyMap<string, string>, pins: Pins): void {
  for (const [name, value] of pins) {
    if (parameters.get(name) === value) continue
    throw new SqlError({
      code: '08001',
      message: 'the database server does not keep the settings that the gateway depends on',
      hint: 'PostgreSQL 14 or newer, connected to directly or through a pooler that passes startup parameters on.',
      cause: new Error(`${name} is ${parameters.get(name) ?? 'not reported'}`),
    })
  }
}

/** The major version, such as 18. @throws SqlError 08001 where the server does not tell */
export function readMajor(parameters: ReadonlyMap<string, string>): number {
  const version = /^\d+/.exec(parameters.get('server_version') ?? '')
  if (version) return Number(version[0])
  throw new SqlError({ code: '08001', message: 'the database server does not tell its version' })
}
