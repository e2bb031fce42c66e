import { chmod, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { Gateway, type GatewayParts } from './gateway.ts'

export interface GatewayOptions extends GatewayParts {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Whole path; psql finds `<folder>/.s.PGSQL.<port>`. Undefined: no Unix socket. */
  readonly socketPath?: string | undefined
}

/** Connections that the kernel holds for us; the system has the last word (somaxconn). More at once wait for a second. */
const backlog = 4096

/** The wire door, listening. @throws the system's error where an address cannot be taken */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const gateway = new Gateway(options)
  try {
    const tcp = newServer(options)
    await listen(tcp, { host: options.host, port: options.port })
    gateway.serve(tcp, false)
    if (options.socketPath !== undefined) await serveSocket(gateway, options, options.socketPath)
  } catch (thrown) {
    await gateway.close(0)
    throw thrown
  }
  return gateway
}

function newServer({ limits }: GatewayOptions): Server {
  return createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: limits.keepAliveInitialDelayMs })
}

async function serveSocket(gateway: Gateway, options: GatewayOptions, path: string): Promise<void> {
  const server = newServer(options)
  if (await isStale(path)) await unlink(path)
  await listen(server, { path })
  gateway.serve(server, true)
  // As Postgres's own: whoever comes in has to log in.
  await chmod(path, 0o777)
}

function listen(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...where, backlog }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** A socket that a killed process left behind: it is there, and nobody listens. */
function isStale(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect({ path })
    probe.once('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.once('error', error => resolve('code' in error && error.code === 'ECONNREFUSED'))
  })
}
