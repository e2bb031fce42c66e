/** Agents' libraries, doing what agents do, at processes as they are installed: over HTTP and over standard input. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { read } from '../mcp/door.ts'
import { calls, handle, mistakes } from './mcp-calls.ts'
import { libraries, type Place, type Reply, type Speaker } from './mcp-speakers.ts'
import { type AgentWorld, endless, type Instance, openAgentWorld } from './mcp-world.ts'

const startMaxMs = 120_000

let world: AgentWorld
let instance: Instance

beforeAll(async () => {
  world = await openAgentWorld()
  instance = await world.instance()
}, startMaxMs)

afterAll(() => world?.close())

const combinations = libraries.flatMap(([library, connect], at) =>
  (['HTTP', 'standard input'] as const).map(transport => ({
    name: `${library} over ${transport}`,
    login: `user${at}${transport.slice(0, 4).toLowerCase()}`,
    connect,
    transport,
  })),
)

describe.each(combinations)('$name', ({ login, connect, transport }) => {
  let place: Place
  let speaker: Speaker
  /** One that cannot be asked. */
  let silent: Speaker
  const asked: string[] = []
  let reply: Reply = { action: 'decline' }

  beforeAll(async () => {
    const user = await world.user(login)
    place = transport === 'HTTP' ? user.http(instance.url) : user.stdio
    const ask = (message: string) => {
      asked.push(message)
      return reply
    }
    ;[speaker, silent] = await Promise.all([connect(place, ask), connect(place)])
  }, startMaxMs)
  afterAll(async () => {
    await Promise.all([speaker?.close(), silent?.close()])
  })

  const call = async (name: string, args: Record<string, unknown> = {}) => read(await speaker.call(name, args))

  /** Also what its outputSchema says: the libraries check it. */
  it('calls every tool there is', async () => {
    const allowed = calls.filter(([name]) => name !== 'configure_pipeline') // an admin's
    expect(await speaker.tools()).toEqual(allowed.map(([name]) => name))
    let made = ''
    const filled = <T extends object>(given: T): T => JSON.parse(JSON.stringify(given).replaceAll(handle, made))
    for (const [name, args, data] of calls) {
      const answer = await call(name, filled(args))
      expect(answer, `${name}: ${answer.text}`).toMatchObject(
        typeof data === 'string' ? { isError: true, error: { code: data } } : { success: true, data: filled(data) },
      )
      expect(answer.tenant_id).toBe('acme')
      if (name === 'provision_schema') made = String(answer.data?.handle)
    }
  })

  it('is told what is wrong with its arguments', async () => {
    for (const [name, args, code, message] of mistakes) {
      const answer = await call(name, args)
      expect(answer, `${name}: ${answer.text}`).toMatchObject({ isError: true, success: false, error: { code } })
      expect(`${answer.error?.message} ${answer.error?.hint ?? ''}`).toMatch(message)
      expect(answer.text).toContain(code)
    }
  })

  it('reads what there is to attach, takes prompts, and is helped with names', async () => {
    const listed = await speaker.resources()
    expect(listed).toEqual([])
    expect(await speaker.templates()).toHaveLength(3)
    expect(JSON.stringify(await speaker.resource('postern://crm/crm/orders'))).toContain('customer_id')
    await expect(speaker.resource('postern://crm/crm/nowhere')).rejects.toThrow(/not found/i)
    expect(await speaker.prompts()).toHaveLength(3)
    expect(JSON.stringify(await speaker.prompt('answer-with-sql', { question: 'How many?' }))).toContain('How many?')
    await expect(speaker.prompt('answer-with-sql', {})).rejects.toThrow(/question/)
    expect(await speaker.complete('explore-database', 'database', 'cr')).toEqual(['crm'])
    expect(await speaker.complete('explore-database', 'schema', 'od', { database: 'crm' })).toEqual(['odd'])
  })

  it('goes on after a notification that means nothing here', async () => {
    await speaker.notify().catch(() => undefined) // some libraries send it not at all
    expect((await call('query', { sql: 'select 1' })).success).toBe(true)
  })

  it('cancels, and within a second nothing of it runs', async () => {
    const mark = `cancelled_${login}`
    const stop = new AbortController()
    const asked = speaker.call('query', { sql: endless(mark) }, { signal: stop.signal })
    const failed = expect(asked).rejects.toThrow()
    await expect.poll(() => world.runs(mark), { timeout: 10_000, interval: 20 }).toBe(true)
    stop.abort('enough')
    await failed
    await expect.poll(() => world.runs(mark), { timeout: 1_000, interval: 20 }).toBe(false)
    expect((await call('query', { sql: 'select 1' })).success).toBe(true)
  })

  it('is asked before a schema goes: the user may decline, or agree by its name', async () => {
    const { data } = await call('provision_schema', { purpose: 'one' })
    const schema = String(data?.schema)
    asked.length = 0
    reply = { action: 'decline' }
    expect((await call('teardown_schema', { schema })).error).toMatchObject({ code: 'CANCELLED' })
    reply = { action: 'accept', content: { name: schema } }
    expect(await call('teardown_schema', { schema })).toMatchObject({ success: true, data: { schema } })
    expect(asked).toEqual([expect.stringContaining(schema), expect.stringContaining(schema)])
    expect(JSON.stringify((await call('list_schemas')).data)).not.toContain(schema)
  })

  it('that cannot be asked gets a code, which is good once', async () => {
    const teardown = async (more = {}) => read(await silent.call('teardown_schema', { schema, ...more }))
    const { data } = await call('provision_schema', { purpose: 'two' })
    const schema = String(data?.schema)
    const refused = await teardown()
    expect(refused.error).toMatchObject({ code: 'CONFIRMATION_REQUIRED' })
    const code = /confirmation_code "([A-Z\d]+)"/.exec(refused.text)?.[1]
    expect(await teardown({ confirmation_code: code })).toMatchObject({ success: true })
    expect((await call('provision_schema', { purpose: 'two' })).data).toMatchObject({ schema, created: true })
    expect((await teardown({ confirmation_code: code })).error).toMatchObject({ code: 'CONFIRMATION_REQUIRED' })
    expect(JSON.stringify((await call('list_schemas')).data)).toContain(schema)
  })

  it('closes in the middle of a query, and within a second nothing of it runs', async () => {
    const mark = `closed_${login}`
    const asked = silent.call('query', { sql: endless(mark) }).catch(() => undefined)
    await expect.poll(() => world.runs(mark), { timeout: 10_000, interval: 20 }).toBe(true)
    await silent.close()
    await expect.poll(() => world.runs(mark), { timeout: 1_000, interval: 20 }).toBe(false)
    await asked
  })
})
