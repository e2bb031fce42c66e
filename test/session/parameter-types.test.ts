/** Which types a Parse may declare by number: checked against the server's own list. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { declaredTypes } from '../../src/session/parameter-types.ts'
import { sync } from '../../src/wire/query.ts'
import { bind, describeStatement, execute, parse } from '../differential/conversations.ts'
import { freshDatabase } from '../support/cluster.ts'
import { describe as inWords, RawClient } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'

let served: Served
beforeAll(async () => {
  served = await serve({
    seed: `create type mood as enum ('sad', 'glad'); create table t (m mood); insert into t values ('glad'), ('sad')`,
  })
}, 60_000)
afterAll(async () => await served.stop())

const regrole = 4096
const aclitem = 1033

test('only plain types of pg_catalog, and none that names roles', async () => {
  const numbers = [
    ...readFileSync(new URL('../../src/session/parameter-types.ts', import.meta.url), 'utf8').matchAll(/\b\d{2,5}\b/g),
  ].map(match => Number(match[0]))
  const passed = [...new Set(numbers)].filter(number => declaredTypes([number])[0] === number)
  const database = await freshDatabase()
  const client = await database.connect()
  const { rows } = await client.query<{ oid: number; typname: string; plain: boolean }>(
    `select t.oid::int, t.typname, t.typtype in ('b', 'r', 'm') and coalesce(e.typtype in ('b', 'r', 'm'), true)
        and coalesce(e.typname, t.typname) not in ('regrole', 'aclitem', 'cstring') and t.typnamespace = 'pg_catalog'::regnamespace as plain
     from pg_type t left join pg_type e on e.oid = t.typelem and t.typlen = -1 where t.oid = any ($1)`,
    [passed],
  )
  await client.end()
  await database.drop()
  expect(rows.filter(row => !row.plain)).toEqual([])
  expect(passed.filter(number => !rows.some(row => row.oid === number))).toEqual([])
  expect(passed.length).toBeGreaterThan(120)
})

test('a role type is not taken, whatever the value', async () => {
  const client = await RawClient.open(served.gateway)
  for (const type of [regrole, 4097, aclitem, 1034, 83]) {
    client.send(parse('select $1', '', [type]), bind('', '', ['10']), execute(), sync)
    const lines = (await client.untilReady()).map(inWords)
    expect(
      lines.filter(line => line.startsWith('D')),
      `type ${type}`,
    ).toEqual(['D 0001000000023130'])
  }
  await client.close()
})

test('a parameter of a type of the tenant’s is inferred from where it stands', async () => {
  const client = await RawClient.open(served.gateway)
  client.send(
    parse('select count(*) from t where m = $1', '', [99_999]),
    describeStatement(),
    bind('', '', ['glad']),
    execute(),
    sync,
  )
  const lines = (await client.untilReady()).map(inWords)
  expect(lines).toContain('C SELECT 1')
  expect(lines.some(line => line.startsWith('E'))).toBe(false)
  await client.close()
})
