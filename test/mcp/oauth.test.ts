/** Agents' libraries that find the identity provider by themselves, log their user in there, and come back. */
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { UnauthorizedError as OldUnauthorized } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { linkIdentity } from '../../src/control/identities.ts'
import { issuerOptions } from '../identity/fixture.ts'
import { type OpenId, startOpenId } from '../support/openid.ts'
import { type Door, openDoor, read } from './door.ts'
import { OAuthHost } from './oauth-host.ts'

let openId: OpenId
let door: Door
/** What the libraries fetched since the test began. */
const fetched: string[] = []
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  openId = await startOpenId()
  door = await openDoor({
    settings: { authorizationServers: [openId.issuer] },
    issuers: [issuerOptions({ issuer: openId.issuer, discovery: true, cacheMs: 1_000 })],
    identity: { times: { jwksCooldownMs: 1 } },
  })
  await door.world.user('acme', 'alice', 'analyst')
  const alice = { tenant: 'acme', login: 'alice' }
  await linkIdentity(door.world.control.administration, alice, { issuer: openId.issuer, subject: 'alice-sub' })
}, 60_000)

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  fetched.length = 0
})

afterAll(async () => {
  await door.close()
  await openId.close()
  expect(door.faults).toEqual([])
})

const noted: typeof fetch = async (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input)
  const response = await fetch(input, init)
  fetched.push(`${response.status} ${url.href}`)
  return response
}

interface Agent {
  call(name: string, args: Record<string, unknown>): Promise<ReturnType<typeof read>>
  tools(): Promise<readonly string[]>
}

type Start = (host: OAuthHost) => Promise<Agent>

/** Connects; where the user has to log in first, once more when he has. */
const startNew =
  (auto: boolean, url = ''): Start =>
  async host => {
    const transport = () =>
      new StreamableHTTPClientTransport(new URL(url === '' ? door.mcp.url : url), { authProvider: host, fetch: noted })
    const client = () =>
      new Client({ name: 'agent', version: '1' }, auto ? { versionNegotiation: { mode: 'auto' } } : {})
    let through = transport()
    let agent = client()
    const loggedIn = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof UnauthorizedError)) throw error
        await through.finishAuth(host.answered)
        return await work()
      }
    }
    await loggedIn(async () => {
      if (host.asked.length > 0) [agent, through] = [client(), transport()]
      await agent.connect(through)
    })
    closers.push(() => agent.close())
    return {
      call: async (name, args) => read(await loggedIn(() => agent.callTool({ name, arguments: args }))),
      tools: async () => (await agent.listTools()).tools.map(({ name }) => name),
    }
  }

const startOld: Start = async host => {
  const transport = () => new OldTransport(new URL(door.mcp.url), { authProvider: host, fetch: noted })
  const client = () => new OldClient({ name: 'agent', version: '1' })
  let through = transport()
  let agent = client()
  const loggedIn = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof OldUnauthorized)) throw error
      await through.finishAuth(host.answered.get('code') ?? '')
      return await work()
    }
  }
  await loggedIn(async () => {
    if (host.asked.length > 0) [agent, through] = [client(), transport()]
    await agent.connect(through)
  })
  closers.push(() => agent.close())
  return {
    call: async (name, args) => read(await loggedIn(() => agent.callTool({ name, arguments: args }))),
    tools: async () => (await agent.listTools()).tools.map(({ name }) => name),
  }
}

const libraries: readonly (readonly [string, Start])[] = [
  ['the client of 2026', startNew(true)],
  ['the client of 2026 in the protocol of 2025', startNew(false)],
  ['the client of 2025', startOld],
]

const everySoOften = { timeout: 5_000, interval: 200 }
const query = { sql: 'select 1 as one' }

