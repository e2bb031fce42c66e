/** Sessions of the protocol of 2025, and requests of nobody: what strangers and one's own narrower keys can make of them. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, openDoor } from '../mcp/door.ts'

const sessionsPerPrincipalMax = 3

let door: Door
let alice: string
let narrow: string
let bob: string

beforeAll(async () => {
  door = await openDoor({ tenants: ['acme'], settings: { sessionsPerPrincipalMax } })
  alice = await door.key('acme', 'alice', 'analyst')
  narrow = await door.key('acme', 'alice', 'analyst', ['data:read'])
  bob = await door.key('acme', 'bob', 'analyst')
}, 60_000)
afterAll(async () => {
  await door.close()
  expect(door.faults).toEqual([])
})

async function post(token: string, message: object, session?: string) {
  const response = await fetch(door.mcp.url, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...(session === undefined ? {} : { 'Mcp-Session-Id': session }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
  })
  return { status: response.status, text: await response.text(), session: response.headers.get('mcp-session-id') ?? '' }
}

const initialize = (name = 'raw') => ({
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name, version: '1' } },
})

async function stored(): Promise<{ readonly count: number; readonly bytes: number }> {
  const { rows } = await door.world.control.owner.query(
    'select count(*)::int, coalesce(sum(length(initialize::text)), 0)::int as bytes from postern.mcp_session',
  )
  return rows[0]
}

describe('sessions', () => {
  it('are counted however fast they are begun, and leave nothing behind', async () => {
    await Promise.all(Array.from({ length: 12 }, () => post(alice, initialize())))
    expect(door.mcp.sessions().length).toBeLessThanOrEqual(sessionsPerPrincipalMax)
    await post(alice, initialize())
    expect((await stored()).count).toBeLessThanOrEqual(sessionsPerPrincipalMax)
  })

  it('begin with a few words', async () => {
    const before = await stored()
    expect((await post(bob, initialize('x'.repeat(1_000_000)))).status).toBe(400)
    expect(await stored()).toEqual(before)
  })

  it('keep nothing of what came beside their beginning: a user’s token may', async () => {
    const { params, ...message } = initialize()
    await post(bob, { ...message, params: { ...params, _meta: { 'x/note': 'SECRET-BESIDE' }, token: 'SECRET-BESIDE' } })
    const { rows } = await door.world.control.owner.query('select initialize::text from postern.mcp_session')
    expect(JSON.stringify(rows)).not.toContain('SECRET-BESIDE')
  })

  it('have ids that nobody chooses but the server', async () => {
    expect((await post(bob, initialize(), 'chosen-by-me')).status).toBe(404)
  })

  it('are their principal’s, and reach as far as the key of each request', async () => {
    const { session } = await post(alice, initialize())
    const end = await fetch(door.mcp.url, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${bob}`, 'Mcp-Session-Id': session },
    })
    expect(end.status).toBe(404)
    expect((await post(bob, { id: 2, method: 'tools/list' }, session)).status).toBe(404)
    const provisions = '"name":"provision_schema"'
    expect((await post(alice, { id: 3, method: 'tools/list' }, session)).text).toContain(provisions)
    expect((await post(narrow, { id: 4, method: 'tools/list' }, session)).text).not.toContain(provisions)
    const params = { name: 'provision_schema', arguments: { purpose: 'wide' } }
    expect((await post(narrow, { id: 5, method: 'tools/call', params }, session)).text).toContain('PERMISSION_DENIED')
  })
})

describe('a request of nobody', () => {
  it('is answered without waiting for what it holds', async () => {
    const { hostname, port, pathname } = new URL(door.mcp.url)
    const status = await new Promise(resolve => {
      const asked = request({ hostname, port, path: pathname, method: 'POST', agent: false }, response => {
        resolve(response.statusCode)
        asked.destroy()
      })
      asked.on('error', () => {})
      asked.setHeader('content-type', 'application/json')
      asked.setHeader('content-length', 1_000_000)
      asked.write('{"jsonrpc":')
    })
    expect(status).toBe(401)
  }, 5_000)

  it('whose key is none leaves a record of it, and nothing of the key', async () => {
    door.world.records.length = 0
    const key = `pk_${'0'.repeat(32)}_${'K'.repeat(43)}`
    expect((await post(key, { id: 1, method: 'ping' })).status).toBe(401)
    expect((await post(bob, { id: 1, method: 'tools/list', params: { _meta: { authorization: key } } })).status).toBe(
      401,
    )
    expect(door.world.records).toMatchObject([
      { kind: 'login', door: 'mcp', verdict: 'refused', sqlstate: '28000', address: '127.0.0.1' },
      { kind: 'login', door: 'mcp', verdict: 'refused', sqlstate: '28000', address: '127.0.0.1' },
    ])
    expect(JSON.stringify(door.world.records)).not.toContain('K'.repeat(43))
  })
})
