/** SCRAM-SHA-256: what both sides share. RFC 5802 and 7677; manual: "SCRAM-SHA-256 Authentication". */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { SqlError } from '../errors.ts'
import { prepareSasl } from './saslprep.ts'

export const SCRAM_SHA_256 = 'SCRAM-SHA-256'
export const SCRAM_SHA_256_PLUS = 'SCRAM-SHA-256-PLUS'
export const END_POINT = 'tls-server-end-point'

export const KEY_BYTES = 32
const SALT_BYTES = 16
const NONCE_BYTES = 18
const ITERATIONS_DEFAULT = 4096
/** Longest message of the exchange that is looked at: neither side is known yet. */
const MESSAGE_BYTES_MAX = 4096

/** What a server keeps of a password: enough to check it, not enough to log in with. */
export interface ScramVerifier {
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** A new verifier in the form that pg_authid.rolpassword has: `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`. */
export async function makeVerifier(password: string, iterations = ITERATIONS_DEFAULT): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const salted = await saltPassword(password, salt, iterations)
  const storedKey = hash(clientKeyOf(salted)).toString('base64')
  const serverKey = serverKeyOf(salted).toString('base64')
  return `${SCRAM_SHA_256}$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}

/** @throws SqlError XX000 where the text is no verifier */
export function parseVerifier(text: string): ScramVerifier {
  const parts = /^SCRAM-SHA-256\$([1-9]\d{0,8}):([^$:]+)\$([^$:]+):([^$:]+)$/.exec(text)
  const salt = decodeBase64(parts?.[2])
  const storedKey = decodeBase64(parts?.[3])
  const serverKey = decodeBase64(parts?.[4])
  if (!salt?.length || storedKey?.length !== KEY_BYTES || serverKey?.length !== KEY_BYTES) {
    throw new SqlError({ code: 'XX000', message: 'a stored credential is not a SCRAM-SHA-256 verifier' })
  }
  return { iterations: Number(parts?.[1]), salt, storedKey, serverKey }
}

/**
 * A verifier for a user who does not exist: always the same salt for a name, and no password fits. So a stranger cannot
 * tell which names exist.
 */
export function mockVerifier(
  user: string,
  secret: Uint8Array | string,
  iterations = ITERATIONS_DEFAULT,
): ScramVerifier {
  const derive = (part: string) => createHmac('sha256', secret).update(`${part}\0${user}`).digest()
  return {
    iterations,
    salt: derive('salt').subarray(0, SALT_BYTES),
    storedKey: derive('stored key'),
    serverKey: derive('server key'),
  }
}

const pbkdf2Async = promisify(pbkdf2)

/** In the thread pool: 4,096 rounds take milliseconds. */
export function saltPassword(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return pbkdf2Async(prepareSasl(password), salt, iterations, KEY_BYTES, 'sha256')
}

export function clientKeyOf(salted: Buffer): Buffer {
  return hmac(salted, 'Client Key')
}

export function serverKeyOf(salted: Buffer): Buffer {
  return hmac(salted, 'Server Key')
}

/** The messages are kept as latin1, byte for byte. */
export function hmac(key: Buffer, message: string): Buffer {
  return createHmac('sha256', key).update(message, 'latin1').digest()
}

export function hash(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}

export function xor(left: Buffer, right: Buffer): Buffer {
  return Buffer.from(left.map((byte, index) => byte ^ right[index]!))
}

export function makeNonce(): string {
  return randomBytes(NONCE_BYTES).toString('base64')
}

export function isNonce(text: string): boolean {
  return /^[\x21-\x2b\x2d-\x7e]+$/.test(text)
}

/** Canonical base64 only; undefined for anything else. */
export function decodeBase64(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

/** `k=value` attributes in the order that the RFC fixes; what follows them is an extension and is ignored, as the RFC says. */
export function readAttributes(message: string, letters: string): string[] | undefined {
  const parts = message.split(',')
  const values: string[] = []
  for (const [index, letter] of [...letters].entries()) {
    const part = parts[index]
    if (part?.[0] !== letter || part[1] !== '=') return undefined
    values.push(part.slice(2))
  }
  return values
}

export function toText(data: Buffer): string {
  if (data.length > MESSAGE_BYTES_MAX) throw malformedScram('it is too long')
  return data.toString('latin1')
}

export function malformedScram(what: string): SqlError {
  return new SqlError({ code: '08P01', severity: 'FATAL', message: `malformed SCRAM message: ${what}` })
}
