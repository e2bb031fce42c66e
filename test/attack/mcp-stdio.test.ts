/** What a host says on standard input beside what its process was started for. */
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { Principal } from '../../src/identity/principal.ts'
import { type StdioDoor, startStdio } from '../../src/mcp/stdio.ts'
import { derive } from '../mcp/door.ts'
import { openWorld, type World } from '../mcp-tools/world.ts'

let world: World
let door: StdioDoor
const input = new PassThrough()
const output = new PassThrough()

beforeAll(async () => {
  world = await openWorld(['acme', 'globex'])
  const alice: Principal = await world.user('acme', 'alice', 'analyst')
  const log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => log }
  const parts = {
    config: world.config.mcp,
    services: world.services,
    control: world.control.service,
    derive,
    audit: { append: () => {}, flush: () => {}, healthy: true },
    log,
    version: '0.0.0',
  }
  door = await startStdio({ ...parts, authenticate: async () => alice, input, output }, alice)
  await ask('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  })
  input.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
}, 60_000)
afterAll(async () => {
  await door.close(0)
  await world.close()
})

const answerSchema = z.object({ id: z.number(), result: z.unknown().optional(), error: z.unknown().optional() })
let requests = 0

async function ask(method: string, params: object): Promise<string> {
  const id = ++requests
  input.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
  let held = ''
  for (;;) {
    const [chunk] = await new Promise<[Buffer]>(resolve => output.once('data', (...data: [Buffer]) => resolve(data)))
    held += chunk.toString()
    for (const line of held.split('\n').slice(0, -1)) if (answerSchema.parse(JSON.parse(line)).id === id) return line
  }
}

test('a call that names another tenant is refused, and never answered for its own', async () => {
  const call = (tenant: string) =>
    ask('tools/call', { name: 'list_databases', arguments: {}, _meta: { 'postern/tenant': tenant } })
  expect(await call('acme')).toContain('"success":true')
  for (const tenant of ['globex', 'nowhere', 'ACME']) expect(await call(tenant)).toContain('"sqlstate":"28000"')
  expect(await ask('tools/list', { _meta: { 'postern/tenant': 'globex' } })).toContain('"error"')
})
