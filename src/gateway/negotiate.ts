import { SqlError } from '../errors.ts'
import { type CancelRequest, type First, parseFirst, type StartupMessage } from '../wire/startup.ts'
import { ClientGone, type LoginConnection } from './login-connection.ts'
import type { ServerTls } from './tls.ts'

/** What a client came for, once encryption is settled. */
export type Opening =
  | ({ readonly kind: 'startup' } & StartupMessage)
  | ({ readonly kind: 'cancel-request' } & CancelRequest)

const accept = Buffer.from('S')
const decline = Buffer.from('N')

/**
 * The untyped packets before a StartupMessage or CancelRequest (manual, sections 54.2.9 to 54.2.12): direct TLS, or at
 * most one SSLRequest and one GSSENCRequest in either order. GSSAPI encryption is always declined: nobody could judge it.
 * @throws SqlError FATAL; ClientGone
 */
export async function negotiate(connection: LoginConnection, tls: ServerTls | null): Promise<Opening> {
  let sslAsked = false
  let gssAsked = false
  for (;;) {
    const first = await readFirst(connection)
    switch (first.kind) {
      case 'startup':
      case 'cancel-request':
        connection.rest = connection.rest.subarray(first.bytes)
        return first
      case 'direct-tls':
        if (tls === null || sslAsked || gssAsked) throw new ClientGone()
        sslAsked = true
        await startDirectTls(connection, tls)
        break
      case 'ssl-request':
        if (sslAsked) throw protocolViolation('SSL was requested before')
        sslAsked = true
        await refuseStuffed(connection, first.bytes, 'SSL request')
        await answerSsl(connection, tls)
        break
      case 'gssenc-request':
        if (gssAsked) throw protocolViolation('GSSAPI encryption was requested before')
        gssAsked = true
        await refuseStuffed(connection, first.bytes, 'GSSAPI encryption request')
        connection.write(decline)
        break
    }
  }
}

async function readFirst(connection: LoginConnection): Promise<First> {
  for (;;) {
    const first = parseFirst(connection.rest)
    if (first !== 'need-more') return first
    const bytes = await connection.read()
    connection.rest = connection.rest.length === 0 ? bytes : Buffer.concat([connection.rest, bytes])
  }
}

async function answerSsl(connection: LoginConnection, tls: ServerTls | null): Promise<void> {
  if (tls === null || connection.isLocal) {
    connection.write(decline)
    return
  }
  connection.write(accept)
  await connection.startTls(tls.context)
}

async function startDirectTls(connection: LoginConnection, tls: ServerTls): Promise<void> {
  const alpn = await connection.startTls(tls.context)
  if (alpn === 'postgresql') return
  throw protocolViolation('direct TLS needs the ALPN protocol "postgresql"')
}

/** No client speaks before it has the answer: what is there already was put there by somebody else (CVE-2021-23214). */
async function refuseStuffed(connection: LoginConnection, bytes: number, after: string): Promise<void> {
  connection.rest = connection.rest.subarray(bytes)
  if (!(await connection.hasUnread())) return
  throw new SqlError({
    code: '08P01',
    severity: 'FATAL',
    message: `received unencrypted data after ${after}`,
    detail: 'This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.',
  })
}

function protocolViolation(message: string): SqlError {
  return new SqlError({ code: '08P01', severity: 'FATAL', message })
}
