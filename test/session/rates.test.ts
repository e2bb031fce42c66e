/** A limit on statements: each request to run something is counted once, and what is over is refused and on record. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { type Served, serve } from '../support/served.ts'
import { ask, one, q, series, withClient } from '../support/talk.ts'

let served: Served
let left = 0
let late = false

function admit(): Promise<void> | undefined {
  const over = left-- > 0 ? undefined : new SqlError({ code: '53400', message: 'too many', hint: 'Wait.' })
  if (late) return Promise.resolve().then(() => over && Promise.reject(over))
  if (over !== undefined) throw over
  return undefined
}

beforeAll(async () => {
  served = await serve({ seed: 'create table t (id int)', admit })
}, 60_000)
afterAll(async () => await served.stop())
beforeEach(() => {
  served.records.length = 0
})

test.each([false, true])('in the simple and the extended protocol, in order (asked for: %s)', async isLate => {
  late = isLate
  await withClient(served.gateway, async client => {
    left = 2
    expect(await ask(client, ...q('select 1'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
    expect(await ask(client, ...series(...one('select 2')))).toEqual(['1', '2', 'D×1', 'C SELECT 1', 'Z I'])
    expect((await ask(client, ...q('select 3')))[0]).toMatch(/^E ERROR 53400/)
    left = 1
    const pipeline = await ask(client, ...series(...one('select 4'), ...one('select 5'), ...one('select 6')))
    expect(pipeline.filter(line => line.startsWith('C SELECT'))).toHaveLength(1)
    expect(pipeline.filter(line => line.startsWith('E ERROR 53400'))).toHaveLength(1)
    expect(pipeline.at(-1)).toBe('Z I')
    left = 1
    expect(await ask(client, ...q('select 7'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
  })
  const refusals = served.records.filter(({ kind }) => kind === 'refusal')
  expect(refusals.map(({ sqlstate, text }) => [sqlstate, text])).toEqual([
    ['53400', 'select 3'],
    ['53400', ''],
  ])
})
