/** `postern mcp` as a host starts it: a process of its own, spoken to on standard input and output. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { setUserDisabled } from '../../src/control/users.ts'
import { type Door, openDoor, read } from './door.ts'

const startMaxMs = 120_000

let door: Door
let key: string
let dataDir: string
let environment: Record<string, string>
const closers: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  door = await openDoor()
  await door.world.seed('acme', 'create table crm.big as select generate_series(1, 5000) as id')
  key = await door.key('acme', 'alice', 'analyst')
  dataDir = mkdtempSync(join(tmpdir(), 'postern-stdio-'))
  environment = {
    PATH: process.env.PATH ?? '',
    POSTERN_CONTROL_URL: door.world.control.database.url,
    POSTERN_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    POSTERN_DATA_DIR: dataDir,
  }
}, 60_000)

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

afterAll(async () => {
  rmSync(dataDir, { recursive: true, force: true })
  await door.close()
})

const command = process.execPath
const launcher = join(import.meta.dirname, '../../bin/postern.mjs')
const argsOf = (args: readonly string[]) => [launcher, 'mcp', ...args]

async function start(args: readonly string[], env: Record<string, string> = {}, auto = true): Promise<Client> {
  const client = new Client({ name: 'host', version: '1' }, auto ? { versionNegotiation: { mode: 'auto' } } : {})
  const transport = new StdioClientTransport({
    command,
    args: argsOf(args),
    env: { ...environment, ...env },
    stderr: 'ignore',
  })
  await client.connect(transport)
  closers.push(() => client.close())
  return client
}

async function query(client: Client, sql: string, more: Record<string, unknown> = {}) {
  return read(await client.callTool({ name: 'query', arguments: { sql }, ...more }))
}

describe('a host', () => {
  it.each([
    ['2026', true],
    ['2025', false],
  ])(
    'of %s speaks in the name of the user it was started for',
    async (_era, auto) => {
      const client = await start(['--principal', 'alice@acme', '--tools', 'extended'], {}, auto)
      expect((await client.listTools()).tools.map(tool => tool.name)).toContain('explain_query')
      expect(await query(client, 'select current_database() is not null as here')).toMatchObject({
        success: true,
        tenant_id: 'acme',
        data: { rows: [[true]] },
      })
      expect((await query(client, 'selec')).error).toMatchObject({ code: 'SYNTAX_ERROR' })
      const { data } = read(await client.callTool({ name: 'explain_query', arguments: { sql: 'select * from big' } }))
      expect(data?.plan).toContain('Seq Scan on big')
    },
    startMaxMs,
  )

  it(
    'with the library of before is served as well',
    async () => {
      const client = new OldClient({ name: 'old', version: '1' })
      await client.connect(
        new OldStdio({ command, args: argsOf(['--principal', 'alice@acme']), env: environment, stderr: 'ignore' }),
      )
      closers.push(() => client.close())
      expect(read(await client.callTool({ name: 'list_databases', arguments: {} })).data).toMatchObject({
        databases: [{ alias: 'crm' }],
      })
    },
    startMaxMs,
  )

  it(
    'with a token speaks in the name of its owner, as far as it reaches',
    async () => {
      const narrow = await door.key('acme', 'alice', 'analyst', ['schema:provision'])
      const client = await start([], { POSTERN_MCP_TOKEN: narrow })
      expect((await client.listTools()).tools.map(tool => tool.name)).toEqual(['provision_schema', 'teardown_schema'])
      const named = await start(['--token-env', 'MY_KEY'], { MY_KEY: key })
      expect((await query(named, 'select 1')).success).toBe(true)
    },
    startMaxMs,
  )

  it(
    'that answers for its users sends their tokens, and speaks for nobody without',
    async () => {
      const client = await start(['--pass-through'])
      expect(await query(client, 'select 1', { _meta: { authorization: key } })).toMatchObject({
        success: true,
        tenant_id: 'acme',
      })
      const globex = await door.key('globex', 'carol', 'viewer')
      expect(await query(client, 'select 1', { _meta: { authorization: `Bearer ${globex}` } })).toMatchObject({
        tenant_id: 'globex',
      })
      expect((await query(client, 'select 1')).error).toMatchObject({ code: 'PERMISSION_DENIED' })
      const plain = await start(['--principal', 'alice@acme'])
      expect((await query(plain, 'select 1', { _meta: { authorization: globex } })).error).toMatchObject({
        code: 'PERMISSION_DENIED',
        hint: expect.stringContaining('--pass-through'),
      })
    },
    startMaxMs,
  )

  it(
    'cancels, and the database hears of it',
    async () => {
      const client = await start(['--principal', 'alice@acme'])
      const watcher = new pg.Client({ connectionString: door.world.control.database.url })
      await watcher.connect()
      closers.push(() => watcher.end())
      const running = async () => {
        const { rowCount } = await watcher.query(
          "select from pg_stat_activity where state = 'active' and query like '%as idly%' and pid <> pg_backend_pid()",
        )
        return rowCount === 1
      }
      const stop = new AbortController()
      const call = client.callTool(
        {
          name: 'query',
          arguments: { sql: 'select count(*) as idly from big a, big b, big c where a.id + b.id + c.id < 0' },
        },
        { signal: stop.signal },
      )
      const failed = expect(call).rejects.toThrow()
      await expect.poll(running, { timeout: 10_000, interval: 10 }).toBe(true)
      stop.abort('enough')
      await failed
      await expect.poll(running, { timeout: 1_000, interval: 10 }).toBe(false)
      expect((await query(client, 'select 1')).success).toBe(true)
    },
    startMaxMs,
  )

  it(
    'is refused as soon as its user is',
    async () => {
      await door.key('acme', 'leaver', 'viewer')
      const client = await start(['--principal', 'leaver@acme'])
      expect((await query(client, 'select 1')).success).toBe(true)
      await setUserDisabled(door.world.control.administration, { tenant: 'acme', login: 'leaver' }, true)
      await expect
        .poll(async () => (await query(client, 'select 1')).success, { timeout: 3_000, interval: 50 })
        .toBe(false)
    },
    startMaxMs,
  )
})

describe('the process', () => {
  it(
    'ends by itself when its standard input is closed, and writes nothing but the protocol',
    async () => {
      const ended = await run(['--principal', 'alice@acme'], '{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
      expect(ended.code).toBe(0)
      expect(
        ended.output
          .trim()
          .split('\n')
          .map(line => JSON.parse(line)),
      ).toEqual([expect.objectContaining({ jsonrpc: '2.0', id: 1 })])
      expect(ended.errors).toContain('serving MCP')
    },
    startMaxMs,
  )

  it.each([
    [[], 2, /in whose name\?/],
    [['--principal', 'nobody@acme'], 1, /no user "nobody"/],
    [['--token-env', 'NOT_SET'], 2, /NOT_SET is not set/],
  ])(
    'with %j ends with %i',
    async (args, code, message) => {
      const ended = await run(args, '')
      expect(ended.code).toBe(code)
      expect(ended.output).toBe('')
      expect(ended.errors).toMatch(message)
    },
    startMaxMs,
  )
})

function run(args: readonly string[], input: string): Promise<{ code: number | null; output: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, argsOf(args), { env: environment })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk
      if (output.includes('\n')) child.stdin.end()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk
    })
    child.on('error', reject)
    child.on('exit', code => resolve({ code, output, errors }))
    child.stdin.on('error', () => {})
    if (input !== '') child.stdin.write(input)
  })
}
