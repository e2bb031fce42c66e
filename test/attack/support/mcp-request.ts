/** Requests of the protocol of 2026 written by hand, so that anything can stand in them. */
import { z } from 'zod'

const version = '2026-07-28'
const client = {
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientInfo': { name: 'attacker', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

const messageSchema = z
  .object({ result: z.unknown(), error: z.object({ code: z.number(), message: z.string() }) })
  .partial()

export interface Answered {
  readonly status: number
  readonly json: z.output<typeof messageSchema>
  /** Of the body. */
  readonly bytes: number
}

let requests = 0

/** @param fields of params, as JSON, without braces */
async function post(
  url: string,
  token: string,
  method: string,
  name: string | undefined,
  fields: string,
  meta: object,
) {
  const body = `{"jsonrpc":"2.0","id":${++requests},"method":"${method}","params":{${fields}${fields === '' ? '' : ','}"_meta":${JSON.stringify({ ...client, ...meta })}}}`
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': version,
      'Mcp-Method': method,
      ...(name === undefined ? {} : { 'Mcp-Name': name }),
    },
    body,
  })
  const text = await response.text()
  const json = text.startsWith('{') ? text : (text.split('data: ').at(-1) ?? '')
  return { status: response.status, json: messageSchema.parse(JSON.parse(json)), bytes: Buffer.byteLength(text) }
}

/** @param args a text is JSON as it stands */
export function callTool(
  url: string,
  token: string,
  tool: string,
  args: Readonly<Record<string, unknown>> | string,
  meta: object = {},
): Promise<Answered> {
  const json = typeof args === 'string' ? args : JSON.stringify(args)
  return post(url, token, 'tools/call', tool, `"name":"${tool}","arguments":${json}`, meta)
}

export function readResource(url: string, token: string, uri: string): Promise<Answered> {
  return post(url, token, 'resources/read', uri, `"uri":${JSON.stringify(uri)}`, {})
}

export function complete(
  url: string,
  token: string,
  argument: string,
  given: Readonly<Record<string, string>>,
): Promise<Answered> {
  const ref = { type: 'ref/resource', uri: 'postern://{database}/{schema}/{table}' }
  const fields = { ref, argument: { name: argument, value: '' }, context: { arguments: given } }
  return post(url, token, 'completion/complete', undefined, JSON.stringify(fields).slice(1, -1), {})
}
