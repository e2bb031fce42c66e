import { setTimeout as delay } from 'node:timers/promises'
import { SqlError } from '../errors.ts'
import type { Login } from '../identity/logins.ts'
import type { Principal } from '../identity/principal.ts'
import { decodeSaslInitialResponse, decodeSaslResponse, encodeAuthentication } from '../wire/authentication.ts'
import type { FrameReader } from '../wire/framing.ts'
import { frontendType } from '../wire/message-types.ts'
import { ScramServer } from '../wire/scram-server.ts'
import { ClientGone, type LoginConnection } from './login-connection.ts'

/** One try to log in. Exactly one of the three is called at its end. */
export interface LoginAttempt {
  /** To be waited before the client is asked for anything. */
  readonly delayMs: number
  succeed(): void
  /** A proof was sent, and it was wrong or there is nobody. */
  fail(): void
  /** No proof was sent, or it could not be checked. */
  abandon(): void
}

/** What the gateway needs of identity/: its throttle and its logins. */
export interface LoginService {
  /** @throws SqlError 53400 where this address has failed too often */
  begin(address: string, login: string): LoginAttempt
  /** Somebody, or a mock that no password fits, in the same time. @throws SqlError 57P03 where it cannot be told */
  find(login: string): Promise<Login>
}

export interface AuthenticationHost {
  readonly logins: LoginService
  readonly limits: { readonly loginBufferMaxBytes: number }
}

export interface Claimant {
  /** As the client named himself: what errors call him. */
  readonly user: string
  /** `alice@acme`, or `alice` where there is but one tenant. */
  readonly login: string
  /** tls-server-end-point of our certificate; undefined: SCRAM-SHA-256-PLUS is not offered. */
  readonly endPoint: Buffer | undefined
}

/**
 * SCRAM-SHA-256, and -PLUS over TLS (manual, section 54.3.1). AuthenticationSASLFinal is left for the next answer.
 * Checking a proof is a handful of hashes, not a key derivation: nothing here is worth a queue.
 * @throws SqlError FATAL: 28P01 whatever was wrong with the name or the proof, 28000, 53400, 08P01; ClientGone
 */
export async function authenticate(
  connection: LoginConnection,
  reader: FrameReader,
  claimant: Claimant,
  host: AuthenticationHost,
): Promise<Principal> {
  if (isTokenLogin(claimant.user)) throw tokensOff()
  const attempt = host.logins.begin(connection.address, claimant.login)
  let guessed = false
  try {
    if (attempt.delayMs > 0) await connection.within(delay(attempt.delayMs))
    const { verifier, principal } = await connection.within(host.logins.find(claimant.login))
    const scram = new ScramServer({ verifier, channelBinding: claimant.endPoint })
    const clientFinal = await exchange(connection, reader, scram, host.limits.loginBufferMaxBytes)
    guessed = true
    const serverFinal = scram.final(clientFinal)
    if (principal === null) throw wrongPassword(claimant.user)
    attempt.succeed()
    connection.hold(encodeAuthentication({ kind: 'sasl-final', data: serverFinal }))
    return principal
  } catch (thrown) {
    // psql leaves in the middle to ask for the password: that is no guess.
    if (guessed) attempt.fail()
    else attempt.abandon()
    throw thrown instanceof SqlError && thrown.code === '28P01' ? wrongPassword(claimant.user) : thrown
  }
}

/** @returns client-final-message, unread */
async function exchange(
  connection: LoginConnection,
  reader: FrameReader,
  scram: ScramServer,
  bufferMaxBytes: number,
): Promise<Buffer> {
  send(connection, encodeAuthentication({ kind: 'sasl', mechanisms: scram.mechanisms }))
  const initial = decodeSaslInitialResponse(await readResponse(connection, reader, bufferMaxBytes))
  const clientFirst = initial.data ?? (await continueEmpty(connection, reader, bufferMaxBytes))
  send(connection, encodeAuthentication({ kind: 'sasl-continue', data: scram.first(initial.mechanism, clientFirst) }))
  return decodeSaslResponse(await readResponse(connection, reader, bufferMaxBytes))
}

/** A client that names a mechanism without its first words is asked for them. */
function continueEmpty(connection: LoginConnection, reader: FrameReader, bufferMaxBytes: number): Promise<Buffer> {
  send(connection, encodeAuthentication({ kind: 'sasl-continue', data: Buffer.alloc(0) }))
  return readResponse(connection, reader, bufferMaxBytes)
}

function send(connection: LoginConnection, bytes: Buffer): void {
  connection.write(Buffer.concat([...connection.takeHeld(), bytes]))
}

async function readResponse(connection: LoginConnection, reader: FrameReader, bufferMaxBytes: number): Promise<Buffer> {
  for (;;) {
    const frame = reader.next()
    if (frame?.type === frontendType.terminate) throw new ClientGone()
    if (frame !== undefined && frame.type !== frontendType.password) {
      throw violation(`expected SASL response, got message type ${frame.type}`)
    }
    if (frame?.oversize || reader.bufferedBytes > bufferMaxBytes) throw violation('the login is too long')
    if (frame !== undefined) return frame.body
    reader.push(await connection.read())
  }
}

/** `token@acme`, `alice+token@acme`: a JWT, API key or job token would stand for the password. */
function isTokenLogin(user: string): boolean {
  const at = user.lastIndexOf('@')
  const name = at < 0 ? user : user.slice(0, at)
  return (name === 'token' && at >= 0) || name.endsWith('+token')
}

function tokensOff(): SqlError {
  return new SqlError({
    code: '28000',
    severity: 'FATAL',
    message: 'token logins are not enabled on this server',
    hint: 'Log in with a password, as name@tenant.',
  })
}

function wrongPassword(user: string): SqlError {
  const message = `password authentication failed for user "${user.slice(0, 128)}"`
  return new SqlError({ code: '28P01', severity: 'FATAL', message })
}

function violation(message: string): SqlError {
  return new SqlError({ code: '08P01', severity: 'FATAL', message })
}
