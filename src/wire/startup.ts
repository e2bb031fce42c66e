/** The untyped packets that open a connection. Manual: "Message Formats", "SSL Session Encryption", "Canceling Requests in Progress". */
import { SqlError } from '../errors.ts'
import { BodyReader } from './body-reader.ts'
import { beginPacket } from './message-writer.ts'

export type First =
  | { readonly kind: 'direct-tls' }
  | { readonly kind: 'ssl-request'; readonly bytes: number }
  | { readonly kind: 'gssenc-request'; readonly bytes: number }
  | ({ readonly kind: 'cancel-request'; readonly bytes: number } & CancelRequest)
  | ({ readonly kind: 'startup'; readonly bytes: number } & StartupMessage)

export interface CancelRequest {
  readonly pid: number
  /** 4 bytes in protocol 3.0, 4 to 256 from 3.2 on. */
  readonly key: Buffer
}

export interface StartupMessage {
  readonly major: number
  readonly minor: number
  /** Where a name came twice, the last one, as on Postgres. Empty where major is not 3: its layout is unknown. */
  readonly parameters: ReadonlyMap<string, string>
  /** Names beginning with `_pq_.`, which ask for protocol extensions. */
  readonly protocolOptions: readonly string[]
}

/** As in Postgres (MAX_STARTUP_PACKET_LENGTH). */
export const STARTUP_BYTES_MAX = 10_000
const CANCEL_KEY_BYTES_MAX = 256
const TLS_HANDSHAKE_BYTE = 0x16
const REQUEST_MAJOR = 1234
const CANCEL_MINOR = 5678
const SSL_MINOR = 5679
const GSSENC_MINOR = 5680

/**
 * Reads the packet at the start of `buffer`, all bytes that have come so far. `bytes` of the answer is the packet's
 * length: what lies beyond it belongs to what comes next.
 *
 * @throws SqlError 08P01 FATAL on a length or layout that no client sends
 */
export function parseFirst(buffer: Buffer): 'need-more' | First {
  if (buffer.length === 0) return 'need-more'
  if (buffer[0] === TLS_HANDSHAKE_BYTE) return { kind: 'direct-tls' }
  if (buffer.length < 4) return buffer[0] === 0 ? 'need-more' : refuse('invalid length of startup packet')
  const bytes = buffer.readUInt32BE(0)
  if (bytes < 8 || bytes > STARTUP_BYTES_MAX) refuse('invalid length of startup packet')
  if (buffer.length < bytes) return 'need-more'
  const major = buffer.readUInt16BE(4)
  const minor = buffer.readUInt16BE(6)
  const body = buffer.subarray(8, bytes)
  if (major !== REQUEST_MAJOR) return { kind: 'startup', bytes, ...decodeStartup(major, minor, body) }
  switch (minor) {
    case CANCEL_MINOR:
      return { kind: 'cancel-request', bytes, ...decodeCancel(body) }
    case SSL_MINOR:
      if (body.length > 0) refuse('invalid length of SSLRequest')
      return { kind: 'ssl-request', bytes }
    case GSSENC_MINOR:
      if (body.length > 0) refuse('invalid length of GSSENCRequest')
      return { kind: 'gssenc-request', bytes }
    default:
      return { kind: 'startup', bytes, major, minor, parameters: new Map(), protocolOptions: [] }
  }
}

function decodeStartup(major: number, minor: number, body: Buffer): StartupMessage {
  const parameters = new Map<string, string>()
  const protocolOptions: string[] = []
  if (major !== 3) return { major, minor, parameters, protocolOptions }
  const reader = new BodyReader(body, 'Startup')
  try {
    for (let name = reader.text(); name !== ''; name = reader.text()) {
      const value = reader.text()
      if (name.startsWith('_pq_.')) protocolOptions.push(name)
      else parameters.set(name, value)
    }
    reader.end()
  } catch (error) {
    throw error instanceof SqlError ? error.fatal() : error
  }
  return { major, minor, parameters, protocolOptions }
}

function decodeCancel(body: Buffer): CancelRequest {
  if (body.length < 8 || body.length > 4 + CANCEL_KEY_BYTES_MAX) refuse('invalid length of cancel request packet')
  return { pid: body.readInt32BE(0), key: body.subarray(4) }
}

function refuse(message: string): never {
  throw new SqlError({ code: '08P01', severity: 'FATAL', message })
}

export function encodeStartupMessage(minor: number, parameters: Iterable<readonly [string, string]>): Buffer {
  const packet = beginPacket().uint16(3).uint16(minor)
  for (const [name, value] of parameters) packet.text(name).text(value)
  return packet.uint8(0).end()
}

export function encodeCancelRequest({ pid, key }: CancelRequest): Buffer {
  return beginPacket().uint16(REQUEST_MAJOR).uint16(CANCEL_MINOR).int32(pid).bytes(key).end()
}

export const sslRequest = beginPacket().uint16(REQUEST_MAJOR).uint16(SSL_MINOR).end()
export const gssencRequest = beginPacket().uint16(REQUEST_MAJOR).uint16(GSSENC_MINOR).end()
