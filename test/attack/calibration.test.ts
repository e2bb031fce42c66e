/** What these tests look with sees what there is to see: without it they would prove nothing. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Arena, openArena } from './support/arena.ts'
import { attack } from './support/attack.ts'
import { expression, query, statement } from './support/shape.ts'
import { watcherClaim } from './support/watch.ts'

let arena: Arena

beforeAll(async () => {
  arena = await openArena()
})
afterAll(() => arena.stop())

test('a statement that runs is reported as let through', async () => {
  const found = await attack(arena, 'calibration', [
    expression('1 + 1'),
    query('select id from users'),
    statement('show timezone'),
  ])
  expect(found.map(line => line.slice(0, 30))).toEqual([
    expect.stringMatching(/^let through: 1 \+ 1/),
    expect.stringMatching(/^let through: select id/),
    expect.stringMatching(/^let through: show/),
  ])
})

test('a secret in a reply is seen', async () => {
  const [secret = ''] = arena.secrets
  const found = await attack(arena, 'calibration', [
    query(`select reverse('${[...secret].reverse().join('')}')`, { harmless: 'its own text', verbatim: true }),
  ])
  expect(found.filter(line => line.startsWith('EFFECT'))).toHaveLength(1)
})

test('what is refused in vain is noticed', async () => {
  const found = await attack(arena, 'calibration', [
    query('select * from payroll', { harmless: 'it is not', verbatim: true }),
  ])
  expect(found).toEqual([expect.stringMatching(/^listed as harmless in vain/)])
})

/** The thing that changes, what changes it, and what puts it back. */
const changes: readonly (readonly [thing: string, change: string, back: string])[] = [
  ['rows', "insert into crm.target values (9, 'x')", 'delete from crm.target where id = 9'],
  ['relations', 'create table crm.made (x int)', 'drop table crm.made'],
  ['schemas', 'create schema made', 'drop schema made'],
  ['functions', "create function crm.made() returns int language sql as 'select 1'", 'drop function crm.made()'],
  ['sequence', "select setval('crm.counter', 77)", "select setval('crm.counter', 1, false)"],
  ['large objects', 'select lo_create(4242)', 'select lo_unlink(4242)'],
  ['advisory locks', 'select pg_advisory_lock(4242)', 'select pg_advisory_unlock(4242)'],
  ['roles', 'alter role current_user set work_mem to 64000', 'alter role current_user reset work_mem'],
  ['replication', 'create publication postern_attack', 'drop publication postern_attack'],
  ['configuration', 'select pg_reload_conf(), pg_sleep(0.2)', 'select 1'],
]

test.each(changes)('the superuser sees a change of %s', async (thing, change, back) => {
  const before = await arena.look()
  await arena.admin.query(change)
  const after = await arena.look()
  await arena.admin.query(back)
  expect(Object.keys(after).filter(key => before[key] !== after[key])).toEqual([thing])
})

test('a notification is heard', async () => {
  await arena.admin.query("notify postern_attack, 'heard'")
  expect((await arena.look()).notified).toContain('heard')
})

test.each([
  ['settings that are not on record', "set timezone to 'Asia/Tokyo'"],
  ['settings that are not on record', "set search_path to 'public'"],
  ['upstreams', 'set role none'],
  ['upstreams', 'listen something'],
  ['upstreams', 'begin; declare c cursor with hold for select 1; commit'],
])('on a pooled connection, %s: %s', async (thing, sql) => {
  const before = await arena.look()
  const upstream = await arena.served.database.pool.acquire(watcherClaim, AbortSignal.timeout(5_000))
  await upstream.query(sql)
  arena.served.database.pool.release(upstream)
  const after = await arena.look()
  arena.discardPool()
  expect(before[thing]).not.toBe(after[thing])
})
