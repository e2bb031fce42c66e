import { randomUUID } from 'node:crypto'
import type { AuditRecord, AuditSink } from '../audit/record.ts'
import { SqlError, toSqlError } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import type { Sink } from '../session/sink.ts'
import { encodeAuthentication } from '../wire/authentication.ts'
import { FrameReader } from '../wire/framing.ts'
import { encodeReadyForQuery } from '../wire/query.ts'
import { encodeErrorResponse } from '../wire/reports.ts'
import { encodeBackendKeyData, encodeNegotiateProtocolVersion, encodeParameterStatus } from '../wire/session-start.ts'
import type { CancelRequest } from '../wire/startup.ts'
import { authenticate, type LoginService, WrongToken } from './authenticate.ts'
import type { CancelRegistry } from './cancel-registry.ts'
import { Conversation, type ConversationHost, type ConversationSession } from './conversation.ts'
import type { GatewayLimits } from './limits.ts'
import { ClientGone, type LoginConnection } from './login-connection.ts'
import { negotiate } from './negotiate.ts'
import { readStartup, type StartupRequest } from './startup.ts'
import type { StartupSetting } from './startup-options.ts'
import type { ServerTls } from './tls.ts'

/** What a login asks for, once it is known whose it is. */
export interface SessionRequest {
  readonly principal: Principal
  /** Real name or alias, as sent; undefined: the tenant's own choice. */
  readonly database: string | undefined
  readonly sink: Sink
  readonly client: { readonly address: string; readonly applicationName: string }
  /** Each to be treated as a SET. */
  readonly startupSettings: readonly StartupSetting[]
  readonly virtualPid: number
}

/** @throws SqlError: told to the client as FATAL (3D000, 42501, 53300 …) */
export type OpenSession = (request: SessionRequest) => Promise<ConversationSession>

/** What every handshake needs. */
export interface HandshakeHost extends ConversationHost {
  readonly tls: ServerTls | null
  readonly requireTls: boolean
  readonly ignoredParameters: ReadonlySet<string>
  readonly limits: GatewayLimits
  readonly logins: LoginService
  readonly openSession: OpenSession
  readonly cancels: CancelRegistry
  readonly audit: AuditSink
  readonly clock: () => number
  tenantOf(serverName: string): string | undefined
  /** The client has proven who he is. @throws SqlError where there is no room for him */
  authenticated(connection: LoginConnection): void
  began(conversation: Conversation, connection: LoginConnection): void
  /** The client gets these last words, in the end. */
  refused(connection: LoginConnection, words: Buffer): void
  /** What the operator should see: the client was told less. */
  report(error: unknown, address: string): void
}

/** From the first byte to ReadyForQuery, or to the end. Never rejects. */
export async function shakeHands(connection: LoginConnection, host: HandshakeHost): Promise<void> {
  let startup: StartupRequest | undefined
  try {
    const opening = await negotiate(connection, host.tls)
    if (opening.kind === 'cancel-request') return await cancel(connection, opening, host)
    startup = readStartup(opening, host.ignoredParameters)
    if (host.requireTls && !connection.encrypted && !connection.isLocal) throw tlsRequired()
    await logIn(connection, startup, host)
  } catch (thrown) {
    if (thrown instanceof ClientGone) connection.socket.destroy()
    else refuse(connection, startup, toSqlError(thrown), host)
  }
}

/** No answer in any case; the socket closes when the request has done what it does. */
async function cancel(connection: LoginConnection, request: CancelRequest, host: HandshakeHost): Promise<void> {
  const target = host.cancels.find(request.pid, request.key, connection.address, performance.now())
  try {
    if (target !== undefined) await connection.within(target.cancel())
  } catch (thrown) {
    if (!(thrown instanceof ClientGone)) host.report(thrown, connection.address)
  }
  connection.socket.destroySoon()
}

async function logIn(connection: LoginConnection, startup: StartupRequest, host: HandshakeHost): Promise<void> {
  const { limits } = host
  if (startup.unknownOptions !== undefined) {
    connection.hold(
      encodeNegotiateProtocolVersion({ major: 3, minor: startup.protocolMinor, options: startup.unknownOptions }),
    )
  }
  const reader = new FrameReader(limits.messageMaxBytes)
  reader.push(connection.rest)
  const { user } = startup
  const endPoint = connection.encrypted ? host.tls?.endPoint : undefined
  const principal = await authenticate(
    connection,
    reader,
    { user, login: loginOf(connection, user, host), endPoint },
    host,
  )
  host.authenticated(connection)
  connection.hold(encodeAuthentication({ kind: 'ok' }))
  await open(connection, startup, principal, reader, host)
}

