/** Start-up and authentication, from our StartupMessage to the server's first ReadyForQuery. Manual: "Start-up". */
import type net from 'node:net'
import { SqlError } from '../errors.ts'
import {
  decodeAuthentication,
  encodePassword,
  encodeSaslInitialResponse,
  encodeSaslResponse,
} from '../wire/authentication.ts'
import { type Frame, FrameReader } from '../wire/framing.ts'
import { backendType } from '../wire/message-types.ts'
import { decodeReport, type ServerReport } from '../wire/reports.ts'
import { ScramClient } from '../wire/scram-client.ts'
import {
  type BackendKeyData,
  decodeBackendKeyData,
  decodeNegotiateProtocolVersion,
  decodeParameterStatus,
} from '../wire/session-start.ts'
import { encodeStartupMessage } from '../wire/startup.ts'
import { type Line, unreachable, waitFor } from './dial.ts'
import { type Pins, pinsOf } from './pins.ts'

export interface LoginOptions {
  readonly database: string
  readonly user: string
  readonly password: string
  readonly applicationName: string
  /** The role that the session starts as, and falls back to; undefined: what the login itself is set to. */
  readonly role?: string | undefined
  readonly readWrite?: boolean | undefined
}

export interface Login {
  readonly parameters: Map<string, string>
  /** What the server was asked to keep. */
  readonly pins: Pins
  /** Undefined where the server gave none: then nothing on it can be cancelled. */
  readonly cancelKey: BackendKeyData | undefined
  /** What came in the same breath as ReadyForQuery. */
  readonly leftover: readonly Frame[]
}

const MINOR_NEWEST = 2
/** The server is not to be trusted with our memory: most that it may say before it is ready. */
const LOGIN_FRAME_BYTES_MAX = 32 * 1024
const LOGIN_BYTES_MAX = 256 * 1024

/** The server does not know protocol 3.2 and does not know how to say so: it must be asked anew, for 3.0. */
export class ProtocolRefused extends Error {}

/**
 * @param minor 2 or 0
 * @throws SqlError: 28000 where the server refuses us or does not prove itself, 08P01 where it breaks the protocol, what
 *   {@link refusal} says otherwise. ProtocolRefused where it should be asked for 3.0.
 */
export async function login(line: Line, options: LoginOptions, minor: number, signal: AbortSignal): Promise<Login> {
  const listener = new Listener(line.socket, signal)
  const pins = pinsOf(options)
  const startup = [
    ['user', options.user],
    ['database', options.database],
    ['application_name', options.applicationName],
    ...(options.role === undefined ? [] : [['role', options.role] as const]),
    ...pins,
  ] as const
  line.socket.write(encodeStartupMessage(minor, startup))
  const negotiated = await authenticate(line, listener, options.password, minor)
  const parameters = new Map<string, string>()
  let cancelKey: BackendKeyData | undefined
  for (;;) {
    const { type, body } = await listener.next()
    switch (type) {
      case backendType.parameterStatus: {
        const { name, value } = decodeParameterStatus(body)
        parameters.set(name, value)
        break
      }
      case backendType.backendKeyData:
        cancelKey = checkKey(decodeBackendKeyData(body), negotiated)
        break
      case backendType.noticeResponse:
        break
      case backendType.errorResponse:
        throw refusal(decodeReport(body))
      case backendType.readyForQuery:
        return { parameters, pins, cancelKey, leftover: listener.leave() }
      default:
        throw unexpected(type)
    }
  }
}

/** Up to AuthenticationOk. @returns the minor protocol version agreed on */
async function authenticate(line: Line, listener: Listener, password: string, asked: number): Promise<number> {
  let minor = asked
  let scram: ScramClient | undefined
  let verified = true
  for (let first = true; ; first = false) {
    const { type, body } = await listener.next()
    if (type === backendType.noticeResponse) continue
    if (type === backendType.errorResponse) throw startError(decodeReport(body), first && asked > 0)
    if (type === backendType.negotiateProtocolVersion && first) {
      minor = negotiate(body, asked)
      continue
    }
    if (type !== backendType.authentication) throw unexpected(type)
    const request = decodeAuthentication(body)
    switch (request.kind) {
      case 'ok':
        if (!verified) throw notProven()
        return minor
      case 'cleartext':
        if (!line.secure && !line.local) throw cleartextRefused()
        line.socket.write(encodePassword(password))
        break
      case 'md5':
        throw md5Refused()
      case 'sasl': {
        if (scram) throw unexpected(type)
        const { secure, channelBinding } = line
        scram = new ScramClient({ password, mechanisms: request.mechanisms, secure, channelBinding })
        verified = false
        line.socket.write(encodeSaslInitialResponse({ mechanism: scram.mechanism, data: scram.first() }))
        break
      }
      case 'sasl-continue':
        if (!scram) throw unexpected(type)
        line.socket.write(encodeSaslResponse(await scram.final(request.data)))
        break
      case 'sasl-final':
        if (!scram) throw unexpected(type)
        scram.verify(request.data)
        verified = true
        break
      case 'other':
        throw refused('the database server asks for an authentication that is not supported', supportedHint)
    }
  }
}

