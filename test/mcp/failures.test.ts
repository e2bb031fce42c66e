/** What goes wrong behind a call, and that its caller is told in the same form each time. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { AuditSink } from '../../src/audit/record.ts'
import { setLimit } from '../../src/control/limits.ts'
import { SqlError } from '../../src/errors.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { readCallMeta } from '../../src/mcp/call-meta.ts'
import { Calls } from '../../src/mcp/calls.ts'
import { progressOf } from '../../src/mcp/progress.ts'
import { toolsOf } from '../../src/mcp/registry.ts'
import { defineTool, readingAnnotations, type Tool } from '../../src/mcp/tool.ts'
import { openWorld, type World } from '../mcp-tools/world.ts'

let world: World
let alice: Principal
const logged: object[] = []
const log = {
  error: (fields: object) => void logged.push(fields),
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => log,
}

beforeAll(async () => {
  world = await openWorld(['acme'])
  await world.seed('acme', 'create table crm.big as select generate_series(1, 5000) as id')
  alice = await world.user('acme', 'alice', 'analyst')
}, 60_000)

afterAll(() => world.close())

function callsWith(o: { readonly tools?: readonly Tool[]; readonly audit?: AuditSink } = {}): Calls {
  return new Calls({
    services: world.services,
    tools: o.tools ?? toolsOf({ extended: false }),
    control: world.control.service,
    audit: o.audit ?? { append: () => {}, flush: () => {}, healthy: true },
    log,
    cursorKey: Buffer.alloc(32),
    confirmationKey: Buffer.alloc(32),
  })
}

function ask(calls: Calls, name: string, args: unknown, signal = new AbortController().signal) {
  return calls.call({
    name,
    args,
    meta: readCallMeta({}),
    caller: { principal: alice, sinceMs: performance.now(), address: 'local', session: 's', applicationName: 'test' },
    signal,
    endedBy: () => undefined,
    progress: undefined,
    canAsk: false,
    reply: undefined,
  })
}

const slow = 'select count(*) from crm.big a, crm.big b, crm.big c where a.id + b.id + c.id < 0'

describe('a call', () => {
  it('that takes longer than its limit is QUERY_TIMEOUT', async () => {
    const { administration } = world.control
    await setLimit(administration, { scope: 'tenant', tenant: 'acme' }, 'statementTimeoutMs', 200)
    await world.databases.reload()
    const { structured, isError } = await ask(callsWith(), 'query', { sql: slow })
    await setLimit(administration, { scope: 'tenant', tenant: 'acme' }, 'statementTimeoutMs', undefined)
    await world.databases.reload()
    expect(isError).toBe(true)
    expect(structured).toMatchObject({
      success: false,
      error: { code: 'QUERY_TIMEOUT', sqlstate: '57014', hint: expect.any(String) },
    })
  })

  it('that was taken back before it began is CANCELLED', async () => {
    const { structured } = await ask(callsWith(), 'query', { sql: 'select 1' }, AbortSignal.abort('never mind'))
    expect(structured).toMatchObject({ error: { code: 'CANCELLED' } })
  })

  it('whose caller’s access is withdrawn meanwhile fails with that', async () => {
    const calls = callsWith()
    const answer = ask(calls, 'query', { sql: slow })
    await expect.poll(() => calls.running.length).toBe(1)
    calls.end(
      about => about.principalId === alice.id,
      new SqlError({ code: '28000', message: 'your access was withdrawn' }),
    )
    expect((await answer).structured).toMatchObject({
      error: { code: 'PERMISSION_DENIED', message: 'your access was withdrawn' },
    })
  })

  it('that cannot be recorded gives nothing away', async () => {
    const full = new SqlError({ code: '57P03', message: 'the audit spool is full' })
    const audit: AuditSink = {
      append: () => {},
      flush: () => {
        throw full
      },
      healthy: true,
    }
    const { structured, text } = await ask(callsWith({ audit }), 'query', { sql: "select 'very secret'" })
    expect(structured).toMatchObject({ success: false, error: { code: 'UNAVAILABLE' } })
    expect(text).not.toContain('very secret')
  })

  it('that fails of a fault of ours says so, and the log says what', async () => {
    const broken = defineTool({
      name: 'broken',
      title: 'Broken',
      description: 'Fails.',
      input: z.strictObject({}),
      output: z.object({}),
      scope: 'data:read',
      annotations: readingAnnotations,
      run: () => Promise.reject(new TypeError('cannot read the password of undefined')),
    })
    const { structured, text } = await ask(callsWith({ tools: [broken] }), 'broken', {})
    expect(structured).toMatchObject({ error: { code: 'INTERNAL_ERROR', sqlstate: 'XX000' } })
    expect(text).not.toContain('password')
    expect(logged).toEqual([expect.objectContaining({ tool: 'broken', requestId: structured.request_id })])
  })
})

describe('progress', () => {
  it('is told only where it was asked for', () => {
    expect(
      progressOf(
        undefined,
        () => {},
        () => false,
      ),
    ).toBeUndefined()
  })

  it('grows each time, also where a phase counts anew, and stops with the call', () => {
    const sent: number[] = []
    let ended = false
    const progress = progressOf(
      'token',
      ({ progress: done }) => void sent.push(done),
      () => ended,
    )
    progress?.('loading', { done: 10, total: 100 })
    progress?.('loading', { done: 10, total: 100 })
    progress?.('transforming')
    progress?.('transforming', { done: 1, total: 5 })
    progress?.('done', { done: 100, total: 100 })
    ended = true
    progress?.('too late', { done: 200 })
    expect(sent).toHaveLength(5)
    expect(sent.every((done, at) => at === 0 || done > sent[at - 1]!)).toBe(true)
    expect(sent.at(-1)).toBe(100)
  })
})
