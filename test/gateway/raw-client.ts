import { connect, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, TLSSocket } from 'node:tls'
import {
  type Authentication,
  decodeAuthentication,
  encodeSaslInitialResponse,
  encodeSaslResponse,
} from '../../src/wire/authentication.ts'
import { serverEndPoint } from '../../src/wire/channel-binding.ts'
import { FrameReader } from '../../src/wire/framing.ts'
import { decodeReport, type ServerReport } from '../../src/wire/reports.ts'
import { ScramClient } from '../../src/wire/scram-client.ts'
import { type BackendKeyData, decodeBackendKeyData } from '../../src/wire/session-start.ts'
import { encodeStartupMessage, sslRequest } from '../../src/wire/startup.ts'

/** A frontend that says exactly what it is told to. */
export class RawClient {
  socket: Socket
  private reader = new FrameReader(64 * 1024 * 1024)
  private raw: Buffer[] = []
  private wake: (() => void) | undefined
  closed = false

  private constructor(socket: Socket) {
    this.socket = socket
    this.attach(socket)
  }

  static async connect(port: number, localAddress = '127.0.0.1'): Promise<RawClient> {
    return RawClient.over(connect({ port, host: '127.0.0.1', localAddress, noDelay: true }))
  }

  static async connectPath(path: string): Promise<RawClient> {
    return RawClient.over(connect({ path }))
  }

  private static async over(socket: Socket): Promise<RawClient> {
    const client = new RawClient(socket)
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return client
  }

  /** The one byte that answers SSLRequest and GSSENCRequest. */
  async answer(): Promise<string> {
    const bytes = await this.bytes()
    return bytes.toString('latin1')
  }

  /** What has come, at least a byte of it. */
  async bytes(): Promise<Buffer> {
    await this.until(() => this.raw.length > 0)
    return Buffer.concat(this.raw.splice(0))
  }

  async send(...parts: Buffer[]): Promise<void> {
    await new Promise(resolve => this.socket.write(Buffer.concat(parts), resolve))
  }

  async startTls(options: ConnectionOptions = {}): Promise<TLSSocket> {
    this.socket.removeAllListeners('data')
    const secure = connectTls({ socket: this.socket, rejectUnauthorized: false, ...options })
    this.attach(secure)
    this.socket = secure
    await new Promise((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject))
    return secure
  }

  /** The next frame: its letter and body; undefined: the server has closed. */
  async next(): Promise<{ letter: string; body: Buffer } | undefined> {
    for (;;) {
      const frame = this.reader.next()
      if (frame !== undefined) return { letter: String.fromCharCode(frame.type), body: frame.body }
      await this.until(() => this.raw.length > 0 || this.closed)
      if (this.raw.length === 0) return undefined
      for (const chunk of this.raw.splice(0)) this.reader.push(chunk)
    }
  }

  /** Letters of the frames up to and with the first `last`, or to the end. */
  async letters(last = 'Z'): Promise<string> {
    let letters = ''
    for (;;) {
      const frame = await this.next()
      if (frame === undefined) return `${letters}.`
      letters += frame.letter
      if (frame.letter === last) return letters
    }
  }

  /** The next ErrorResponse; what comes before it is skipped. */
  async error(): Promise<ServerReport> {
    for (;;) {
      const frame = await this.next()
      if (frame === undefined) throw new Error('closed without an error')
      if (frame.letter === 'E') return decodeReport(frame.body)
    }
  }

  async authentication(): Promise<Authentication> {
    for (;;) {
      const frame = await this.next()
      if (frame?.letter === 'R') return decodeAuthentication(frame.body)
      if (frame?.letter === 'E') throw Object.assign(new Error('refused'), decodeReport(frame.body))
      if (frame?.letter !== 'v') throw new Error(`unexpected ${frame?.letter}`)
    }
  }

  /** StartupMessage and SCRAM, up to AuthenticationOk. */
  async logIn(parameters: Record<string, string> = {}, password = 'secret', minor = 0): Promise<void> {
    await this.send(encodeStartupMessage(minor, Object.entries({ user: 'alice@acme', ...parameters })))
    await this.proveWith(password)
  }

  async proveWith(password: string): Promise<void> {
    const asked = await this.authentication()
    if (asked.kind !== 'sasl') throw new Error(asked.kind)
    const certificate = this.socket instanceof TLSSocket ? this.socket.getPeerCertificate().raw : undefined
    const channelBinding = certificate === undefined ? undefined : serverEndPoint(certificate)
    const scram = new ScramClient({
      password,
      mechanisms: asked.mechanisms,
      secure: certificate !== undefined,
      channelBinding,
    })
    await this.send(encodeSaslInitialResponse({ mechanism: scram.mechanism, data: scram.first() }))
    const challenge = await this.authentication()
    if (challenge.kind !== 'sasl-continue') throw new Error(challenge.kind)
    await this.send(encodeSaslResponse(await scram.final(challenge.data)))
    const final = await this.authentication()
    if (final.kind !== 'sasl-final') throw new Error(final.kind)
    scram.verify(final.data)
    const ok = await this.authentication()
    if (ok.kind !== 'ok') throw new Error(ok.kind)
  }

  /** ParameterStatus and BackendKeyData, up to ReadyForQuery. */
  async welcome(): Promise<{ pid: number; key: Buffer; letters: string }> {
    let letters = ''
    let keyData: BackendKeyData = { pid: 0, key: Buffer.alloc(0) }
    for (;;) {
      const frame = await this.next()
      if (frame === undefined || frame.letter === 'E') throw new Error(`no welcome: ${frame?.body}`)
      letters += frame.letter
      if (frame.letter === 'K') keyData = decodeBackendKeyData(frame.body)
      if (frame.letter === 'Z') return { ...keyData, letters }
    }
  }

  async whenClosed(): Promise<void> {
    await this.until(() => this.closed)
  }

  destroy(): void {
    this.socket.destroy()
  }

  private async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>(resolve => (this.wake = resolve))
  }

  private attach(socket: Socket): void {
    const wake = (): void => this.wake?.()
    socket.on('data', chunk => {
      this.raw.push(chunk)
      wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
      wake()
    })
  }
}

export async function logIn(port: number, parameters: Record<string, string> = {}): Promise<RawClient> {
  const client = await RawClient.connect(port)
  await client.logIn(parameters)
  await client.welcome()
  return client
}

export async function connectOverTls(port: number, options: ConnectionOptions = {}): Promise<RawClient> {
  const client = await RawClient.connect(port)
  await client.send(sslRequest)
  const answer = await client.answer()
  if (answer !== 'S') throw new Error(`answered ${answer}`)
  await client.startTls(options)
  return client
}