function negotiate(body: Buffer, asked: number): number {
  const { major, minor, options } = decodeNegotiateProtocolVersion(body)
  // 3.1 was never a version; nor did we ask for an option that could be refused.
  const sane = major === 3 && minor !== 1 && minor < asked && options.length === 0
  if (!sane)
    throw unreachable('the database server negotiates a protocol version that is not supported', { code: '08P01' })
  return minor
}

function checkKey(key: BackendKeyData, minor: number): BackendKeyData {
  if (minor >= MINOR_NEWEST || key.key.length === 4) return key
  throw unreachable('the database server sent a cancel key of the wrong length', { code: '08P01' })
}

function startError(report: ServerReport, mayRetry: boolean): Error {
  const protocol = report.code === '0A000' || report.code === '08P01'
  return mayRetry && protocol ? new ProtocolRefused(report.message) : refusal(report)
}

/** Codes of the server that say something to whoever waits; everything else becomes 08001. */
const messageByCode = new Map([
  ['3D000', 'the database does not exist on its server'],
  ['53300', 'the database server has too many connections'],
  ['57P03', 'the database server is starting up or shutting down'],
])

/** The server's own words hold role names: they go into the log, as the cause. */
function refusal({ severity, code, message }: ServerReport): SqlError {
  const cause = new Error(`${severity} ${code}: ${message}`)
  if (code.startsWith('28')) return refused('the database server refused the login of the gateway', undefined, cause)
  const known = messageByCode.get(code)
  if (known !== undefined) return unreachable(known, { code, cause })
  return unreachable('the database server refused the connection', { cause })
}

const supportedHint = 'Use scram-sha-256 for this role in pg_hba.conf.'

function md5Refused(): SqlError {
  return refused(
    'the database server asks for an md5 password, which is not supported',
    "Set password_encryption to 'scram-sha-256', set the role's password again, and use scram-sha-256 in pg_hba.conf.",
  )
}

function cleartextRefused(): SqlError {
  return refused('the database server asks for the password in clear over a connection without TLS', supportedHint)
}

function notProven(): SqlError {
  return refused('the database server did not prove that it knows the password')
}

function refused(message: string, hint?: string, cause?: unknown): SqlError {
  return new SqlError({ code: '28000', message, hint, cause })
}

function unexpected(type: number): SqlError {
  const letter = JSON.stringify(String.fromCharCode(type))
  return unreachable(`the database server sent an unexpected message ${letter} during login`, { code: '08P01' })
}

/** The frames of the login, under caps; every error ends the socket. */
class Listener {
  readonly #socket: net.Socket
  readonly #signal: AbortSignal
  readonly #reader = new FrameReader(LOGIN_FRAME_BYTES_MAX)
  #received = 0

  constructor(socket: net.Socket, signal: AbortSignal) {
    this.#socket = socket
    this.#signal = signal
  }

  async next(): Promise<Frame> {
    for (;;) {
      const frame = this.#reader.next()
      if (frame?.oversize) throw tooMuch()
      if (frame) return frame
      // waitFor pauses the socket, so that nothing comes while nobody listens.
      const arrival = waitFor(this.#socket, 'data', this.#signal)
      this.#socket.resume()
      const chunk = await arrival
      this.#received += chunk?.length ?? 0
      if (this.#received > LOGIN_BYTES_MAX || this.#reader.bufferedBytes > LOGIN_BYTES_MAX) throw tooMuch()
      if (chunk) this.#reader.push(chunk)
    }
  }

  /** The whole frames that are left. @throws SqlError 08P01 where one is cut: whoever reads next could not know. */
  leave(): Frame[] {
    const frames: Frame[] = []
    for (let frame = this.#reader.next(); frame; frame = this.#reader.next()) frames.push(frame)
    if (this.#reader.bufferedBytes > 0) throw tooMuch()
    return frames
  }
}

function tooMuch(): SqlError {
  return unreachable('the database server sent more than a login holds', { code: '08P01' })
}
