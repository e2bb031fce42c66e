/** Authentication (R) and the frontend's answers (p). Manual: "Start-up", "SASL Authentication". */
import { BodyReader, malformed } from './body-reader.ts'
import { backendType, frontendType } from './message-types.ts'
import { beginMessage } from './message-writer.ts'

export type Authentication =
  | { readonly kind: 'ok' }
  | { readonly kind: 'cleartext' }
  | { readonly kind: 'md5'; readonly salt: Buffer }
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'sasl-continue'; readonly data: Buffer }
  | { readonly kind: 'sasl-final'; readonly data: Buffer }
  /** Kerberos, GSSAPI, SSPI and whatever comes: nothing we answer. */
  | { readonly kind: 'other'; readonly code: number; readonly data: Buffer }

const code = { ok: 0, cleartext: 3, md5: 5, sasl: 10, saslContinue: 11, saslFinal: 12 } as const

export function decodeAuthentication(body: Buffer): Authentication {
  const reader = new BodyReader(body, 'Authentication')
  const answer = decodeRequest(reader.int32(), reader)
  reader.end()
  return answer
}

function decodeRequest(request: number, reader: BodyReader): Authentication {
  switch (request) {
    case code.ok:
      return { kind: 'ok' }
    case code.cleartext:
      return { kind: 'cleartext' }
    case code.md5:
      return { kind: 'md5', salt: reader.bytes(4) }
    case code.sasl: {
      const mechanisms: string[] = []
      for (let name = reader.text(); name !== ''; name = reader.text()) mechanisms.push(name)
      return { kind: 'sasl', mechanisms }
    }
    case code.saslContinue:
      return { kind: 'sasl-continue', data: reader.rest() }
    case code.saslFinal:
      return { kind: 'sasl-final', data: reader.rest() }
    default:
      return { kind: 'other', code: request, data: reader.rest() }
  }
}

export function encodeAuthentication(request: Authentication): Buffer {
  const message = beginMessage(backendType.authentication)
  switch (request.kind) {
    case 'ok':
      return message.int32(code.ok).end()
    case 'cleartext':
      return message.int32(code.cleartext).end()
    case 'md5':
      return message.int32(code.md5).bytes(request.salt).end()
    case 'sasl':
      message.int32(code.sasl)
      for (const name of request.mechanisms) message.text(name)
      return message.uint8(0).end()
    case 'sasl-continue':
      return message.int32(code.saslContinue).bytes(request.data).end()
    case 'sasl-final':
      return message.int32(code.saslFinal).bytes(request.data).end()
    case 'other':
      return message.int32(request.code).bytes(request.data).end()
  }
}

/** PasswordMessage: a password or token in clear. */
export function decodePassword(body: Buffer): string {
  const reader = new BodyReader(body, 'Password')
  const password = reader.text()
  reader.end()
  return password
}

export function encodePassword(password: string): Buffer {
  return beginMessage(frontendType.password).text(password).end()
}

export interface SaslInitialResponse {
  readonly mechanism: string
  /** Undefined where the client sent no initial response. */
  readonly data: Buffer | undefined
}

export function decodeSaslInitialResponse(body: Buffer): SaslInitialResponse {
  const reader = new BodyReader(body, 'SASLInitialResponse')
  const mechanism = reader.text()
  const length = reader.int32()
  if (length < -1) throw malformed('SASLInitialResponse', 'negative length')
  const data = length === -1 ? undefined : reader.bytes(length)
  reader.end()
  return { mechanism, data }
}

export function encodeSaslInitialResponse({ mechanism, data }: SaslInitialResponse): Buffer {
  return beginMessage(frontendType.password)
    .text(mechanism)
    .value(data ?? null)
    .end()
}

/** SASLResponse: all of the body is the mechanism's. */
export function decodeSaslResponse(body: Buffer): Buffer {
  return body
}

export function encodeSaslResponse(data: Uint8Array): Buffer {
  return beginMessage(frontendType.password).bytes(data).end()
}
