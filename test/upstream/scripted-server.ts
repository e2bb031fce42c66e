import { once } from 'node:events'
import net from 'node:net'
import { encodeAuthentication } from '../../src/wire/authentication.ts'
import { type Frame, FrameReader } from '../../src/wire/framing.ts'
import { encodeReadyForQuery } from '../../src/wire/query.ts'
import { encodeBackendKeyData, encodeParameterStatus } from '../../src/wire/session-start.ts'
import { type First, parseFirst } from '../../src/wire/startup.ts'

/** A connection to a server that does what its script says, whatever a server should do. */
export class Peer {
  readonly socket: net.Socket
  readonly #reader = new FrameReader(1 << 20)
  #before = Buffer.alloc(0)

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('error', () => {})
  }

  say(...messages: Uint8Array[]): void {
    this.socket.write(Buffer.concat(messages))
  }

  /** The next packet before login. */
  async first(): Promise<Exclude<First, { kind: 'direct-tls' }>> {
    for (;;) {
      const first = parseFirst(this.#before)
      if (first !== 'need-more' && first.kind !== 'direct-tls') {
        this.#reader.push(this.#before.subarray(first.bytes))
        this.#before = Buffer.alloc(0)
        return first
      }
      this.#before = Buffer.concat([this.#before, await this.#chunk()])
    }
  }

  async frame(): Promise<Frame> {
    for (;;) {
      const frame = this.#reader.next()
      if (frame) return frame
      this.#reader.push(await this.#chunk())
    }
  }

  async #chunk(): Promise<Buffer> {
    const arrival = Promise.race([once(this.socket, 'data'), once(this.socket, 'close')])
    this.socket.resume()
    const [chunk]: unknown[] = await arrival
    this.socket.pause()
    if (Buffer.isBuffer(chunk)) return chunk
    throw new Error('the client has gone')
  }
}

export const goodParameters = {
  server_version: '18.4',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  default_transaction_read_only: 'on',
}

/** What a server says after a login that it accepts. */
export function welcome(parameters: Record<string, string> = goodParameters, key = Buffer.from('key!')): Buffer {
  return Buffer.concat([
    encodeAuthentication({ kind: 'ok' }),
    ...Object.entries(parameters).map(([name, value]) => encodeParameterStatus(name, value)),
    encodeBackendKeyData({ pid: 4711, key }),
    encodeReadyForQuery('I'),
  ])
}

export interface ScriptedServer {
  readonly port: number
  /** Connections accepted so far, and those that are open. */
  readonly accepted: number
  readonly peers: ReadonlySet<Peer>
  close(): Promise<void>
}

/** Every connection follows the script; one that throws or ends closes nothing by itself. */
export async function startScriptedServer(
  script: (peer: Peer, index: number) => Promise<void> | void,
): Promise<ScriptedServer> {
  const peers = new Set<Peer>()
  let accepted = 0
  const server = net.createServer(socket => {
    const peer = new Peer(socket)
    peers.add(peer)
    socket.on('close', () => peers.delete(peer))
    Promise.resolve(script(peer, accepted++)).catch(() => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    get accepted() {
      return accepted
    },
    peers,
    close: async () => {
      for (const peer of peers) peer.socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
