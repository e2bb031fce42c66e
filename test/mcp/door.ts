/** The HTTP door over real databases, and clients of both eras that come in through it. */
import { Client, type ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { z } from 'zod'
import { addApiKey } from '../../src/control/api-keys.ts'
import type { MembershipRole } from '../../src/control/users.ts'
import { makeApiKey } from '../../src/identity/api-keys.ts'
import type { IssuerOptions, TrustedHost } from '../../src/identity/issuers.ts'
import { type McpDoor, type McpSettings, startMcp } from '../../src/mcp/start.ts'
import { authenticatorOf } from '../identity/fixture.ts'
import { openWorld, type World } from '../mcp-tools/world.ts'

export interface Door {
  readonly world: World
  readonly mcp: McpDoor
  /** What was logged as an error. */
  readonly faults: unknown[]
  /** Another instance over the same databases. */
  another(settings?: Partial<McpSettings>): Promise<McpDoor>
  /** A new user with an API key. */
  key(tenant: string, login: string, role: MembershipRole, scopes?: readonly string[]): Promise<string>
  close(): Promise<void>
}

export interface DoorOptions {
  readonly tenants?: readonly string[]
  readonly settings?: Partial<McpSettings>
  readonly issuers?: readonly IssuerOptions[]
  readonly trustedHosts?: readonly TrustedHost[]
  readonly identity?: Parameters<typeof authenticatorOf>[2]
}

export const derive = (purpose: string) => Buffer.alloc(32, purpose)

export async function openDoor(o: DoorOptions = {}): Promise<Door> {
  const world = await openWorld(o.tenants ?? ['acme', 'globex'])
  const { control, services, config, records } = world
  const { authenticator, lastUses } = authenticatorOf(control, o.issuers ?? [], {
    freshMs: 1_000,
    trustedHosts: o.trustedHosts ?? [],
    ...o.identity,
  })
  const faults: unknown[] = []
  const log = {
    error: (fields: object) => void faults.push(fields),
    warn: () => {},
    info: () => {},
    debug: () => {},
    child: () => log,
  }
  const doors: McpDoor[] = []
  const another = async (settings: Partial<McpSettings> = {}) => {
    const door = await startMcp({
      config: { ...config.mcp, port: 0, ...o.settings, ...settings },
      services,
      control: control.service,
      derive,
      audit: { append: record => void records.push(record), flush: () => {}, healthy: true },
      log,
      version: '0.0.0',
      authenticator,
    })
    doors.push(door)
    return door
  }
  const mcp = await another()
  const known = new Set<string>()
  return {
    world,
    mcp,
    faults,
    another,
    async key(tenant, login, role, scopes) {
      if (!known.has(`${login}@${tenant}`)) await world.user(tenant, login, role)
      known.add(`${login}@${tenant}`)
      const { id, text, hash } = makeApiKey()
      await addApiKey(control.administration, { tenant, login, id, hash, scopes: scopes ?? null, expiresAt: null })
      return text
    },
    async close() {
      for (const door of doors) await door.close(0)
      await lastUses.close()
      await world.close()
    },
  }
}

/** Of the protocol of 2026. */
export async function newClient(url: string, token: string, o: ClientOptions = {}): Promise<Client> {
  const client = new Client({ name: 'new', version: '1' }, { versionNegotiation: { mode: 'auto' }, ...o })
  await client.connect(new StreamableHTTPClientTransport(new URL(url), authorized(token)))
  return client
}

/** The same library as it is without being asked: of the protocol of 2025. */
export async function plainClient(url: string, token: string, o: ClientOptions = {}): Promise<Client> {
  const client = new Client({ name: 'plain', version: '1' }, o)
  await client.connect(new StreamableHTTPClientTransport(new URL(url), authorized(token)))
  return client
}

/** The library before it. */
export async function oldClient(url: string, token: string): Promise<OldClient> {
  const client = new OldClient({ name: 'old', version: '1' })
  await client.connect(new OldTransport(new URL(url), authorized(token)))
  return client
}

export function authorized(token: string) {
  return { requestInit: { headers: { Authorization: `Bearer ${token}` } } }
}

const envelopeSchema = z.object({
  success: z.boolean(),
  data: z.record(z.string(), z.unknown()).optional(),
  error: z
    .object({
      code: z.string(),
      sqlstate: z.string(),
      message: z.string(),
      detail: z.string().optional(),
      hint: z.string().optional(),
      retry_after_s: z.number().optional(),
    })
    .optional(),
  tenant_id: z.string().nullable(),
  database: z.string().nullable().optional(),
  schema: z.string().nullable().optional(),
  warnings: z.array(z.string()).optional(),
  timing_ms: z.number(),
  request_id: z.string(),
})

const resultSchema = z.object({
  structuredContent: envelopeSchema,
  content: z.tuple([z.object({ type: z.literal('text'), text: z.string() })]),
  isError: z.boolean().optional(),
  _meta: z.record(z.string(), z.unknown()).optional(),
})

/** A call's answer, read as strictly as it is promised. */
export function read(result: unknown) {
  const { structuredContent, content, isError, _meta } = resultSchema.parse(result)
  return { ...structuredContent, text: content[0].text, isError: isError ?? false, meta: _meta ?? {} }
}
