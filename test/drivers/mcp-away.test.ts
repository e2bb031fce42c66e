/** Agents' hosts that are killed, servers that are, and instances that come and go under a client. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { read } from '../mcp/door.ts'
import { libraries } from './mcp-speakers.ts'
import { type AgentWorld, endless, type Instance, openAgentWorld } from './mcp-world.ts'
import { start } from './process.ts'

const startMaxMs = 120_000

let world: AgentWorld
let instance: Instance

beforeAll(async () => {
  world = await openAgentWorld()
  instance = await world.instance()
}, startMaxMs)

afterAll(() => world?.close())

const isRunning = (mark: string) => expect.poll(() => world.runs(mark), { timeout: 20_000, interval: 20 }).toBe(true)
const isGone = (mark: string, timeout: number) =>
  expect.poll(() => world.runs(mark), { timeout, interval: 20 }).toBe(false)

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe.each(libraries.map(([name, connect], library) => ({ name, connect, library })))(
  '$name',
  ({ connect, library }) => {
    it.each(['HTTP', 'standard input'] as const)(
      'killed in the middle of a query leaves nothing running (%s)',
      async transport => {
        const mark = `killed_${library}_${transport.slice(0, 4).toLowerCase()}`
        const user = await world.user(mark)
        const place = transport === 'HTTP' ? user.http(instance.url) : user.stdio
        const HOST = JSON.stringify({ library, place, sql: endless(mark) })
        const host = start(process.execPath, [join(import.meta.dirname, 'mcp-dying.ts')], { environment: { HOST } })
        let said = ''
        host.process.stdout?.on('data', (chunk: Buffer) => {
          said += chunk.toString()
        })
        await isRunning(mark)
        host.process.kill('SIGKILL')
        await host.ended
        await isGone(mark, 1_000)
        const server = Number(said)
        if (server !== 0) await expect.poll(() => isAlive(server), { timeout: 5_000 }).toBe(false)
      },
      startMaxMs,
    )

    it(
      'whose server was killed in the middle of a query leaves nothing running',
      async () => {
        const mark = `orphaned_${library}`
        const host = await connect((await world.user(mark)).stdio)
        const asked = expect(host.call('query', { sql: endless(mark) })).rejects.toThrow()
        await isRunning(mark)
        process.kill(host.pid() ?? 0, 'SIGKILL')
        await asked
        await isGone(mark, 5_000)
        await host.close()
      },
      startMaxMs,
    )
  },
)

it(
  'clients go from instance to instance, and go on when one has ended',
  async () => {
    const other = await world.instance()
    const urls = [instance.url, other.url]
    let turn = 0
    const balanced: typeof fetch = (_input, init) => {
      turn += 1
      return fetch(urls[turn % urls.length]!, init)
    }
    const wanderer = { ...(await world.user('wanderer')).http(instance.url), fetch: balanced }
    const hosts = await Promise.all(libraries.map(([, connect]) => connect(wanderer)))
    for (const host of hosts) {
      for (let n = 0; n < 6; n += 1) {
        const answer = read(await host.call('query', { sql: `select ${n} as n` }))
        expect(answer.data).toMatchObject({ rows: [[n]] })
      }
    }
    urls.pop()
    await other.stop()
    for (const host of hosts) {
      expect(read(await host.call('query', { sql: 'select 1' })).success).toBe(true)
      await host.close()
    }
  },
  startMaxMs,
)
