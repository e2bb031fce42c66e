/** A frontend that sends exactly the bytes it is given, to a Postgres or to a gateway, and shows what came back. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { decodeAuthentication, encodeSaslInitialResponse, encodeSaslResponse } from '../../src/wire/authentication.ts'
import { FrameReader } from '../../src/wire/framing.ts'
import { backendType } from '../../src/wire/message-types.ts'
import { decodeReport } from '../../src/wire/reports.ts'
import { ScramClient } from '../../src/wire/scram-client.ts'
import { encodeStartupMessage } from '../../src/wire/startup.ts'

export interface RawTarget {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  readonly parameters?: readonly (readonly [string, string])[]
}

export interface RawFrame {
  readonly type: string
  readonly body: Buffer
}

const waitMs = 10_000

export class RawClient {
  readonly socket: Socket
  readonly greeting: RawFrame[] = []
  private readonly reader = new FrameReader(256 * 1024 * 1024)
  private readonly frames: RawFrame[] = []
  private wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', chunk => {
      this.reader.push(chunk)
      for (let frame = this.reader.next(); frame !== undefined; frame = this.reader.next()) {
        this.frames.push({ type: String.fromCharCode(frame.type), body: frame.body })
      }
      this.wake?.()
    })
    socket.on('error', () => this.wake?.())
    socket.on('close', () => this.wake?.())
  }

  /** Logged in, its greeting read up to ReadyForQuery. */
  static async open(target: RawTarget): Promise<RawClient> {
    const socket = connect(target.port, target.host)
    await once(socket, 'connect')
    const client = new RawClient(socket)
    client.send(
      encodeStartupMessage(0, [['user', target.user], ['database', target.database], ...(target.parameters ?? [])]),
    )
    let scram: ScramClient | undefined
    for (;;) {
      const frame = await client.next()
      client.greeting.push(frame)
      if (frame.type === 'E') throw new Error(`login refused: ${describeReport(frame.body)}`)
      if (frame.type === 'Z') return client
      if (frame.type.charCodeAt(0) !== backendType.authentication) continue
      const request = decodeAuthentication(frame.body)
      if (request.kind === 'sasl') {
        scram = new ScramClient({
          password: target.password,
          mechanisms: request.mechanisms,
          secure: false,
          channelBinding: undefined,
        })
        client.send(encodeSaslInitialResponse({ mechanism: scram.mechanism, data: scram.first() }))
      } else if (request.kind === 'sasl-continue') client.send(encodeSaslResponse(await scram!.final(request.data)))
    }
  }

  send(...messages: Buffer[]): void {
    this.socket.write(Buffer.concat(messages))
  }

  /** The next frame, where one has come. */
  poll(): RawFrame | undefined {
    return this.frames.shift()
  }

  /** The next frame. @throws Error after 10 s, or where the connection ends */
  async next(): Promise<RawFrame> {
    const until = Date.now() + waitMs
    for (;;) {
      const frame = this.frames.shift()
      if (frame !== undefined) return frame
      if (this.socket.destroyed || this.socket.readableEnded) throw new Error('the connection ended')
      const left = until - Date.now()
      if (left <= 0) throw new Error('no answer')
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** All frames up to and with the `count`th ReadyForQuery. */
  async untilReady(count = 1): Promise<RawFrame[]> {
    const seen: RawFrame[] = []
    for (let ready = 0; ready < count; ) {
      const frame = await this.next()
      seen.push(frame)
      if (frame.type === 'Z') ready++
    }
    return seen
  }

  async close(): Promise<void> {
    if (this.socket.destroyed) return
    this.socket.end(Buffer.from([0x58, 0, 0, 0, 4]))
    await once(this.socket, 'close')
  }
}

export function describeReport(body: Buffer): string {
  const { severity, code, message, hint, position } = decodeReport(body)
  return [`${severity} ${code} ${message}`, hint, position].filter(part => part !== undefined).join(' | ')
}

/** One line per frame, in words. */
export function describe(frame: RawFrame): string {
  const { type, body } = frame
  if (type === 'E' || type === 'N') return `${type} ${describeReport(body)}`
  if (type === 'C') return `C ${body.toString('utf8', 0, body.length - 1)}`
  if (type === 'Z') return `Z ${body.toString('latin1')}`
  if (type === 'S') return `S ${body.toString('utf8').replaceAll('\0', ' ').trim()}`
  return body.length === 0 ? type : `${type} ${body.toString('hex')}`
}
