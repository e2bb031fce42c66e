import { once } from 'node:events'
import net from 'node:net'

/** One connection through a {@link Meddler}. */
export interface Line {
  toGateway(bytes: Buffer): void
  toServer(bytes: Buffer): void
  /** Ends it on both sides, at once. */
  cut(): void
}

/** Stands between the gateway and a real Postgres, and passes on what it is told to. */
export class Meddler {
  /** In place of passing on what the server, or the gateway, says. */
  fromServer: ((chunk: Buffer, line: Line) => void) | undefined
  fromGateway: ((chunk: Buffer, line: Line) => void) | undefined
  private readonly sockets = new Set<net.Socket>()
  private readonly server: net.Server

  private constructor(host: string, port: number) {
    this.server = net.createServer(near => {
      const far = net.connect(port, host)
      const line: Line = {
        toGateway: bytes => void (near.destroyed || near.write(bytes)),
        toServer: bytes => void (far.destroyed || far.write(bytes)),
        cut: () => {
          near.destroy()
          far.destroy()
        },
      }
      for (const socket of [near, far]) {
        this.sockets.add(socket)
        socket.setNoDelay(true)
        socket.on('error', () => {})
        socket.on('close', () => {
          this.sockets.delete(socket)
          line.cut()
        })
      }
      far.on('data', chunk => (this.fromServer === undefined ? line.toGateway(chunk) : this.fromServer(chunk, line)))
      near.on('data', chunk => (this.fromGateway === undefined ? line.toServer(chunk) : this.fromGateway(chunk, line)))
    })
  }

  static async start(host: string, port: number): Promise<Meddler> {
    const meddler = new Meddler(host, port)
    meddler.server.listen(0, '127.0.0.1')
    await once(meddler.server, 'listening')
    return meddler
  }

  get port(): number {
    const address = this.server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return address.port
  }

  rest(): void {
    this.fromServer = undefined
    this.fromGateway = undefined
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
    await once(this.server, 'close')
  }
}