describe.each(libraries)('%s', (_name, start) => {
  it('finds the provider, lets its user log in, and asks for no more than it needs until it needs more', async () => {
    const host = new OAuthHost('alice-sub')
    const agent = await start(host)
    const { origin } = new URL(door.mcp.url)
    expect(fetched.slice(0, 2)).toEqual([
      `401 ${door.mcp.url}`,
      `200 ${origin}/.well-known/oauth-protected-resource/mcp`,
    ])
    expect(fetched).toContain(`200 ${openId.issuer}/token`)
    expect(host.asked).toEqual([{ scope: 'data:read', resource: door.mcp.url, challenge: 'S256' }])
    expect(await agent.call('query', query)).toMatchObject({ success: true, tenant_id: 'acme' })
    const made = await agent.call('provision_schema', { purpose: 'wider' })
    expect(made).toMatchObject({ success: true })
    expect(host.asked).toHaveLength(2)
    expect(host.asked[1]).toMatchObject({ scope: 'data:read schema:provision', resource: door.mcp.url })
    expect(await agent.tools()).toContain('provision_schema')
  })

  it.each([
    ['is for another audience', () => openId.token({ sub: 'alice-sub', audience: 'https://elsewhere.example/mcp' })],
    [
      'has expired',
      () => openId.sign({ sub: 'alice-sub', aud: door.mcp.url, exp: Math.floor(Date.now() / 1000) - 60 }),
    ],
    ['is of nobody here', () => openId.token({ sub: 'stranger', audience: door.mcp.url, scope: 'data:read' })],
  ])('whose stored token %s logs its user in anew', async (_what, stored) => {
    const host = new OAuthHost('alice-sub', await stored())
    const agent = await start(host)
    expect(fetched[0]).toBe(`401 ${door.mcp.url}`)
    expect(host.asked).toHaveLength(1)
    expect(await agent.call('query', query)).toMatchObject({ success: true })
  })

  it('logs its user in anew when the provider has changed its key', async () => {
    const host = new OAuthHost('alice-sub')
    const agent = await start(host)
    expect(await agent.call('query', query)).toMatchObject({ success: true })
    await openId.rotateKeys()
    const other = await start(new OAuthHost('alice-sub'))
    expect(await other.call('query', query)).toMatchObject({ success: true })
    await expect
      .poll(async () => [(await agent.call('list_databases', {})).success, host.asked.length], everySoOften)
      .toEqual([true, 2])
  })
})

describe('claims that nobody mapped', () => {
  it('grant nothing and change nothing', async () => {
    const claims = {
      role: 'admin',
      roles: ['admin'],
      scp: 'admin',
      permissions: ['admin'],
      tenant: 'globex',
      groups: ['operator'],
    }
    openId.users.set('alice-sub', { claims })
    const agent = await startNew(true)(new OAuthHost('alice-sub'))
    openId.users.delete('alice-sub')
    expect(await agent.call('query', query)).toMatchObject({ success: true, tenant_id: 'acme' })
    expect(await agent.tools()).not.toContain('configure_pipeline')
  })
})

describe('a step up', () => {
  it('ends where the role ends: what its user may not do no token gives', async () => {
    const host = new OAuthHost('alice-sub')
    const agent = await startNew(true)(host)
    expect((await agent.call('configure_pipeline', { pipeline: 'x', knobs: {} })).error).toMatchObject({
      code: 'PERMISSION_DENIED',
      message: 'configure_pipeline needs the scope materialize:configure',
    })
    expect(host.asked).toHaveLength(1)
  })
})

describe('a token that can be called back', () => {
  it('is refused once it was, and its user logs in anew', async () => {
    const opaque = await startOpenId()
    const byIntrospection = issuerOptions({
      issuer: opaque.issuer,
      introspection: { endpoint: opaque.client.introspection, clientId: opaque.client.id, clientSecretFile: null },
      cacheMs: 0,
    })
    const other = await openDoor({
      settings: { authorizationServers: [opaque.issuer] },
      issuers: [byIntrospection],
      identity: { clientSecrets: new Map([[opaque.issuer, opaque.client.secret]]) },
    })
    closers.push(other.close, opaque.close)
    await other.world.user('acme', 'alice', 'analyst')
    const alice = { tenant: 'acme', login: 'alice' }
    await linkIdentity(other.world.control.administration, alice, { issuer: opaque.issuer, subject: 'alice-sub' })
    opaque.issueOpaque(other.mcp.url)
    const host = new OAuthHost('alice-sub')
    const agent = await startNew(true, other.mcp.url)(host)
    expect(await agent.call('query', query)).toMatchObject({ success: true })
    const token = host.stored?.access_token ?? ''
    expect(token).not.toContain('.')
    await opaque.revoke(token)
    await expect
      .poll(async () => [(await agent.call('list_databases', {})).success, host.asked.length], everySoOften)
      .toEqual([true, 2])
    expect(host.stored?.access_token).not.toBe(token)
  })
})
