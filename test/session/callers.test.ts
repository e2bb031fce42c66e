/** Single statements for doors that want values: kept sessions, exact cuts, cancel that arrives. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withAdministrator } from '../../src/provision/administrator.ts'
import type { CallerSessions, StatementRequest } from '../../src/session/callers.ts'
import { type Served, serve } from '../support/served.ts'
import { q, until, withClient } from '../support/talk.ts'

let served: Served
let callers: CallerSessions

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text); insert into t select g, repeat('ö', g) from generate_series(1, 50) g;
      create table other.t (only_there int)`,
    schemas: ['crm', 'other'],
  })
  await withAdministrator(served.administrator, served.database.name, async query => {
    for (const setting of ['datestyle = German', 'bytea_output = escape', 'extra_float_digits = -2'])
      await query(`alter database ${served.database.name} set ${setting}`)
  })
  callers = served.callers('mcp')
}, 60_000)
afterAll(async () => await served.stop())

const client = { address: 'local', applicationName: 'test' }

function ask(text: string, more: Partial<StatementRequest> = {}) {
  return callers.run({ principal: served.principal, database: served.database, text, parameters: [], client, ...more })
}

test('rows come with what ran and what was read', async () => {
  const answer = await ask('select id, name from t where id = $1', { parameters: ['2'] })
  expect(answer.rows).toEqual([['2', 'öö']])
  expect(answer).toMatchObject({ statementKind: 'select', relations: ['crm.t'], truncated: undefined, cuts: [] })
  expect(answer.sqlExecuted).toMatch(/^select id, name from t where id = \$1/)
  expect(answer.runMs).toBeGreaterThanOrEqual(0)
})

test('a narrower limit of rows holds exactly, and a wider one does not widen the policy', async () => {
  const limits = { rowsMax: 3 }
  expect((await ask('select id from t limit 3', { limits })).truncated).toBeUndefined()
  const cut = await ask('select id from t', { limits })
  expect([cut.rows.length, cut.truncated]).toEqual([3, 'rows'])
  served.setLimits({ rowsMax: 5 })
  expect((await ask('select id from t', { limits: { rowsMax: 1_000 } })).rows).toHaveLength(5)
  served.setLimits({})
})

test('long values and long answers are cut at whole characters and whole rows', async () => {
  const answer = await ask('select id, name from t order by id', { cellKeepBytes: 9 })
  expect(answer.rows[9]).toEqual(['10', 'öööö'])
  expect(answer.cuts[0]).toEqual({ row: 4, column: 1, bytes: 10 })
  const short = await ask('select name from t order by id', { keepBytes: 12 })
  expect(short.rows).toEqual([['ö'], ['öö'], ['ööö']])
  expect([short.truncated, short.rowsLeftOut]).toEqual(['bytes', 47])
})

test('what a statement set is gone with the next', async () => {
  await ask("select set_config('search_path', 'other', false)")
  await ask('set datestyle to German')
  await ask('begin')
  expect((await ask('show search_path')).rows).toEqual([['crm, other']])
  expect((await ask('select only_there from t', { searchPath: ['other', 'crm'] })).relations).toEqual(['other.t'])
  await expect(ask('select only_there from t')).rejects.toMatchObject({ code: '42703' })
  await until(() => served.database.pool.stats().held === 0)
})

test('values read alike, whatever the database is set to', async () => {
  await withClient(served.gateway, async client => {
    client.send(...q('show datestyle'))
    expect((await client.untilReady()).find(({ type }) => type === 'D')!.body.toString('utf8', 6)).toBe('German, DMY')
  })
  const { rows } = await ask("select date '2026-02-01', interval '1 day 2 hours', '\\x00ff'::bytea, 0.1::float8 + 0.2")
  expect(rows).toEqual([['2026-02-01', '1 day 02:00:00', '\\x00ff', '0.30000000000000004']])
})

test('two statements, none, and a refused one', async () => {
  await expect(ask('select 1; select 2')).rejects.toMatchObject({ code: '42601' })
  expect(await ask(' -- nothing')).toMatchObject({ statementKind: 'empty', rows: [] })
  await expect(ask('delete from t')).rejects.toMatchObject({ code: '25006' })
  expect(served.records.at(-1)).toMatchObject({ door: 'mcp', kind: 'refusal', sqlstate: '25006' })
})

test('an abort stops the statement on the server', async () => {
  const stop = new AbortController()
  const asked = ask('select count(*) from t a, t b, t c, t d, t e, t f', {
    signal: stop.signal,
    origin: { requestId: 'r1', traceId: undefined },
  })
  await sleep(150)
  expect(served.database.pool.stats().held).toBe(1)
  stop.abort()
  await expect(asked).rejects.toMatchObject({ code: '57014' })
  await until(() => served.database.pool.stats().held === 0)
  expect(served.records.at(-1)).toMatchObject({ requestId: 'r1', sqlstate: '57014' })
  await expect(ask('select 1', { signal: stop.signal })).rejects.toMatchObject({ code: '57014' })
})

test('many at once share nothing, and sessions are kept for the next', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => ask('select $1::int', { parameters: [`${i}`] })),
  )
  expect(answers.map(({ rows }) => rows[0]?.[0])).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
  const open = callers.sessions().length
  for (let i = 0; i < 10; i++) await ask('select 1')
  expect(callers.sessions()).toHaveLength(open)
})

test('who may not come in any more is cut off', async () => {
  const asked = ask('select count(*) from t a, t b, t c, t d, t e, t f')
  await sleep(100)
  const error = Object.assign(await ask('delete from t').catch(thrown => thrown), { message: 'access withdrawn' })
  callers.end(about => about.principalId === served.principal.id, error)
  await expect(asked).rejects.toMatchObject({ message: 'access withdrawn' })
  expect(callers.sessions()).toHaveLength(0)
})
