/** Acts that cannot be undone: a person has to have agreed. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Door, newClient, openDoor, plainClient, read } from './door.ts'

let door: Door
let key: string
let users = 0
let purposes = 0
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  door = await openDoor()
}, 60_000)

/** A user has few schemas at once. */
beforeEach(async () => {
  users += 1
  key = await door.key('acme', `user${users}`, 'analyst')
})

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

afterAll(async () => {
  await door.close()
  expect(door.faults).toEqual([])
})

type Client = Awaited<ReturnType<typeof newClient>>
type Reply = { action: 'accept'; content: Record<string, string> } | { action: 'decline' | 'cancel' }

async function provision(client: Client): Promise<string> {
  purposes += 1
  const answer = read(await client.callTool({ name: 'provision_schema', arguments: { purpose: `trial${purposes}` } }))
  expect(answer.success, answer.text).toBe(true)
  return String(answer.data?.schema)
}

async function teardown(client: Client, schema: string, more: Record<string, unknown> = {}) {
  return read(await client.callTool({ name: 'teardown_schema', arguments: { schema, ...more } }))
}

async function stands(client: Client, schema: string): Promise<boolean> {
  const { data } = read(await client.callTool({ name: 'list_schemas', arguments: {} }))
  return JSON.stringify(data).includes(`"${schema}"`)
}

describe.each([
  ['2026', newClient],
  ['2025', plainClient],
])('a host that can ask its user, in the protocol of %s', (_era, connect) => {
  async function asking(reply: (schema: string) => Reply) {
    const client = await connect(door.mcp.url, key, { capabilities: { elicitation: { form: {} } } })
    closers.push(() => client.close())
    const schema = await provision(client)
    const asked: string[] = []
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      asked.push(params.message)
      return reply(schema)
    })
    return { client, schema, asked }
  }

  it('asks, and what the user confirmed by its name is done', async () => {
    const { client, schema, asked } = await asking(name => ({ action: 'accept', content: { name } }))
    expect(await teardown(client, schema)).toMatchObject({ success: true, data: { schema } })
    expect(asked).toEqual([expect.stringContaining(schema)])
    expect(await stands(client, schema)).toBe(false)
  })

  it('does nothing where the user declined, or typed another name', async () => {
    const declined = await asking(() => ({ action: 'decline' }))
    expect((await teardown(declined.client, declined.schema)).error).toMatchObject({ code: 'CANCELLED' })
    const mistyped = await asking(() => ({ action: 'accept', content: { name: 'another' } }))
    expect((await teardown(mistyped.client, mistyped.schema)).error).toMatchObject({ code: 'CONFIRMATION_REQUIRED' })
    expect(await stands(declined.client, declined.schema)).toBe(true)
    expect(await stands(mistyped.client, mistyped.schema)).toBe(true)
  })
})

describe('a host that cannot ask', () => {
  async function silent() {
    const client = await plainClient(door.mcp.url, key)
    closers.push(() => client.close())
    return { client, schema: await provision(client) }
  }

  const codeIn = (text: string) => /confirmation_code "([A-Z\d]+)"/.exec(text)?.[1]

  it('gets a code that is good once, for these arguments and this caller', async () => {
    const { client, schema } = await silent()
    const first = await teardown(client, schema)
    expect(first.error).toMatchObject({ code: 'CONFIRMATION_REQUIRED', message: expect.stringContaining(schema) })
    const code = codeIn(first.text)
    const other = await silent()
    expect((await teardown(other.client, other.schema, { confirmation_code: code })).error).toMatchObject({
      code: 'CONFIRMATION_REQUIRED',
    })
    expect(await stands(client, schema)).toBe(true)
    expect(await teardown(client, schema, { confirmation_code: code })).toMatchObject({ success: true })
    expect(await stands(client, schema)).toBe(false)
    const again = await provision(client)
    expect((await teardown(client, again, { confirmation_code: code })).error).toMatchObject({
      code: 'CONFIRMATION_REQUIRED',
    })
  })

  it('cannot confirm by saying so, nor by a code that it made up', async () => {
    const { client, schema } = await silent()
    expect((await teardown(client, schema, { confirm: true })).error).toMatchObject({ code: 'VALIDATION_ERROR' })
    await teardown(client, schema)
    expect((await teardown(client, schema, { confirmation_code: 'ABCDEFGH' })).error).toMatchObject({
      code: 'CONFIRMATION_REQUIRED',
    })
    expect(await stands(client, schema)).toBe(true)
  })
})

describe('the state of a question', () => {
  const call = async (schema: string, more: Record<string, unknown>, token = key) => {
    const version = '2026-07-28'
    const response = await fetch(door.mcp.url, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${token}`,
        'Content-Type': 'application/json',
        Accept: 'application/json, text/event-stream',
        'MCP-Protocol-Version': version,
        'Mcp-Method': 'tools/call',
        'Mcp-Name': 'teardown_schema',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: {
          name: 'teardown_schema',
          arguments: { schema },
          _meta: {
            'io.modelcontextprotocol/protocolVersion': version,
            'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
            'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
          },
          ...more,
        },
      }),
    })
    return JSON.parse(await response.text()).result
  }

  it('is signed, bound to caller and arguments, and used once', async () => {
    const client = await plainClient(door.mcp.url, key)
    closers.push(() => client.close())
    const schema = await provision(client)
    const other = await provision(client)
    const question = await call(schema, {})
    expect(question).toMatchObject({ resultType: 'input_required', requestState: expect.any(String) })
    const answer = (name: string, requestState = question.requestState) => ({
      requestState,
      inputResponses: { confirm: { action: 'accept', content: { name } } },
    })
    const refused = { structuredContent: { error: { code: 'CONFIRMATION_REQUIRED' } } }
    expect(await call(other, answer(other))).toMatchObject(refused)
    expect(await call(schema, answer(schema, `${question.requestState.slice(0, -3)}AAA`))).toMatchObject(refused)
    const bob = await door.key('acme', 'bob', 'admin')
    expect(await call(schema, answer(schema), bob)).toMatchObject({ structuredContent: { success: false } })
    expect(await stands(client, schema)).toBe(true)
    expect(await call(schema, answer(schema))).toMatchObject({ structuredContent: { success: true } })
    const replayed = await provision(client)
    expect(await call(replayed, answer(replayed))).toMatchObject(refused)
  })
})
