import { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { serverEndPoint } from '../wire/channel-binding.ts'

/** What the door needs to speak TLS as a server. */
export interface ServerTls {
  readonly context: SecureContext
  /** What SCRAM-SHA-256-PLUS binds to; undefined: the certificate's signature names no hash, and PLUS is not offered. */
  readonly endPoint: Buffer | undefined
}

/** @param cert PEM, the server's own certificate first, then its chain. */
export function prepareTls(key: string | Buffer, cert: string | Buffer): ServerTls {
  return {
    context: createSecureContext({ key, cert, minVersion: 'TLSv1.2' }),
    endPoint: serverEndPoint(new X509Certificate(cert).raw),
  }
}

/**
 * Puts TLS on a socket that has answered `S` or begun with a ClientHello. Bytes that the socket already holds are read as
 * TLS, never as protocol. ALPN: where the client asks for protocols, `postgresql` must be among them.
 */
export function wrapTls(socket: Socket, context: SecureContext): TLSSocket {
  const secure = new TLSSocket(socket, { isServer: true, secureContext: context, ALPNProtocols: ['postgresql'] })
  secure.disableRenegotiation()
  return secure
}
