/** `mcp`: the door for agents. */
import { z } from 'zod'
import { secret } from './secret.ts'

const count = (value: number, most = 1_000_000) => z.int().min(1).max(most).default(value)
const bytes = (value: number, most: number) => z.int().min(1024).max(most).default(value)
const milliseconds = (value: number) => z.int().min(1000).max(2_147_483_647).default(value)
const mebibyte = 1024 * 1024

export const mcp = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Serve MCP over HTTP with "postern up".'),
    host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
    port: z.int().min(0).max(65_535).default(8432).describe('Port to listen on.'),
    publicUrl: z
      .string()
      .refine(isPublicUrl, 'must be an https:// address, or http:// of this machine, without a query')
      .nullable()
      .default(null)
      .describe(
        'Address of the MCP endpoint as clients reach it, and the audience of their tokens. Unset: http://host:port/mcp.',
      ),
    authorizationServers: z
      .array(z.string().min(1))
      .default([])
      .describe('Issuers that the resource metadata names to clients. Empty: those of identity.issuers.'),
    allowedHosts: z
      .array(z.string().min(1))
      .default([])
      .describe(
        'Host names in the Host header that are served, besides the one of publicUrl and, on loopback, localhost.',
      ),
    allowedOrigins: z
      .array(z.string().min(1))
      .default([])
      .describe('Host names of web pages that may call (Origin header), besides the one of publicUrl.'),
    trustedProxies: z
      .array(z.union([z.ipv4(), z.ipv6()]))
      .default([])
      .describe('Addresses of proxies whose X-Forwarded-For tells where a client is; else all are where the proxy is.'),
    token: secret().nullable().default(null).meta({
      secret: 'value',
      description: 'API key or access token in whose name "postern mcp" serves its standard input.',
    }),
    toolsExtended: z.boolean().default(false).describe('Offer explain_query, search_objects and save_learning too.'),
    rowsDefault: count(500).describe('Rows of a query whose caller names no number.'),
    rowsMax: count(10_000).describe('Rows of a query, whatever its caller names.'),
    resultMaxBytes: bytes(256 * 1024, 64 * mebibyte).describe('Bytes of the rows of one result.'),
    cellMaxBytes: bytes(8 * 1024, 16 * mebibyte).describe('Bytes of one value; what is longer is cut, with a mark.'),
    requestMaxBytes: bytes(4 * mebibyte, 64 * mebibyte).describe('Bytes of one request.'),
    sessionsMax: count(10_000).describe('Sessions of the protocol of 2025, in all.'),
    sessionsPerPrincipalMax: count(50).describe('The same per principal; the one unused longest makes room.'),
    sessionIdleTimeoutMs: milliseconds(30 * 60_000).describe('A session unused for so long is gone.'),
    keepAliveMs: milliseconds(15_000).describe('Silence on a stream before a comment is sent.'),
  })
  .refine(value => value.rowsDefault <= value.rowsMax, { path: ['rowsDefault'], message: 'is above mcp.rowsMax' })

export type McpConfig = z.output<typeof mcp>

function isPublicUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password, search, hash } = new URL(text)
  if (username !== '' || password !== '' || search !== '' || hash !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
}
