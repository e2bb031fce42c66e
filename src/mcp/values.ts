/**
 * Values as JSON has them, from Postgres's text forms and by their type, so that none is changed on the way: what a
 * JSON number cannot hold is a string. Expects DateStyle ISO and bytea_output hex.
 */
import { parseArrayLiteral } from './array-literal.ts'
import { builtInType, type TypeInfo } from './type-names.ts'

export type TypeOf = (oid: number) => TypeInfo | undefined

type Decode = (text: string) => unknown

const asText: Decode = text => text
/** More digits, or a larger exponent, than a double may hold. */
const longNumber = /\d{16}|[eE]\+?\d{3}/

/** For the type of a column. `typeOf` knows the database's own types. */
export function decoderOf(oid: number, typeOf: TypeOf = builtInType): Decode {
  const plain = decoders.get(oid)
  if (plain !== undefined) return plain
  const element = typeOf(oid)?.element
  if (element === undefined) return asText
  const decode = decoderOf(element, typeOf)
  const delimiter = element === boxOid ? ';' : ','
  return text => parseArrayLiteral(text, decode, delimiter) ?? text
}

const boxOid = 603

const decoders: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [16, text => text === 't'],
  [17, decodeBytes],
  [21, Number],
  [23, Number],
  [26, Number],
  [700, decodeFloat],
  [701, decodeFloat],
  [114, decodeJson],
  [3802, decodeJson],
  [1114, decodeTimestamp],
  [1184, decodeTimestamp],
  // vectors are printed without braces
  [22, text => (text === '' ? [] : text.split(' ').map(Number))],
  [30, text => (text === '' ? [] : text.split(' ').map(Number))],
])

/** Base64. */
function decodeBytes(text: string): string {
  return text.startsWith('\\x') ? Buffer.from(text.slice(2), 'hex').toString('base64') : text
}

/** NaN and the infinities stay words. */
function decodeFloat(text: string): number | string {
  const value = Number(text)
  return Number.isFinite(value) ? value : text
}

/** Text where JSON.parse would round one of its numbers. */
function decodeJson(text: string): unknown {
  if (longNumber.test(text)) return text
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    return text // it was cut
  }
}

const isoForm = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)?(:\d\d)?$/

/** ISO 8601: `2026-02-03 04:05:06+00` → `2026-02-03T04:05:06+00:00`. Infinity and years before Christ stay as they are. */
function decodeTimestamp(text: string): string {
  const [, day, time, hours, minutes] = isoForm.exec(text) ?? []
  if (day === undefined) return text
  return `${day}T${time}${hours === undefined ? '' : `${hours}${minutes ?? ':00'}`}`
}

/** The beginning of a value that was too long, with a mark that says so and its whole length. */
export function decodeCut(text: string, oid: number, bytes: number): string {
  const begun = oid === 17 ? decodeBytes(text.slice(0, text.length - (text.length % 2))) : text
  return `${begun}… [cut: ${bytes} bytes in all]`
}
