/** The Python SDK, in both protocols, over both transports. TEST_PYTHON is a Python that has it, and psycopg. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { addConnector } from '../../src/control/connectors.ts'
import { calls, mistakes } from './mcp-calls.ts'
import type { Place } from './mcp-speakers.ts'
import { type AgentWorld, endless, type Instance, openAgentWorld, startLoading } from './mcp-world.ts'
import { isHere, type Running, run, start } from './process.ts'

const startMaxMs = 120_000
const python = process.env.TEST_PYTHON ?? ''
if (python === '') console.log('TEST_PYTHON names no Python: mcp is not tried')
const here = python !== '' && isHere('mcp', python, ['-c', 'import mcp, psycopg'])
const source = fileURLToPath(new URL('python/mcp_checks.py', import.meta.url))
const checks = [...readFileSync(source, 'utf8').matchAll(/^async def (it_\w+)/gm)].map(found => found[1]!)
const lineSchema = z.strictObject({ check: z.string(), error: z.string().nullable() })

describe.skipIf(!here)('the Python SDK', () => {
  let world: AgentWorld
  let instance: Instance
  let loading: { readonly url: string; readonly process: Running }

  beforeAll(async () => {
    world = await openAgentWorld()
    await addConnector(world.door.world.control.administration, { tenant: 'acme', name: 'webshop', type: 'shop' })
    instance = await world.instance()
    loading = await startLoading(world)
  }, startMaxMs)

  afterAll(async () => {
    loading?.process.process.kill('SIGINT')
    await loading?.process.ended
    await world?.close()
  })

  const environmentOf = (mark: string, place: object) => ({
    PLACE: JSON.stringify(place),
    CALLS: JSON.stringify(calls),
    MISTAKES: JSON.stringify(mistakes.map(([name, args, code]) => [name, args, code])),
    SLOW_QUERY: endless(mark),
    MARK: mark,
    WATCH_URL: world.door.world.control.database.url,
  })

  it.each(['HTTP', 'standard input'] as const)(
    'killed in the middle of a query leaves nothing running (%s)',
    async transport => {
      const mark = `pykilled_${transport.slice(0, 4).toLowerCase()}`
      const user = await world.user(mark)
      const place = { ...(transport === 'HTTP' ? user.http(instance.url) : user.stdio), mode: 'auto' }
      const host = start(python, [source, 'be_killed'], { environment: environmentOf(mark, place) })
      await expect.poll(() => world.runs(mark), { timeout: 20_000, interval: 20 }).toBe(true)
      host.process.kill('SIGKILL')
      await host.ended
      await expect.poll(() => world.runs(mark), { timeout: 1_000, interval: 20 }).toBe(false)
    },
    startMaxMs,
  )

  describe.each([
    ['2026-07-28', 'auto', 'HTTP'],
    ['2026-07-28', 'auto', 'standard input'],
    ['2025-11-25', 'legacy', 'HTTP'],
    ['2025-11-25', 'legacy', 'standard input'],
  ] as const)('in the protocol of %s (%s) over %s', (protocol, mode, transport) => {
    let errors: ReadonlyMap<string, string | null>
    let tail = ''

    beforeAll(async () => {
      const mark = `python_${mode}_${transport.slice(0, 4).toLowerCase()}`
      const user = await world.user(mark)
      const places: readonly [Place, Place] =
        transport === 'HTTP'
          ? [user.http(instance.url), user.http(loading.url)]
          : [
              user.stdio,
              { ...user.stdio, args: [join(import.meta.dirname, 'mcp-loading.ts'), 'stdio', `${mark}@acme`] },
            ]
      const environment = environmentOf(mark, { ...places[0], loading: places[1], mode, protocol })
      const { out, err, code } = await run(python, [source], { environment, timeoutMs: startMaxMs })
      const lines = out.split('\n').filter(line => line.startsWith('{'))
      errors = new Map(lines.map(line => lineSchema.parse(JSON.parse(line))).map(({ check, error }) => [check, error]))
      tail = `it ended with ${code} ${err.slice(-2000)}`
    }, startMaxMs)

    it.each(checks)('%s', check => {
      const error = errors.has(check) ? errors.get(check) : `was not run: ${tail}`
      expect(error, error ?? '').toBeNull()
    })
  })
})