/** The tenant may come by SNI: then whatever the user name is, it is a name in that tenant. */
function loginOf({ serverName }: LoginConnection, user: string, host: HandshakeHost): string {
  const tenant = serverName === undefined ? undefined : host.tenantOf(serverName)
  return tenant === undefined || user.endsWith(`@${tenant}`) ? user : `${user}@${tenant}`
}

async function open(
  connection: LoginConnection,
  startup: StartupRequest,
  principal: Principal,
  reader: FrameReader,
  host: HandshakeHost,
): Promise<void> {
  const { address, encrypted } = connection
  const { applicationName, database } = startup
  const { virtualPid, key } = host.cancels.reserve(startup.protocolMinor)
  try {
    const conversation = new Conversation(connection.socket, reader, host, {
      virtualPid,
      principalId: principal.id,
      tenantId: principal.tenant,
      credential: principal.credential,
      login: principal.login,
      database,
      address,
      applicationName,
      encrypted,
      startedAtMs: host.clock(),
    })
    const work = host.openSession({
      principal,
      database,
      sink: conversation,
      client: { address, applicationName },
      startupSettings: startup.settings,
      virtualPid,
    })
    const session = await connection.within(work, late => closeLate(late, address, host))
    try {
      host.audit.append(loginRecord(connection, startup, host, { principal, session: String(virtualPid) }))
    } catch (thrown) {
      closeLate(session, address, host)
      throw thrown
    }
    connection.detach()
    host.cancels.bind(virtualPid, conversation)
    host.began(conversation, connection)
    conversation.begin(session, Buffer.concat([...connection.takeHeld(), ...welcome(session, virtualPid, key)]))
  } catch (thrown) {
    host.cancels.release(virtualPid)
    throw thrown
  }
}

/** Nobody waits for this session any more. */
function closeLate(session: ConversationSession, address: string, host: HandshakeHost): void {
  session.close().catch((error: unknown) => host.report(error, address))
}

function welcome(session: ConversationSession, virtualPid: number, key: Buffer): Buffer[] {
  const statuses = [...session.parameterStatuses()].map(([name, value]) => encodeParameterStatus(name, value))
  return [...statuses, encodeBackendKeyData({ pid: virtualPid, key }), encodeReadyForQuery('I')]
}

function refuse(
  connection: LoginConnection,
  startup: StartupRequest | undefined,
  error: SqlError,
  host: HandshakeHost,
): void {
  if (error.cause !== undefined) host.report(error, connection.address)
  const words = [...connection.takeHeld(), encodeErrorResponse(error.fatal().fields())]
  const { code, message } = error
  const reason = error instanceof WrongToken ? error.why : message
  if (startup !== undefined) {
    try {
      host.audit.append(loginRecord(connection, startup, host, { code, reason }))
    } catch (thrown) {
      host.report(thrown, connection.address)
    }
  }
  host.refused(connection, Buffer.concat(words))
}

function loginRecord(
  connection: LoginConnection,
  startup: StartupRequest,
  host: HandshakeHost,
  outcome:
    | { readonly principal: Principal; readonly session: string }
    | { readonly code: string; readonly reason: string },
): AuditRecord {
  const common = {
    time: host.clock(),
    kind: 'login',
    door: 'wire',
    requestId: randomUUID(),
    database: startup.database,
    address: connection.address,
    applicationName: startup.applicationName,
  } as const
  if ('code' in outcome) {
    const { code, reason } = outcome
    return { ...common, session: '', principal: startup.user, verdict: 'refused', sqlstate: code, reason }
  }
  const { principal, session } = outcome
  return {
    ...common,
    session,
    principalId: principal.id,
    principal: principal.login,
    tenantId: principal.tenant,
    tenant: principal.tenantName,
    credential: principal.credential ?? undefined,
    verdict: 'accepted',
  }
}

function tlsRequired(): SqlError {
  return new SqlError({
    code: '28000',
    severity: 'FATAL',
    message: 'this server takes connections over TLS only',
    hint: 'Connect with sslmode=require or stricter.',
  })
}
