/** The HTTP door from outside: who is let in, from where, and what becomes of sessions. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { linkIdentity } from '../../src/control/identities.ts'
import { SqlError } from '../../src/errors.ts'
import { checkListening } from '../../src/mcp/http-guard.ts'
import { issuerOptions } from '../identity/fixture.ts'
import { type OpenId, startOpenId } from '../support/openid.ts'
import { type Door, newClient, oldClient, openDoor, plainClient, read } from './door.ts'

const publicUrl = 'https://mcp.example.com/mcp'

let openId: OpenId
let door: Door
let key: string

beforeAll(async () => {
  openId = await startOpenId()
  door = await openDoor({
    settings: { publicUrl, authorizationServers: [openId.issuer], requestMaxBytes: 10_000, sessionsPerPrincipalMax: 3 },
    issuers: [issuerOptions({ issuer: openId.issuer, discovery: true })],
    trustedHosts: [{ host: 'agent@acme', issuers: [openId.issuer], audiences: ['https://agent.example.com'] }],
  })
  key = await door.key('acme', 'alice', 'analyst')
  openId.users.set('alice-sub', { email: 'alice@example.com', emailVerified: true, claims: {} })
  await linkIdentity(
    door.world.control.administration,
    { tenant: 'acme', login: 'alice' },
    { issuer: openId.issuer, subject: 'alice-sub' },
  )
}, 60_000)

afterAll(async () => {
  await door.close()
  await openId.close()
  expect(door.faults).toEqual([])
})

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
}

async function post(body: unknown, headers: Record<string, string> = {}, url = door.mcp.url): Promise<Response> {
  return await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

async function begin(token: string): Promise<string> {
  const response = await post(initialize, bearer(token))
  await response.text()
  return response.headers.get('mcp-session-id') ?? ''
}

let pings = 10

async function inSession(id: string, token: string, url = door.mcp.url): Promise<number> {
  pings += 1
  const response = await post({ ...ping, id: pings }, { ...bearer(token), 'Mcp-Session-Id': id }, url)
  await response.text()
  return response.status
}

describe('a request without a good token', () => {
  it('is told where to get one', async () => {
    const response = await post(ping)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe(
      'Bearer scope="data:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"',
    )
    const origin = new URL(door.mcp.url).origin
    for (const path of ['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp']) {
      expect(await (await fetch(`${origin}${path}`)).json()).toMatchObject({
        resource: publicUrl,
        authorization_servers: [openId.issuer],
        scopes_supported: expect.arrayContaining(['data:read', 'schema:provision']),
        bearer_methods_supported: ['header'],
      })
    }
  })

  it.each([
    ['nonsense', 'garbage'],
    ['a key that never was', `pk_${'0'.repeat(32)}_${'A'.repeat(43)}`],
  ])('is refused: %s', async (_what, token) => {
    const response = await post(ping, bearer(token))
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"')
    expect(await response.text()).not.toContain(token)
  })

  it('is refused with a token for another audience', async () => {
    const token = await openId.token({
      sub: 'alice-sub',
      audience: 'https://elsewhere.example.com',
      scope: 'data:read',
    })
    const response = await post(ping, bearer(token))
    expect(response.status).toBe(401)
    expect(await response.text()).toMatch(/audience/)
  })

  it('is refused with its token in the address, and so is every parameter there', async () => {
    const inAddress = await post(ping, {}, `${door.mcp.url}?access_token=${key}`)
    expect([inAddress.status, await inAddress.text()]).toEqual([
      400,
      expect.stringContaining('credentials in an address'),
    ])
    const unknown = await post(ping, bearer(key), `${door.mcp.url}?read_only=true`)
    expect([unknown.status, await unknown.text()]).toEqual([400, expect.stringContaining('unknown parameter')])
  })
})

describe('an access token', () => {
  it('of a real provider, got by PKCE, reaches what its scopes say, and is told what it lacks', async () => {
    const token = await openId.token({ sub: 'alice-sub', audience: publicUrl, scope: 'data:read' })
    const client = await newClient(door.mcp.url, token)
    expect(read(await client.callTool({ name: 'query', arguments: { sql: 'select 1' } })).success).toBe(true)
    expect((await client.listTools()).tools.map(tool => tool.name)).not.toContain('provision_schema')
    await client.close()
    const call = {
      jsonrpc: '2.0',
      id: 2,
      method: 'tools/call',
      params: { name: 'provision_schema', arguments: { purpose: 'x' } },
    }
    const response = await post(call, bearer(token))
    expect(response.status).toBe(403)
    expect(response.headers.get('www-authenticate')).toMatch(
      /error="insufficient_scope", scope="data:read schema:provision", resource_metadata="/,
    )
  })

  it('of a user is taken from a host that is trusted, and from no other', async () => {
    const agent = await door.key('acme', 'agent', 'viewer')
    const token = await openId.token({ sub: 'alice-sub', audience: 'https://agent.example.com', scope: 'data:read' })
    const asked = async (host: string) => {
      const client = await newClient(door.mcp.url, host)
      try {
        return read(
          await client.callTool({ name: 'query', arguments: { sql: 'select 1' }, _meta: { authorization: token } }),
        )
      } finally {
        await client.close()
      }
    }
    expect((await asked(agent)).success).toBe(true)
    expect(door.world.records.findLast(({ kind }) => kind === 'tool-call')).toMatchObject({ principal: 'alice@acme' })
    await expect(asked(key)).rejects.toThrow()
  })
})

describe('a request', () => {
  it('from a page that is not ours, or under a name that is not, is refused before anything is read', async () => {
    expect((await post(ping, { ...bearer(key), Origin: 'https://evil.example' })).status).toBe(403)
    expect((await post(ping, { ...bearer(key), Origin: 'null' })).status).toBe(403)
    expect((await post(ping, { ...bearer(key), Origin: 'https://mcp.example.com' })).status).toBe(400) // no session
    expect(await statusUnder('evil.example')).toBe(403)
    expect(await statusUnder('mcp.example.com')).toBe(401)
  })

  it('that is too long, no JSON, of another type or of several messages is refused', async () => {
    expect((await post({ ...ping, params: { x: 'x'.repeat(20_000) } }, bearer(key))).status).toBe(413)
    expect((await post('{', bearer(key))).status).toBe(400)
    expect((await post(ping, { ...bearer(key), 'Content-Type': 'text/plain' })).status).toBe(415)
    expect((await post([ping, ping], bearer(key))).status).toBe(400)
  })

  it('from a page of ours may be asked about first', async () => {
    const asked = (origin: string) =>
      fetch(door.mcp.url, { method: 'OPTIONS', headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' } })
    const allowed = await asked('https://mcp.example.com')
    expect(allowed.status).toBe(204)
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://mcp.example.com')
    expect((await asked('https://evil.example')).status).toBe(403)
  })

  it('for the health of the door needs nobody', async () => {
    expect(await (await fetch(`${new URL(door.mcp.url).origin}/healthz`)).text()).toBe('ok')
  })
})

function statusUnder(host: string): Promise<number> {
  const { port } = new URL(door.mcp.url)
  return new Promise((resolve, reject) => {
    const asked = request({
      host: '127.0.0.1',
      port,
      path: '/mcp',
      method: 'POST',
      headers: { Host: host, 'Content-Type': 'application/json' },
    })
    asked.on('response', response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    asked.on('error', reject)
    asked.end('{}')
  })
}

describe('a session of 2025', () => {
  it('is its principal’s alone: to others it does not exist', async () => {
    const id = await begin(key)
    expect(await inSession(id, key)).toBe(200)
    expect(await inSession(id, await door.key('acme', 'bob', 'admin'))).toBe(404)
    expect(await inSession(id, await door.key('globex', 'carol', 'admin'))).toBe(404)
    expect(await inSession('never-was', key)).toBe(404)
  })

  it('goes on at another instance, which tells the two apart as well', async () => {
    const id = await begin(key)
    const other = await door.another()
    expect(await inSession(id, await door.key('acme', 'bob', 'admin'), other.url)).toBe(404)
    const both = await Promise.all([inSession(id, key, other.url), inSession(id, key, other.url)])
    expect(both).toEqual([200, 200])
  })

  it('is gone once it was ended, everywhere', async () => {
    const id = await begin(key)
    const ended = await fetch(door.mcp.url, { method: 'DELETE', headers: { ...bearer(key), 'Mcp-Session-Id': id } })
    expect(ended.status).toBe(200)
    expect(await inSession(id, key)).toBe(404)
    expect(await inSession(id, key, (await door.another()).url)).toBe(404)
  })

  it('gives way to newer ones of the same principal', async () => {
    const crowd = await door.key('acme', 'crowd', 'viewer')
    for (let n = 0; n < 5; n += 1) await begin(crowd)
    expect(door.mcp.sessions().filter(about => about.credential?.startsWith('key:')).length).toBeGreaterThan(0)
    const mine = new Set(door.mcp.sessions().map(about => about.principalId))
    for (const id of mine)
      expect(door.mcp.sessions().filter(about => about.principalId === id).length).toBeLessThanOrEqual(3)
  })

  it('and every call of a principal whose access was withdrawn ends', async () => {
    const client = await oldClient(door.mcp.url, key)
    const { credential } = door.mcp.sessions().at(-1)!
    door.mcp.end(
      about => about.credential === credential,
      new SqlError({ code: '57P01', message: 'your access was withdrawn' }),
    )
    expect(door.mcp.sessions().some(about => about.credential === credential)).toBe(false)
    await client.close()
  })
})

describe('a conversation', () => {
  it('is told how to go about it, by the server and by its tenant', async () => {
    const client = await plainClient(door.mcp.url, key)
    expect(client.getInstructions()).toMatch(/^Postern gives read-only SQL/)
    expect(client.getServerVersion()).toMatchObject({ name: 'postern' })
    expect((await client.listPrompts()).prompts.map(prompt => prompt.name)).toEqual([
      'explore-database',
      'answer-with-sql',
      'diagnose-refusal',
    ])
    expect(
      (await client.getPrompt({ name: 'answer-with-sql', arguments: { question: 'How many?' } })).messages,
    ).toHaveLength(1)
    expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(3)
    const completed = await client.complete({
      ref: { type: 'ref/prompt', name: 'explore-database' },
      argument: { name: 'database', value: 'c' },
    })
    expect(completed.completion.values).toEqual(['crm'])
    await client.close()
  })
})

describe('the door', () => {
  it('does not listen beyond this machine where tokens would travel in the clear', () => {
    expect(() => checkListening({ host: '0.0.0.0', publicUrl: null })).toThrow(/not served beyond this machine/)
    expect(() => checkListening({ host: '0.0.0.0', publicUrl: 'https://mcp.example.com/mcp' })).not.toThrow()
    expect(() => checkListening({ host: '127.0.0.1', publicUrl: null })).not.toThrow()
  })
})
