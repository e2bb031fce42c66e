/** What a server says of itself and of the session. Manual: "Start-up", "Asynchronous Operations". */
import { BodyReader, malformed } from './body-reader.ts'
import { backendType } from './message-types.ts'
import { beginMessage } from './message-writer.ts'

export interface BackendKeyData {
  readonly pid: number
  /** 4 bytes in protocol 3.0, 4 to 256 from 3.2 on. */
  readonly key: Buffer
}

const KEY_BYTES_MIN = 4
const KEY_BYTES_MAX = 256

export function decodeBackendKeyData(body: Buffer): BackendKeyData {
  const reader = new BodyReader(body, 'BackendKeyData')
  const pid = reader.int32()
  const key = reader.rest()
  if (key.length < KEY_BYTES_MIN || key.length > KEY_BYTES_MAX) throw malformed('BackendKeyData', 'key length')
  return { pid, key }
}

export function encodeBackendKeyData({ pid, key }: BackendKeyData): Buffer {
  return beginMessage(backendType.backendKeyData).int32(pid).bytes(key).end()
}

export interface ParameterStatus {
  readonly name: string
  readonly value: string
}

export function decodeParameterStatus(body: Buffer): ParameterStatus {
  const reader = new BodyReader(body, 'ParameterStatus')
  const name = reader.text()
  const value = reader.text()
  reader.end()
  return { name, value }
}

export function encodeParameterStatus(name: string, value: string): Buffer {
  return beginMessage(backendType.parameterStatus).text(name).text(value).end()
}

export interface NegotiateProtocolVersion {
  /** The newest version that the server speaks: major and minor, though the manual's text speaks of the minor alone. */
  readonly major: number
  readonly minor: number
  /** The `_pq_.` options that it does not know. */
  readonly options: readonly string[]
}

export function decodeNegotiateProtocolVersion(body: Buffer): NegotiateProtocolVersion {
  const reader = new BodyReader(body, 'NegotiateProtocolVersion')
  const major = reader.uint16()
  const minor = reader.uint16()
  const count = reader.int32()
  if (count < 0) throw malformed('NegotiateProtocolVersion', 'negative count')
  const options: string[] = []
  while (options.length < count) options.push(reader.text())
  reader.end()
  return { major, minor, options }
}

export function encodeNegotiateProtocolVersion({ major, minor, options }: NegotiateProtocolVersion): Buffer {
  const message = beginMessage(backendType.negotiateProtocolVersion).uint16(major).uint16(minor).int32(options.length)
  for (const option of options) message.text(option)
  return message.end()
}
