/** Runs that take their time, followed by agents' libraries: progress, what ends a run, and what only looks away. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addConnector } from '../../src/control/connectors.ts'
import { read } from '../mcp/door.ts'
import { libraries, type Place, type Speaker } from './mcp-speakers.ts'
import { type AgentWorld, openAgentWorld, startLoading } from './mcp-world.ts'

const startMaxMs = 120_000
const loading = join(import.meta.dirname, 'mcp-loading.ts')

let world: AgentWorld
let server: Awaited<ReturnType<typeof startLoading>>

beforeAll(async () => {
  world = await openAgentWorld()
  await addConnector(world.door.world.control.administration, { tenant: 'acme', name: 'webshop', type: 'shop' })
  server = await startLoading(world)
}, startMaxMs)

afterAll(async () => {
  server?.process.process.kill('SIGINT')
  await server?.process.ended
  await world?.close()
})

const combinations = libraries.flatMap(([library, connect], at) =>
  (['HTTP', 'standard input'] as const).map(transport => ({
    name: `${library} over ${transport}`,
    login: `user${at}${transport.slice(0, 4).toLowerCase()}`,
    connect,
    transport,
    /** In the protocol of 2026 a call over HTTP is cancelled by closing its stream, and that only looks away. */
    cancelStops: transport !== 'HTTP' || at !== 0,
  })),
)

describe.each(combinations)('$name', ({ login, connect, transport, cancelStops }) => {
  let speaker: Speaker
  let schema: string

  beforeAll(async () => {
    const user = await world.user(login, 'admin')
    const stdio: Place = {
      command: process.execPath,
      args: [loading, 'stdio', `${login}@acme`],
      env: world.environment,
    }
    speaker = await connect(transport === 'HTTP' ? user.http(server.url) : stdio)
    const made = read(await speaker.call('provision_schema', { purpose: 'loads' }))
    schema = String(made.data?.handle)
  }, startMaxMs)
  afterAll(() => speaker?.close())

  const call = async (name: string, args: Record<string, unknown>) => read(await speaker.call(name, args))
  const state = async () => (await call('get_materialization_status', { schema })).data?.state

  it('sees which pipelines there are, and each attempt by its key once', async () => {
    expect((await call('list_pipelines', {})).data).toMatchObject({
      pipelines: [{ pipeline: 'orders', connectors: [{ name: 'webshop' }] }, { pipeline: 'broken' }],
    })
    const attempt = { pipeline: 'orders', schema, wait: false, idempotency_key: `${login} 1` }
    const first = await call('run_materialization', attempt)
    expect(first, first.text).toMatchObject({ success: true, data: { pipeline: 'orders' } })
    expect((await call('run_materialization', attempt)).data).toMatchObject({ run_id: first.data?.run_id })
    const busy = await call('run_materialization', { pipeline: 'orders', schema, wait: false })
    expect(busy.error).toMatchObject({ code: 'CONFLICT' })
    await expect.poll(state, { timeout: 5_000, interval: 100 }).toBe('succeeded')
    const wrong = await call('run_materialization', { pipeline: 'order', schema })
    expect(wrong.error).toMatchObject({ code: 'NOT_FOUND', hint: expect.stringContaining('orders') })
  })

  it('sets what its connector type allows, and nothing else', async () => {
    const knobs = { since: '2026-01-01' }
    const set = await call('configure_pipeline', { pipeline: 'orders', knobs })
    expect(set, set.text).toMatchObject({ success: true, data: { connector: 'webshop', knobs } })
    const wrong = await call('configure_pipeline', { pipeline: 'orders', knobs: { sinse: '2026-01-01' } })
    expect(wrong.error).toMatchObject({ code: 'VALIDATION_ERROR', message: expect.stringContaining('sinse') })
  })

  it('hears how a run gets on, further each time', async () => {
    const heard: number[] = []
    const answer = read(
      await speaker.call(
        'run_materialization',
        { pipeline: 'orders', schema },
        { onprogress: ({ progress }) => void heard.push(progress) },
      ),
    )
    expect(answer, answer.text).toMatchObject({ success: true, data: { state: 'succeeded' } })
    expect(heard.length).toBeGreaterThanOrEqual(2)
    expect(heard).toEqual([...new Set(heard)].sort((a, b) => a - b))
  })

  it(`that cancels its call ${cancelStops ? 'stops the run' : 'closes its stream, and the run goes on'}`, async () => {
    const stop = new AbortController()
    const asked = speaker.call(
      'run_materialization',
      { pipeline: 'orders', schema, params: { since: 'for ever' } },
      { signal: stop.signal },
    )
    const failed = expect(asked).rejects.toThrow()
    await expect.poll(state, { timeout: 5_000, interval: 100 }).toBe('loading')
    stop.abort('enough')
    await failed
    if (!cancelStops) {
      await new Promise(resolve => setTimeout(resolve, 500))
      const { data } = await call('get_materialization_status', { schema })
      expect(data).toMatchObject({ state: 'loading' })
      const stopped = await call('cancel_materialization', { run_id: data?.run_id })
      expect(stopped, stopped.text).toMatchObject({ data: { state: 'cancelled' } })
    }
    await expect.poll(state, { timeout: 5_000, interval: 100 }).toBe('cancelled')
  })

  it('that leaves in the middle leaves the run to go on', async () => {
    const asked = speaker
      .call('run_materialization', { pipeline: 'orders', schema, params: { since: 'for ever' } })
      .catch(() => undefined)
    await expect.poll(state, { timeout: 5_000, interval: 100 }).toBe('loading')
    await speaker.close()
    await asked
    await new Promise(resolve => setTimeout(resolve, 300))
    const { rows } = await world.door.world.control.service.query(
      `select r.state, r.cancel_requested_at from postern.run r join postern.membership m using (tenant_id, principal_id)
       where m.login = $1 order by r.id desc limit 1`,
      [login],
    )
    expect(rows).toEqual([{ state: 'loading', cancel_requested_at: null }])
  })
})
