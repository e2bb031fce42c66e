/** Calls beyond their answer: cancelled, watched, limited, recorded. */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Door, newClient, oldClient, openDoor, plainClient, read } from './door.ts'

let door: Door
let key: string
let watcher: pg.Client

beforeAll(async () => {
  door = await openDoor()
  await door.world.seed('acme', 'create table crm.big as select generate_series(1, 5000) as id')
  key = await door.key('acme', 'alice', 'analyst')
  watcher = new pg.Client({ connectionString: door.world.control.database.url })
  await watcher.connect()
}, 60_000)

afterAll(async () => {
  await watcher.end()
  await door.close()
  expect(door.faults).toEqual([])
})

afterEach(() => {
  door.world.records.length = 0
})

/** Nothing is allowed to sleep; this takes long enough. */
const slow = 'select count(*) as slowly from crm.big a, crm.big b, crm.big c where a.id + b.id + c.id < 0'

async function isRunning(): Promise<boolean> {
  const { rows } = await watcher.query(
    "select from pg_stat_activity where state = 'active' and query like '%slowly%' and pid <> pg_backend_pid()",
  )
  return rows.length > 0
}

async function until(condition: () => Promise<boolean>, withinMs: number): Promise<number> {
  const since = performance.now()
  while (!(await condition())) {
    if (performance.now() - since > withinMs) throw new Error(`not within ${withinMs} ms`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return performance.now() - since
}

describe('a call that is cancelled', () => {
  it.each([
    ['of 2026', newClient],
    ['of 2025', plainClient],
  ])('stops in the database within a second, in the protocol %s', async (_era, connect) => {
    const client = await connect(door.mcp.url, key)
    const stop = new AbortController()
    const call = client.callTool({ name: 'query', arguments: { sql: slow } }, { signal: stop.signal })
    const failed = call.then(
      () => false,
      () => true,
    )
    await until(isRunning, 5_000)
    stop.abort('enough')
    expect(await failed).toBe(true)
    await until(async () => !(await isRunning()), 1_000)
    await until(async () => door.world.records.some(({ kind }) => kind === 'tool-call'), 1_000)
    expect(door.world.records.find(({ kind }) => kind === 'tool-call')).toMatchObject({
      tool: 'query',
      reason: 'CANCELLED',
    })
    await client.close()
  })

  it('stops when its session ends, too', async () => {
    const client = await oldClient(door.mcp.url, key)
    const call = client.callTool({ name: 'query', arguments: { sql: slow } }).catch(() => undefined)
    await until(isRunning, 5_000)
    const { transport } = client
    if (transport !== undefined && 'terminateSession' in transport && typeof transport.terminateSession === 'function')
      await transport.terminateSession()
    await until(async () => !(await isRunning()), 1_000)
    await client.close()
    await call
  })

  it.each([
    ['2026-07-28', true],
    ['2025-11-25', false],
  ])('stops when the stream is closed, without a word (%s)', async (version, modern) => {
    const headers: Record<string, string> = {
      Authorization: `Bearer ${key}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': version,
    }
    const meta = modern
      ? {
          'io.modelcontextprotocol/protocolVersion': version,
          'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': {},
        }
      : {}
    if (modern) Object.assign(headers, { 'Mcp-Method': 'tools/call', 'Mcp-Name': 'query' })
    else headers['Mcp-Session-Id'] = await beginSession(headers)
    const stop = new AbortController()
    const body = {
      jsonrpc: '2.0',
      id: 7,
      method: 'tools/call',
      params: { name: 'query', arguments: { sql: slow }, _meta: meta },
    }
    const gone = fetch(door.mcp.url, { method: 'POST', headers, body: JSON.stringify(body), signal: stop.signal })
      .then(response => response.text())
      .catch(() => 'gone')
    await until(isRunning, 5_000)
    stop.abort()
    expect(await gone).toBe('gone')
    await until(async () => !(await isRunning()), 1_000)
  })
})

async function beginSession(headers: Record<string, string>): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
  const begun = await fetch(door.mcp.url, {
    method: 'POST',
    headers,
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
  })
  await begun.text()
  return begun.headers.get('mcp-session-id') ?? ''
}

describe('a call', () => {
  it('is in the audit log with its statement, under one request id, without what is secret', async () => {
    const client = await newClient(door.mcp.url, key)
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const answer = read(
      await client.callTool({ name: 'query', arguments: { sql: 'select 1 as one' }, _meta: { traceparent } }),
    )
    await client
      .callTool({ name: 'teardown_schema', arguments: { name: 'x', schema: 'x', confirmation_code: 'ABCDEFGH' } })
      .catch(() => undefined)
    await client.close()
    const calls = door.world.records.filter(({ kind }) => kind === 'tool-call')
    expect(calls[0]).toMatchObject({
      tool: 'query',
      principal: 'alice@acme',
      tenant: 'acme',
      database: 'crm',
      verdict: 'answered',
      credential: expect.stringMatching(/^key:/),
      traceId: '0af7651916cd43dd8448eb211c80319c',
      requestId: answer.request_id,
      applicationName: 'new 1',
      detail: { arguments: { sql: 'select 1 as one' } },
    })
    const statement = door.world.records.find(({ kind, text }) => kind === 'statement' && text === 'select 1 as one')
    expect(statement).toMatchObject({
      requestId: answer.request_id,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      door: 'mcp',
    })
    expect(JSON.stringify(calls[1])).not.toContain('ABCDEFGH')
  })

  it('of an unknown tool says which there are', async () => {
    const client = await plainClient(door.mcp.url, key)
    const answer = read(await client.callTool({ name: 'querry', arguments: {} }))
    expect(answer.error).toMatchObject({
      code: 'VALIDATION_ERROR',
      message: 'there is no tool "querry", did you mean "query"?',
    })
    await client.close()
  })

  it('goes where _meta says, and where its argument says otherwise, there', async () => {
    const client = await newClient(door.mcp.url, key)
    const inMeta = async (_meta: Record<string, unknown>, args: Record<string, unknown> = {}) =>
      read(await client.callTool({ name: 'query', arguments: { sql: 'select 1', ...args }, _meta }))
    expect(await inMeta({ 'postern/schema': 'odd' })).toMatchObject({ success: true, schema: 'odd' })
    expect(await inMeta({ 'postern/schema': 'odd' }, { schema: 'crm' })).toMatchObject({ schema: 'crm' })
    expect((await inMeta({ 'postern/database': 'other' })).error).toMatchObject({ code: 'NOT_FOUND' })
    expect((await inMeta({ 'postern/databse': 'crm' })).error).toMatchObject({
      code: 'VALIDATION_ERROR',
      message: expect.stringContaining('did you mean "postern/database"?'),
    })
    await client.close()
  })

  it('is limited by the minute, and told how long to wait', async () => {
    const limited = await newClient(door.mcp.url, await door.key('acme', 'busy', 'viewer'))
    const answers = []
    for (let n = 0; n < 61; n += 1)
      answers.push(read(await limited.callTool({ name: 'query', arguments: { sql: 'select 1' } })))
    expect(answers.slice(0, 60).every(({ success }) => success)).toBe(true)
    expect(answers[60]!.error).toMatchObject({
      code: 'RATE_LIMITED',
      sqlstate: '53400',
      retry_after_s: expect.any(Number),
    })
    await limited.close()
  })
})

describe('tools/list', () => {
  it('shows what the scopes allow', async () => {
    const viewer = await newClient(door.mcp.url, await door.key('acme', 'vic', 'viewer'))
    const narrowed = await plainClient(door.mcp.url, await door.key('acme', 'alice', 'analyst', ['schema:provision']))
    const names = async (client: typeof viewer) => (await client.listTools()).tools.map(tool => tool.name)
    expect(await names(viewer)).toContain('query')
    expect(await names(viewer)).not.toContain('provision_schema')
    expect(await names(narrowed)).toEqual(['provision_schema', 'teardown_schema'])
    const refused = read(await narrowed.callTool({ name: 'query', arguments: { sql: 'select 1' } }))
    expect(refused.error).toMatchObject({ code: 'PERMISSION_DENIED', message: 'query needs the scope data:read' })
    await viewer.close()
    await narrowed.close()
  })
})

describe('an answer', () => {
  it('matches the published schema, failures too: the client checks it', async () => {
    const client = await plainClient(door.mcp.url, key)
    await client.listTools()
    expect(read(await client.callTool({ name: 'list_databases', arguments: {} })).data).toMatchObject({
      databases: [{ alias: 'crm' }],
    })
    expect(read(await client.callTool({ name: 'query', arguments: { sql: 'select 1' } })).success).toBe(true)
    expect(read(await client.callTool({ name: 'query', arguments: { sql: 'selec' } })).success).toBe(false)
    await client.close()
  })
})
