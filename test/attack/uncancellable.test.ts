/** Functions that Postgres does not interrupt: who starts them comes to the end of what he may hold, and nobody else does. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CallerSessions } from '../../src/session/callers.ts'
import { type Served, serve } from '../support/served.ts'
import { until } from '../support/talk.ts'

let served: Served
let callers: CallerSessions

beforeAll(async () => {
  served = await serve({
    seed: 'create table t (id int)',
    limits: { upstreamsPerPrincipal: 2, statementTimeoutMs: 200, wallClockMs: 600 },
    pool: { sizeMax: 4, queueWaitTimeoutMs: 300 },
  })
  callers = served.callers('mcp')
}, 60_000)
afterAll(async () => await served.stop())

/** About 10^10 steps without a look at interrupts: some seconds of one core. */
const burning = "select btrim(repeat('b', 50000), repeat('a', 50000) || 'b')"
const client = { address: 'local', applicationName: 'test' }

function ask(text: string, name = 'alice') {
  const principal = { ...served.principal, id: name, name, login: `${name}@acme` }
  return callers.run({ principal, database: served.database, text, parameters: [], client })
}

test('a backend that burns on counts against its principal until it is gone', async () => {
  const burnt = await Promise.allSettled([ask(burning), ask(burning)])
  expect(burnt.map(one => one.status === 'rejected' && one.reason.code)).toEqual(['57014', '57014'])
  expect(served.database.pool.stats().held).toBe(2)
  await expect(ask('select 1')).rejects.toMatchObject({ code: '53300' })
  expect((await ask('select 1', 'bob')).rows).toEqual([['1']])
  await until(() => served.database.pool.stats().held === 0, 60_000)
  expect((await ask('select 1')).rows).toEqual([['1']])
}, 90_000)
