/** Which HTTP requests are looked at at all: from pages and under names that are ours, without tokens in the address. */
import { isIP } from 'node:net'
import { validateHostHeader, validateOriginHeader } from '@modelcontextprotocol/server'
import { SqlError } from '../errors.ts'

const loopback = new Set(['localhost', '127.0.0.1', '::1', '[::1]'])

export interface GuardOptions {
  readonly host: string
  readonly port: number
  readonly publicUrl: string | null
  readonly allowedHosts: readonly string[]
  readonly allowedOrigins: readonly string[]
}

/** @throws SqlError F0000 where tokens would travel in the clear, to whoever listens */
export function checkListening({ host, publicUrl }: Pick<GuardOptions, 'host' | 'publicUrl'>): void {
  if (loopback.has(host) || publicUrl?.startsWith('https:') === true) return
  throw new SqlError({
    code: 'F0000',
    message: `mcp.host ${host}: MCP is not served beyond this machine without authentication that clients can check`,
    hint: 'Set mcp.publicUrl to the https:// address under which a proxy with TLS serves it, or listen on 127.0.0.1.',
  })
}

/** What a request is refused with before anything of it is read; undefined: it may go on. */
export function guardFor(options: GuardOptions): (request: Request) => Response | undefined {
  const own = options.publicUrl === null ? [] : [new URL(options.publicUrl).hostname]
  const local = loopback.has(options.host) ? ['localhost', '127.0.0.1', '[::1]'] : []
  const hosts = [...own, ...local, ...options.allowedHosts]
  const origins = [...own, ...local, ...options.allowedOrigins]
  return request => {
    const host = validateHostHeader(request.headers.get('host'), hosts)
    if (!host.ok) return refuse(403, `Host: ${host.message}`)
    const origin = validateOriginHeader(request.headers.get('origin'), origins)
    if (!origin.ok) return refuse(403, `Origin: ${origin.message}`)
    const query = request.url.indexOf('?')
    if (query === -1) return undefined
    const names = [...new URLSearchParams(request.url.slice(query + 1)).keys()]
    if (names.some(name => /token|key|secret|password|authorization/i.test(name)))
      return refuse(400, 'credentials in an address are refused: they end up in logs. Send Authorization: Bearer.')
    return refuse(400, `unknown parameter${names.length === 1 ? '' : 's'} in the address: there are none here`)
  }
}

/** Where a client is: at the other end of the connection, or what the outermost of the trusted proxies saw there. */
export function clientAddressFor(trustedProxies: readonly string[]): (peer: string, request: Request) => string {
  const trusted = new Set(trustedProxies)
  return (peer, request) => {
    const seen =
      request.headers
        .get('x-forwarded-for')
        ?.split(',')
        .map(one => one.trim()) ?? []
    let address = plain(peer)
    while (trusted.has(address)) {
      const before = seen.pop()
      if (before === undefined || isIP(before) === 0) break
      address = plain(before)
    }
    return address
  }
}

function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}

/** A JSON-RPC error of no request. */
export function refuse(status: number, message: string, headers: Record<string, string> = {}): Response {
  const body = { jsonrpc: '2.0', error: { code: -32000, message }, id: null }
  return Response.json(body, { status, headers: { 'cache-control': 'no-store', ...headers } })
}
