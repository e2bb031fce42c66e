import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Served } from '../support/served.ts'
import { expectNothingLeft, serveCompany, slowQuery, waitUntilUpstreamsAre } from './company.ts'

describe('postgres.js', () => {
  let served: Served
  let sql: postgres.Sql
  const connect = (options: postgres.Options<Record<string, never>> = {}) => {
    const { host, port, user, password, database } = served.gateway
    return postgres({ host, port, user, password, database, max: 4, onnotice: () => {}, ...options })
  }
  beforeAll(async () => {
    served = await serveCompany()
  })
  beforeEach(() => {
    sql = connect()
  })
  afterEach(async () => {
    await sql.end({ timeout: 2 })
    await expectNothingLeft(served)
  })
  afterAll(() => served?.stop())

  it('reads types, with arrays of the catalog', async () => {
    const [row] = await sql`
      select id, name, tags, profile, balance, now() as now, array[feeling]::mood[] as moods, 'größer' as umlaut,
             '\\x00ff'::bytea as bytes, '{1,2}'::int[] as list
        from customers where id = ${7}`
    expect(row).toEqual({
      ...{ id: 7, name: 'customer 7', tags: ['t1', 'ä'], profile: { n: 7, list: [7, null, 'x'] }, balance: '73.50' },
      ...{ now: expect.any(Date), moods: ['ok'], umlaut: 'größer', bytes: Buffer.from([0, 255]), list: [1, 2] },
    })
  })

  it('builds queries of fragments', async () => {
    const ids = [3, 1, 2]
    const rows =
      await sql`select ${sql(['id', 'name'])} from ${sql('crm.customers')} where id in ${sql(ids)} and ${sql`true`} order by id`
    expect(rows.map(row => row.name)).toEqual(['customer 1', 'customer 2', 'customer 3'])
    expect(await sql`select ${sql.json({ a: 1 })}::jsonb as j, ${sql.array(['x', 'y'])}::text[] as l`).toEqual([
      { j: { a: 1 }, l: ['x', 'y'] },
    ])
  })

  it('pipelines', async () => {
    const one = connect({ max: 1 })
    const asked = Array.from({ length: 200 }, (_, at) => one`select ${at}::int as n`)
    const failing = one`select 1 / ${0}::int`.catch((error: unknown) => error)
    const after = one`select count(*)::int as n from orders`
    expect((await Promise.all(asked)).map(rows => rows[0]?.n)).toEqual(Array.from({ length: 200 }, (_, at) => at))
    expect(await failing).toMatchObject({ code: '22012' })
    expect(await after).toEqual([{ n: 5000 }])
    await one.end()
  })

  it('works in transactions with savepoints', async () => {
    const total = await sql.begin('isolation level repeatable read read only', async transaction => {
      await transaction.savepoint(inner => inner`select 1 / 0`).catch((error: unknown) => error)
      const [row] = await transaction`select count(*)::int as n from orders`
      return row?.n
    })
    expect(total).toBe(5000)
    await expect(
      sql.begin(transaction => transaction`insert into customers (name) values ('x')`),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/42501|25006/),
    })
    await expect(sql.begin(transaction => transaction`select * from nothere`)).rejects.toMatchObject({ code: '42P01' })
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }])
  })

  it('reads with a cursor', async () => {
    const sizes: number[] = []
    await sql`select id from orders order by id`.cursor(2000, rows => void sizes.push(rows.length))
    expect(sizes).toEqual([2000, 2000, 1000])
    for await (const rows of sql`select id from orders order by id`.cursor(10)) {
      expect(rows[9]).toEqual({ id: '10' })
      break
    }
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }])
  })

  it('goes through rows one by one, raw, and describes', async () => {
    let rows = 0
    await sql`select id from orders`.forEach(() => void rows++)
    expect(rows).toBe(5000)
    expect(await sql`select id, name from customers where id = 1`.values()).toEqual([[1, 'customer 1']])
    const described = await sql`select name from customers where id = ${1}`.describe()
    expect(described).toMatchObject({ types: [23], columns: [{ name: 'name', type: 25 }] })
  })

  it('copies out', async () => {
    const stream = await sql`copy (select id, name from customers order by id) to stdout`.readable()
    let text = ''
    for await (const chunk of stream) text += chunk
    expect(text.split('\n').slice(0, 2)).toEqual(['1\tcustomer 1', '2\tcustomer 2'])
    expect(text.split('\n')).toHaveLength(51)
  })

  it('runs scripts by the simple protocol', async () => {
    expect(await sql`select 1 as a; select 2 as b`.simple()).toMatchObject([[{ a: 1 }], [{ b: 2 }]])
    expect(await sql.unsafe('select $1::int as n', [4])).toEqual([{ n: 4 }])
    await expect(sql.unsafe('selekt')).rejects.toMatchObject({ code: '42601' })
  })

  it('works unprepared, and with settings of its own', async () => {
    const other = connect({
      prepare: false,
      connection: { application_name: 'reports', TimeZone: 'Asia/Tokyo', statement_timeout: 20_000 },
    })
    for (let at = 0; at < 3; at++) expect(await other`select ${at}::int as n`).toEqual([{ n: at }])
    expect(await other`show timezone`).toEqual([{ TimeZone: 'Asia/Tokyo' }])
    expect(other.parameters.application_name).toBe('reports')
    await other.end()
  })

  it('keeps a connection to itself', async () => {
    const reserved = await sql.reserve()
    await reserved`set timezone = 'Asia/Tokyo'`
    expect(await reserved`show timezone`).toEqual([{ TimeZone: 'Asia/Tokyo' }])
    reserved.release()
  })

  it('cancels', async () => {
    const asked = sql.unsafe(slowQuery)
    const outcome = asked.catch((error: unknown) => error)
    await waitUntilUpstreamsAre(served, 'busy', 5_000)
    asked.cancel()
    await waitUntilUpstreamsAre(served, 'idle', 1_000)
    expect(await outcome).toMatchObject({ code: '57014' })
  })

  it('may not listen, and goes on', async () => {
    await expect(sql.listen('c', () => {})).rejects.toMatchObject({ code: expect.stringMatching(/^(0A000|42501)$/) })
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }])
  })
})
