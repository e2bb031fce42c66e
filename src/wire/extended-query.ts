/** Extended query: Parse, Bind, Describe, Execute, Close and their answers. Manual: "Extended Query". */
import { BodyReader, malformed } from './body-reader.ts'
import { backendType, frontendType } from './message-types.ts'
import { beginMessage } from './message-writer.ts'

export interface Parse {
  readonly name: string
  readonly text: string
  /** OIDs; 0 leaves the type to the server. */
  readonly parameterTypes: readonly number[]
}

export function decodeParse(body: Buffer): Parse {
  const reader = new BodyReader(body, 'Parse')
  const name = reader.text()
  const text = reader.text()
  const parameterTypes: number[] = []
  for (let count = reader.uint16(); count > 0; count--) parameterTypes.push(reader.uint32())
  reader.end()
  return { name, text, parameterTypes }
}

export function encodeParse({ name, text, parameterTypes }: Parse): Buffer {
  const message = beginMessage(frontendType.parse).text(name).text(text).uint16(parameterTypes.length)
  for (const type of parameterTypes) message.uint32(type)
  return message.end()
}

export interface Bind {
  readonly portal: string
  readonly statement: string
  /** None (all text), one for all, or one for each parameter; 0 text, 1 binary. */
  readonly parameterFormats: readonly number[]
  /** Views into the message; null is SQL NULL. */
  readonly parameters: readonly (Buffer | null)[]
  /** None (all text), one for all, or one for each column; 0 text, 1 binary. */
  readonly resultFormats: readonly number[]
}

export function decodeBind(body: Buffer): Bind {
  const reader = new BodyReader(body, 'Bind')
  const portal = reader.text()
  const statement = reader.text()
  const parameterFormats = decodeFormats(reader)
  const parameters: (Buffer | null)[] = []
  for (let count = reader.uint16(); count > 0; count--) {
    const length = reader.int32()
    parameters.push(length === -1 ? null : reader.bytes(length))
  }
  const formats = parameterFormats.length
  if (formats > 1 && formats !== parameters.length) {
    throw malformed('Bind', `${formats} parameter formats but ${parameters.length} parameters`)
  }
  const resultFormats = decodeFormats(reader)
  reader.end()
  return { portal, statement, parameterFormats, parameters, resultFormats }
}

export function encodeBind({ portal, statement, parameterFormats, parameters, resultFormats }: Bind): Buffer {
  const message = beginMessage(frontendType.bind).text(portal).text(statement).uint16(parameterFormats.length)
  for (const format of parameterFormats) message.int16(format)
  message.uint16(parameters.length)
  for (const parameter of parameters) message.value(parameter)
  message.uint16(resultFormats.length)
  for (const format of resultFormats) message.int16(format)
  return message.end()
}

function decodeFormats(reader: BodyReader): number[] {
  const formats: number[] = []
  for (let count = reader.uint16(); count > 0; count--) formats.push(reader.int16())
  return formats
}

/** What Describe and Close speak of: a prepared statement (S) or a portal (P). */
export interface Target {
  readonly kind: 'S' | 'P'
  readonly name: string
}

export function decodeDescribe(body: Buffer): Target {
  return decodeTarget(body, 'Describe')
}

export function encodeDescribe(target: Target): Buffer {
  return encodeTarget(frontendType.describe, target)
}

export function decodeClose(body: Buffer): Target {
  return decodeTarget(body, 'Close')
}

export function encodeClose(target: Target): Buffer {
  return encodeTarget(frontendType.close, target)
}

function decodeTarget(body: Buffer, message: string): Target {
  const reader = new BodyReader(body, message)
  const kind = String.fromCharCode(reader.uint8())
  const name = reader.text()
  reader.end()
  if (kind === 'S' || kind === 'P') return { kind, name }
  throw malformed(message, 'neither a statement nor a portal')
}

function encodeTarget(type: number, { kind, name }: Target): Buffer {
  return beginMessage(type).uint8(kind.charCodeAt(0)).text(name).end()
}

export interface Execute {
  readonly portal: string
  /** 0: all rows. */
  readonly rowsMax: number
}

export function decodeExecute(body: Buffer): Execute {
  const reader = new BodyReader(body, 'Execute')
  const portal = reader.text()
  const rowsMax = Math.max(0, reader.int32())
  reader.end()
  return { portal, rowsMax }
}

export function encodeExecute({ portal, rowsMax }: Execute): Buffer {
  return beginMessage(frontendType.execute).text(portal).int32(rowsMax).end()
}

export const parseComplete = beginMessage(backendType.parseComplete).end()
export const bindComplete = beginMessage(backendType.bindComplete).end()
export const closeComplete = beginMessage(backendType.closeComplete).end()
export const noData = beginMessage(backendType.noData).end()
export const portalSuspended = beginMessage(backendType.portalSuspended).end()

/** The parameter types (OIDs) that ParameterDescription (t) tells. */
export function decodeParameterDescription(body: Buffer): number[] {
  const reader = new BodyReader(body, 'ParameterDescription')
  const types: number[] = []
  for (let count = reader.uint16(); count > 0; count--) types.push(reader.uint32())
  reader.end()
  return types
}

export function encodeParameterDescription(types: readonly number[]): Buffer {
  const message = beginMessage(backendType.parameterDescription).uint16(types.length)
  for (const type of types) message.uint32(type)
  return message.end()
}
