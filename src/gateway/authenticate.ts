import { timingSafeEqual } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { SqlError } from '../errors.ts'
import type { Login } from '../identity/logins.ts'
import type { Principal } from '../identity/principal.ts'
import { InvalidCredential } from '../identity/proof.ts'
import {
  decodePassword,
  decodeSaslInitialResponse,
  decodeSaslResponse,
  encodeAuthentication,
} from '../wire/authentication.ts'
import type { FrameReader } from '../wire/framing.ts'
import { frontendType } from '../wire/message-types.ts'
import { ScramServer } from '../wire/scram-server.ts'
import { ClientGone, type LoginConnection } from './login-connection.ts'
import { checkTokenWay, readTokenLogin, type TokenLogin, type TokensWithoutTls } from './token-login.ts'

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
  /** Absent: no tokens are taken. */
  readonly tokens?: TokenService
}

interface TokenService {
  readonly withoutTls: TokensWithoutTls
  /**
   * @param tenant as named by the login; null: none was
   * @throws SqlError 28000 it is not good, with the reason, which is for the audit log; 22023 no tenant is named and there
   * are several; 57P03 it cannot be told
   */
  check(token: string, tenant: string | null): Promise<Principal>
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

/** What the client is told of a bad token, and what it was. */
export class WrongToken extends SqlError {
  readonly why: string

  constructor(told: SqlError, why: string) {
    super(told.fields())
    this.why = why
  }
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
  const token = readTokenLogin(claimant.login)
  if (token !== undefined) return await authenticateToken(connection, reader, claimant, token, host)
  const attempt = host.logins.begin(connection.address, claimant.login)
  let guessed = false
  try {
    if (attempt.delayMs > 0) await connection.within(delay(attempt.delayMs))
    const { verifier } = await connection.within(host.logins.find(claimant.login))
    const scram = new ScramServer({ verifier, channelBinding: claimant.endPoint })
    const clientFinal = await exchange(connection, reader, scram, host.limits.loginBufferMaxBytes)
    guessed = true
    const serverFinal = scram.final(clientFinal)
    // As he is now: the exchange takes as long as the client likes.
    const { principal, verifier: current } = await connection.within(host.logins.find(claimant.login))
    const isCurrent = timingSafeEqual(current.storedKey, verifier.storedKey)
    if (principal === null || !isCurrent) throw wrongPassword(claimant.user)
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

/** AuthenticationCleartextPassword. To the client every bad token is a wrong password. */
async function authenticateToken(
  connection: LoginConnection,
  reader: FrameReader,
  claimant: Claimant,
  wanted: TokenLogin,
  { logins, limits }: AuthenticationHost,
): Promise<Principal> {
  const { tokens } = logins
  if (tokens === undefined) throw tokensOff()
  checkTokenWay(connection, tokens.withoutTls)
  const attempt = logins.begin(connection.address, claimant.login)
  let guessed = false
  try {
    if (attempt.delayMs > 0) await connection.within(delay(attempt.delayMs))
    send(connection, encodeAuthentication({ kind: 'cleartext' }))
    const token = decodePassword(await readResponse(connection, reader, limits.loginBufferMaxBytes))
    const principal = await connection.within(tokens.check(token, wanted.tenant))
    guessed = wanted.name !== null && principal.name !== wanted.name
    if (guessed) throw new WrongToken(wrongPassword(claimant.user), `the token is ${principal.login}'s`)
    if (!principal.scopes.has('data:read')) throw scopeMissing()
    attempt.succeed()
    return principal
  } catch (thrown) {
    const isWrong = thrown instanceof SqlError && thrown.code === '28000'
    if (guessed || thrown instanceof InvalidCredential) attempt.fail()
    else attempt.abandon()
    throw isWrong ? new WrongToken(wrongPassword(claimant.user), thrown.message) : thrown
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

function scopeMissing(): SqlError {
  return new SqlError({
    code: '42501',
    severity: 'FATAL',
    message: 'the token does not grant data:read',
    hint: 'Get one with that scope.',
  })
}

function violation(message: string): SqlError {
  return new SqlError({ code: '08P01', severity: 'FATAL', message })
}
