import { SqlError } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import { decodeSaslInitialResponse, decodeSaslResponse, encodeAuthentication } from '../wire/authentication.ts'
import type { FrameReader } from '../wire/framing.ts'
import { frontendType } from '../wire/message-types.ts'
import type { ScramVerifier } from '../wire/scram.ts'
import { ScramServer } from '../wire/scram-server.ts'
import { ClientGone, type LoginConnection } from './login-connection.ts'

/** Who says that he is whom, and from where. */
export interface LoginAttempt {
  /** As sent: `alice`, `alice@acme`, `alice@x.org@acme`. */
  readonly user: string
  /** The tenant that SNI named; undefined: none. */
  readonly tenantHint: string | undefined
  readonly database: string | undefined
  readonly address: string
}

export interface FoundLogin {
  /** A mock one where there is nobody: the exchange must look the same. */
  readonly verifier: ScramVerifier
  /** Undefined: nobody, or nobody who may log in; the proof is checked and refused all the same. */
  readonly principal: Principal | undefined
}

/** What the gateway needs of identity/. */
export interface LoginService {
  /** Takes equally long for names that exist and those that do not. @throws SqlError where it cannot be told */
  find(attempt: LoginAttempt): Promise<FoundLogin>
  /** The proof was wrong, or there is nobody. Resolves when the client may be told: the delay is part of the throttle. */
  refused(attempt: LoginAttempt): Promise<void>
  accepted(attempt: LoginAttempt, principal: Principal): void
}

export interface Authenticated {
  readonly principal: Principal
  /** What follows the login, as far as it has come. */
  readonly reader: FrameReader
}

/**
 * SCRAM-SHA-256, and -PLUS over TLS (manual, section 54.3.1). AuthenticationSASLFinal is left for the next answer.
 * Checking a proof is a handful of hashes, not a key derivation: nothing here is worth a queue.
 * @param endPoint tls-server-end-point of our certificate; undefined: PLUS is not offered
 * @throws SqlError FATAL: 28P01 whatever was wrong with the name or the proof, 28000, 08P01
 */
export async function authenticate(
  connection: LoginConnection,
  reader: FrameReader,
  attempt: LoginAttempt,
  logins: LoginService,
  endPoint: Buffer | undefined,
  bufferMaxBytes: number,
): Promise<Principal> {
  if (isTokenLogin(attempt.user)) throw tokensOff()
  const { verifier, principal } = await connection.within(logins.find(attempt))
  const scram = new ScramServer({ verifier, channelBinding: endPoint })
  try {
    send(connection, encodeAuthentication({ kind: 'sasl', mechanisms: scram.mechanisms }))
    const initial = decodeSaslInitialResponse(await readResponse(connection, reader, bufferMaxBytes))
    const clientFirst = initial.data ?? (await continueEmpty(connection, reader, bufferMaxBytes))
    send(connection, encodeAuthentication({ kind: 'sasl-continue', data: scram.first(initial.mechanism, clientFirst) }))
    const clientFinal = decodeSaslResponse(await readResponse(connection, reader, bufferMaxBytes))
    const serverFinal = scram.final(clientFinal)
    if (principal === undefined) throw wrongPassword(attempt.user)
    logins.accepted(attempt, principal)
    connection.hold(encodeAuthentication({ kind: 'sasl-final', data: serverFinal }))
    return principal
  } catch (thrown) {
    if (!(thrown instanceof SqlError) || thrown.code !== '28P01') throw thrown
    await connection.within(logins.refused(attempt))
    throw wrongPassword(attempt.user)
  }
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
