import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'

export interface Relay {
  readonly port: number
  /** What clients said on each connection, as far as this could see. */
  readonly heard: readonly Buffer[][]
  close(): Promise<void>
}

/** Passes bytes on to a server; with `tamper` it ends TLS itself, under its own certificate, as a man in the middle does. */
export async function startRelay(to: number, tamper?: { key: string; cert: string }): Promise<Relay> {
  const heard: Buffer[][] = []
  const sockets = new Set<net.Socket>()
  const keep = <S extends net.Socket>(socket: S): S => {
    sockets.add(socket)
    return socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  const join = (client: net.Socket, server: net.Socket, said: Buffer[]) => {
    client.on('data', chunk => said.push(chunk))
    client.pipe(server).pipe(client)
  }
  const relay = net.createServer(async client => {
    const said: Buffer[] = []
    heard.push(said)
    keep(client)
    const server = keep(net.connect(to, '127.0.0.1'))
    if (!tamper) return join(client, server, said)
    const [request] = await once(client, 'data')
    server.write(request)
    await once(server, 'data')
    const outside = keep(tls.connect({ socket: server, rejectUnauthorized: false, ALPNProtocols: ['postgresql'] }))
    client.write('S')
    join(keep(new tls.TLSSocket(client, { isServer: true, ...tamper })), outside, said)
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const address = relay.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    heard,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      relay.close()
      await once(relay, 'close')
    },
  }
}
