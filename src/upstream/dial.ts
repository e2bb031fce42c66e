/** A socket to a server, with TLS as libpq's sslmode names it. Manual: "SSL Support" (libpq), "SSL Session Encryption". */
import net from 'node:net'
import tls from 'node:tls'
import { SqlError } from '../errors.ts'
import { serverEndPoint } from '../wire/channel-binding.ts'
import { sslRequest } from '../wire/startup.ts'

/** Names and meaning as libpq's sslmode; `require` with a `ca` verifies it, as libpq does. A Unix socket never has TLS. */
export type TlsMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

export interface TlsSettings {
  readonly mode: TlsMode
  /** PEM; the system's own authorities where it is left out. */
  readonly ca?: string | undefined
  /** The name that the certificate must bear and that SNI tells, where it is not `host`. */
  readonly serverName?: string | undefined
}

export interface DialOptions {
  /** Name or address; an absolute path is the folder of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly tls: TlsSettings
}

export interface Line {
  readonly socket: net.Socket
  readonly secure: boolean
  readonly local: boolean
  /** Where it really leads, so that a cancel request goes to the same machine. */
  readonly address: string
  /** tls-server-end-point, where TLS is on and the certificate allows it. */
  readonly channelBinding: Buffer | undefined
}

const KEEP_ALIVE_DELAY_MS = 60_000
const TLS_ACCEPTED = 0x53 // S
const TLS_DECLINED = 0x4e // N

/**
 * @param signal ends the attempt
 * @throws SqlError 08001 with the cause; the signal's own reason where that is a SqlError
 */
export async function dial(options: DialOptions, signal: AbortSignal): Promise<Line> {
  const local = options.host.startsWith('/')
  const socket = local
    ? net.connect({ path: `${options.host}/.s.PGSQL.${options.port}` })
    : net.connect({
        host: options.host,
        port: options.port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      })
  ignoreLateErrors(socket)
  try {
    await waitFor(socket, 'connect', signal)
    const address = local ? options.host : (socket.remoteAddress ?? options.host)
    const plain = { socket, secure: false, local, address, channelBinding: undefined }
    if (local || options.tls.mode === 'disable') return plain
    if (!(await askForTls(socket, signal))) {
      if (options.tls.mode === 'prefer') return plain
      throw unreachable('the database server does not offer TLS', {
        hint: `The connection is configured with TLS mode ${options.tls.mode}.`,
      })
    }
    const secured = await secure(socket, options, signal)
    const certificate = secured.getPeerX509Certificate()
    return {
      socket: secured,
      secure: true,
      local,
      address,
      channelBinding: certificate && serverEndPoint(certificate.raw),
    }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

async function askForTls(socket: net.Socket, signal: AbortSignal): Promise<boolean> {
  socket.write(sslRequest)
  const answer = await waitFor(socket, 'data', signal)
  const first = answer?.[0]
  // More than the one byte was stuffed in before the handshake (CVE-2021-23222); an error text from there is not to be trusted.
  if (answer?.length === 1 && (first === TLS_ACCEPTED || first === TLS_DECLINED)) return first === TLS_ACCEPTED
  throw unreachable('the database server answered a request for TLS with something else', { code: '08P01' })
}

async function secure(
  socket: net.Socket,
  { host, tls: settings }: DialOptions,
  signal: AbortSignal,
): Promise<tls.TLSSocket> {
  const { mode, ca } = settings
  const name = settings.serverName ?? host
  const secured = tls.connect({
    socket,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['postgresql'],
    rejectUnauthorized: mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && ca !== undefined),
    checkServerIdentity: (_, certificate) =>
      mode === 'verify-full' ? tls.checkServerIdentity(name, certificate) : undefined,
    // RFC 6066: an address is no server name.
    ...(net.isIP(name) === 0 ? { servername: name } : {}),
    ...(ca === undefined ? {} : { ca }),
  })
  ignoreLateErrors(secured)
  await waitFor(secured, 'secureConnect', signal)
  return secured
}

/** The next event of a socket. What else may come first, an error, the end or the signal, destroys it. */
export function waitFor(
  socket: net.Socket,
  event: 'connect' | 'secureConnect' | 'data',
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      socket.off(event, onEvent).off('error', onError).off('close', onClose)
      signal.removeEventListener('abort', onAbort)
    }
    const fail = (error: SqlError) => {
      settle()
      socket.destroy()
      reject(error)
    }
    const onEvent = (chunk?: Buffer) => {
      settle()
      // Whoever reads next attaches first: nothing may be lost in between.
      if (event === 'data') socket.pause()
      resolve(chunk)
    }
    const onError = (cause: Error) => fail(unreachable('could not connect to the database server', { cause }))
    const onClose = () => fail(unreachable('the database server closed the connection'))
    const onAbort = () => fail(abortError(signal))
    if (signal.aborted) return onAbort()
    socket.on(event, onEvent).on('error', onError).on('close', onClose)
    signal.addEventListener('abort', onAbort)
  })
}

export function abortError(signal: AbortSignal): SqlError {
  const cause: unknown = signal.reason
  return cause instanceof SqlError
    ? cause
    : unreachable('the attempt to connect to the database server was given up', { cause })
}

export function unreachable(message: string, more: { code?: string; hint?: string; cause?: unknown } = {}): SqlError {
  return new SqlError({ code: '08001', message, ...more })
}

/** A socket without an error listener would end the process; that it failed is told by 'close', which always follows. */
function ignoreLateErrors(socket: net.Socket): void {
  socket.on('error', () => {})
}
