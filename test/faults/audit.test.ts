/** An audit that cannot be written, at any moment: nothing runs unseen, nobody else notices, nothing is left behind. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { bind, execute, parse } from '../differential/conversations.ts'
import { FaultyAudit } from '../support/faulty-audit.ts'
import { RawClient } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { ask, hear, one, q, series, until, withClient } from '../support/talk.ts'

let served: Served
const audit = new FaultyAudit()

beforeAll(async () => {
  served = await serve({
    seed: `create table t (id int primary key, name text); insert into t select g, repeat('x', 200) from generate_series(1, 5000) g`,
    audit,
  })
}, 60_000)
afterAll(async () => await served.stop())
afterEach(async () => {
  served.faults.length = 0
  audit.mend()
  served.setLimits({})
  await until(() => served.database.pool.stats().held === 0)
  expect(await withClient(served.gateway, client => ask(client, ...q('select 1')))).toEqual([
    'D×1',
    'C SELECT 1',
    'Z I',
  ])
})

const unwritten = 'E ERROR 57P03 the audit log cannot be written'
const slow = 'select count(*) from t a, t b, t c where a.id + b.id + c.id < 0'

describe('a record that cannot be kept', () => {
  for (const kind of ['statement-start', 'statement'] as const) {
    test(`${kind}: the statement fails, its connection is not lent on, the session lives`, async () => {
      const client = await RawClient.open(served.gateway)
      audit.refuses = record => record.kind === kind
      const said = await ask(client, ...q('select * from t'))
      expect(said.slice(-2)).toEqual([unwritten, 'Z I'])
      expect(said.join()).not.toContain('C SELECT')
      audit.mend()
      expect(await ask(client, ...q('select 1'))).toEqual(['D×1', 'C SELECT 1', 'Z I'])
      client.socket.destroy()
    })

    test(`${kind}, in a transaction and a pipeline`, async () => {
      const client = await RawClient.open(served.gateway)
      await ask(client, ...q('begin'))
      audit.refuses = record => record.kind === kind
      client.send(...series(...one('select * from t')), ...series(...one('select 2')))
      const said = await hear(client, 500)
      expect(said.filter(line => line[0] === 'Z')).toEqual(['Z E', 'Z E'])
      expect(said.filter(line => line === unwritten)).not.toEqual([])
      audit.mend()
      expect(await ask(client, ...q('rollback'))).toEqual(['C ROLLBACK', 'Z I'])
      client.socket.destroy()
    })
  }

  test('of a statement that fails', async () => {
    await withClient(served.gateway, async client => {
      audit.refuses = record => record.kind === 'statement'
      expect(await ask(client, ...q('select 1/0'))).toEqual([unwritten, 'Z I'])
      expect(await ask(client, ...series(...one('select 1/0')))).toEqual(['1', unwritten, 'Z I'])
    })
  })

  test('of a refusal', async () => {
    await withClient(served.gateway, async client => {
      audit.refuses = record => record.kind === 'refusal'
      expect(await ask(client, ...q('drop table t'))).toEqual([unwritten, 'Z I'])
      expect(await ask(client, ...series(parse('drop table t')))).toEqual([unwritten, 'Z I'])
    })
  })

  test('of a statement whose client leaves', async () => {
    const client = await RawClient.open(served.gateway)
    client.send(...q(slow))
    await hear(client, 100)
    audit.refuses = record => record.kind === 'statement'
    client.socket.destroy()
    await until(() => served.database.pool.stats().held === 0)
    expect(served.faults).toHaveLength(1)
  })

  test('of a statement whose connection is killed', async () => {
    const client = await RawClient.open(served.gateway)
    client.send(...q(`${slow} and 7 = 7`))
    await hear(client, 100)
    audit.refuses = record => record.kind === 'statement'
    await withClient(served.direct, direct =>
      ask(
        direct,
        ...q(
          `select pg_terminate_backend(pid) from pg_stat_activity where query like '%7 = 7%' and pid <> pg_backend_pid()`,
        ),
      ),
    )
    expect(await hear(client, 300)).toEqual([
      'E ERROR 57P01 terminating connection due to administrator command',
      'Z I',
    ])
    client.socket.destroy()
    expect(served.faults).toHaveLength(1)
  })

  test('of a statement that runs out of time', async () => {
    served.setLimits({ wallClockMs: 300 })
    const client = await RawClient.open(served.gateway)
    audit.refuses = record => record.kind === 'statement'
    const [error, ready] = await ask(client, ...q(slow))
    expect(error).toMatch(/^E ERROR 57014/)
    expect(ready).toBe('Z I')
    client.socket.destroy()
    expect(served.faults).toHaveLength(1)
  })

  test('of a COPY that is refused at its limit', async () => {
    served.setLimits({ rowsMax: 10 })
    await withClient(served.gateway, async client => {
      audit.refuses = record => record.kind === 'statement'
      const said = await ask(client, ...q('copy t to stdout'))
      expect(said.slice(-2)).toEqual([unwritten, 'Z I'])
    })
  })
})

describe('a spool that is full', () => {
  test('lets nothing new run, inside a transaction or not, and is forgotten once it is mended', async () => {
    await withClient(served.gateway, async client => {
      await ask(client, ...q('begin'))
      audit.healthy = false
      expect(await ask(client, ...q('select 1'))).toEqual([unwritten, 'Z E'])
      expect(await ask(client, ...series(...one('rollback')))).toEqual([unwritten, 'Z E'])
      audit.mend()
      expect(await ask(client, ...q('rollback'))).toEqual(['C ROLLBACK', 'Z I'])
      expect(await ask(client, ...series(...one('select 1')))).toEqual(['1', '2', 'D×1', 'C SELECT 1', 'Z I'])
    })
  })

  test('a portal that was bound before does not run either', async () => {
    await withClient(served.gateway, async client => {
      await ask(client, ...q('begin'))
      await ask(client, ...series(parse('select 5', 's'), bind('s', 'p')))
      audit.healthy = false
      expect(await ask(client, ...series(execute(0, 'p')))).toEqual([unwritten, 'Z E'])
    })
  })
})

test('a spool that cannot be flushed: not a byte of the turn leaves, and the connection ends', async () => {
  const client = await RawClient.open(served.gateway)
  audit.flushes = false
  client.send(...q('select name from t limit 1'))
  expect(await hear(client, 500)).toEqual(['E FATAL 57P03 the audit log cannot be written', '!'])
})

describe('every statement has one final record', () => {
  const finals = (text: string) =>
    audit.ends(text).map(({ kind, sqlstate }) => (sqlstate === undefined ? kind : `${kind} ${sqlstate}`))

  test('whatever becomes of it', async () => {
    served.setLimits({ cellMaxBytes: 1_000, statementTimeoutMs: 400 })
    await withClient(served.gateway, async client => {
      await ask(client, ...q("select 'a'; select 'b' from t; select 'c'/0; select 'd'"))
      await ask(client, ...series(...one("select 'e'"), ...one('select 10/0'), ...one("select 'f'")))
      await ask(client, ...q("select string_agg(name, 'g') from t"))
      await ask(client, ...q(`${slow} and 1 = 1`))
      await ask(client, ...q("set statement_timeout to 'h'"))
      await ask(client, ...q('begin'))
      await ask(client, ...q("select 'i' from missing"))
      await ask(client, ...q("select 'j'"))
      await ask(client, ...series(parse("select 'k'")))
    })
    expect(finals("select 'a'")).toEqual(['statement'])
    expect(finals("select 'b' from t")).toEqual(['statement'])
    expect(finals("select 'c'/0")).toEqual(['statement 22P02'])
    expect(finals("select 'd'")).toEqual([])
    expect(finals("select 'e'")).toEqual(['statement'])
    expect(finals('select 10/0')).toEqual(['statement 22012'])
    expect(finals("select 'f'")).toEqual([])
    expect(finals("select string_agg(name, 'g') from t")).toEqual(['statement 54000'])
    expect(finals(`${slow} and 1 = 1`)).toEqual(['statement 57014'])
    expect(finals("set statement_timeout to 'h'")).toEqual(['refusal 22023'])
    expect(finals("select 'i' from missing")).toEqual(['refusal 42P01'])
    expect(finals("select 'j'")).toEqual(['refusal 25P02'])
    expect(finals("select 'k'")).toEqual(['refusal 25P02'])
  })

  test('that is ended by a limit, and whose client leaves before the server has stopped', async () => {
    served.setLimits({ rowsMax: 5 })
    const text = `copy (select a.id from t a, t b) to stdout`
    const client = await RawClient.open(served.gateway)
    client.send(...q(text))
    await until(() => audit.ends(text).length > 0)
    client.socket.destroy()
    await until(() => served.database.pool.stats().held === 0)
    expect(finals(text)).toEqual(['statement 54000'])
  })

  test('that gets no upstream', async () => {
    served.setLimits({ upstreamsPerPrincipal: 1 })
    const first = await RawClient.open(served.gateway)
    await ask(first, ...q('begin'))
    served.setLimits({ upstreamsPerPrincipal: 1, wallClockMs: 300 })
    await withClient(served.gateway, async client => {
      expect((await ask(client, ...q("select 'waits'")))[0]).toMatch(/^E ERROR 57014/)
      expect((await ask(client, ...series(...one("select 'waits too'"))))[0]).toMatch(/^E ERROR 57014/)
    })
    expect(finals("select 'waits'")).toEqual(['refusal 57014'])
    expect(finals("select 'waits too'")).toEqual(['refusal 57014'])
    first.socket.destroy()
  })
})
