/** Several statements in one Query, some of which we answer: one transaction, as on Postgres, in however many parts they run. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RawClient, type RawTarget } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { ask, q, until, withClient } from '../support/talk.ts'

let served: Served

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text); insert into t select g, 'name ' || g from generate_series(1, 50) g`,
  })
}, 60_000)
afterAll(async () => await served.stop())

const date = "select to_char(date '2024-02-03', 'YYYY'), date '2024-02-03'"

/** The same said to both; ParameterStatus comes at the end of each part here, so it is left out. */
async function asPostgres(...texts: string[]): Promise<string[][]> {
  const talk = (target: RawTarget) =>
    withClient(target, async client => {
      const said: string[][] = []
      for (const text of texts) {
        client.send(...q(text))
        const frames = await client.untilReady()
        said.push(frames.filter(({ type }) => type !== 'S').map(({ type, body }) => `${type} ${summary(type, body)}`))
      }
      return said
    })
  const parameters = [['options', '-c search_path=crm -c default_transaction_read_only=on']] as const
  const expected = await talk({ ...served.direct, parameters })
  expect(await talk(served.gateway)).toEqual(expected)
  return expected
}

function summary(type: string, body: Buffer): string {
  if (type === 'E' || type === 'N') return /C(\w{5})\0M([^\0]*)/.exec(body.toString())?.slice(1).join(' ') ?? ''
  return type === 'T' ? '' : body.toString()
}

test('a SET is undone where a later statement fails', async () => {
  await asPostgres("set datestyle to 'German'; select 1/0", date)
  await asPostgres(
    `set datestyle to 'German'; ${date}; set timezone to 'Asia/Tokyo'; select nope`,
    date,
    'show timezone',
  )
})

test('a SET holds for what comes after it', async () => {
  await asPostgres(`set datestyle to 'German'; ${date}`, date)
  await asPostgres(`select 1; set datestyle to 'German'; ${date}; reset datestyle; ${date}; select 2`, date)
})

test('a SET LOCAL holds to the end of the message', async () => {
  await asPostgres(`set local datestyle to 'German'; ${date}`, date)
  await asPostgres(
    `set local search_path to nowhere; select count(*) from pg_class where false; show search_path`,
    'table t limit 1',
  )
})

test('a value that Postgres does not take', async () => {
  await asPostgres(`set datestyle to 'German'; set timezone to 'Nowhere/Land'; ${date}`, date)
})

test('now() is one moment', async () => {
  const [[, row] = []] = [
    await withClient(served.gateway, async client => {
      client.send(...q("select now(); set datestyle to 'ISO'; select now()"))
      return (await client.untilReady()).filter(({ type }) => type === 'D').map(({ body }) => body.toString())
    }),
  ]
  expect(row).toBeDefined()
})

test('a cursor lives to the end of the message', async () => {
  await asPostgres(
    'declare c cursor for select id from t order by id; fetch 2 from c; fetch 1 from c',
    'fetch 1 from c',
  )
})

test('where the client controls the transaction, it does', async () => {
  await asPostgres(`begin; set datestyle to 'German'; ${date}; rollback; ${date}`, date)
  await asPostgres(`begin; set local datestyle to 'German'; commit; ${date}`, date)
  await asPostgres(`begin; set datestyle to 'German'; select 1/0`, date, 'rollback', date)
  await asPostgres('begin', `set datestyle to 'German'; ${date}; select 1/0`, date, 'rollback', date)
  await asPostgres('begin', `savepoint a; set datestyle to 'German'; ${date}; rollback to a; ${date}`, 'commit', date)
})

test('what is refused on the way undoes the message too, and leaves nothing open', async () => {
  await withClient(served.gateway, async client => {
    expect(await ask(client, ...q("set datestyle to 'German'; set statement_timeout to 'x'"))).toEqual([
      'C SET',
      'S DateStyle German, DMY',
      'S DateStyle ISO, MDY',
      'E ERROR 22023 invalid value for parameter "statement_timeout": "x"',
      'Z I',
    ])
    expect(await ask(client, ...q('show datestyle'))).toEqual(['D×1', 'C SHOW', 'Z I'])
  })
  await until(() => served.database.pool.stats().held === 0)
})

test('a connection that ends in the middle leaves the client in no transaction', async () => {
  const client = await RawClient.open(served.gateway)
  client.send(...q("set datestyle to 'German'; select count(*) from t a, t b, t c, t d, t e, t f; select 8 = 8"))
  await until(() => served.database.pool.stats().held === 1)
  await new Promise(resolve => setTimeout(resolve, 100))
  await withClient(served.direct, direct =>
    ask(
      direct,
      ...q(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%8 = 8%' and pid <> pg_backend_pid()",
      ),
    ),
  )
  const said = (await client.untilReady()).map(({ type, body }) => `${type} ${summary(type, body)}`)
  expect(said.slice(-2)).toEqual(['E 57P01 terminating connection due to administrator command', 'Z I'])
  expect(await ask(client, ...q('show datestyle'))).toEqual(['D×1', 'C SHOW', 'S DateStyle ISO, MDY', 'Z I'])
  client.socket.destroy()
})

test('the audit knows the statements that the client sent, and no others', async () => {
  const before = served.records.length
  await withClient(served.gateway, client =>
    ask(client, ...q("select 'x'; set datestyle to 'German'; select 'y'; select 1/0; select 'z'")),
  )
  const records = served.records.slice(before).filter(({ kind }) => kind !== 'login')
  expect(records.map(({ kind, text, sqlstate }) => [kind, text, sqlstate].join(' ').trim())).toEqual([
    "statement select 'x'",
    "statement set datestyle to 'German'",
    "statement select 'y'",
    'statement select 1/0 22012',
  ])
})
