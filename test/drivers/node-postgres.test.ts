import pg from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Served } from '../support/served.ts'
import { expectNothingLeft, nodeConfig, serveCompany, slowQuery, waitUntilUpstreamsAre } from './company.ts'

describe('node-postgres', () => {
  let served: Served
  let client: pg.Client
  const clients: pg.Client[] = []
  const connect = async (options: pg.ClientConfig = {}) => {
    const opened = new pg.Client({ ...nodeConfig(served.gateway), ...options })
    clients.push(opened)
    opened.on('error', () => {})
    await opened.connect()
    return opened
  }
  beforeAll(async () => {
    served = await serveCompany()
  })
  beforeEach(async () => {
    client = await connect()
  })
  afterEach(async () => {
    served.setLimits({})
    await Promise.all(clients.splice(0).map(opened => opened.end()))
    await expectNothingLeft(served)
  })
  afterAll(() => served?.stop())

  it('reads types', async () => {
    const answer = await client.query(
      `select id, name, feeling, tags, profile, balance, now() as now, null as nothing, true as yes, '\\x00ff'::bytea as bytes,
              1.5::float8 as float, 9007199254740993 as big, 'größer' as umlaut, array[1, null, 3] as list
         from customers where id = $1`,
      [7],
    )
    expect(answer.rows).toEqual([
      {
        ...{ id: 7, name: 'customer 7', feeling: 'ok', tags: ['t1', 'ä'], balance: '73.50' },
        ...{ profile: { n: 7, list: [7, null, 'x'] }, now: expect.any(Date), nothing: null, yes: true },
        ...{ bytes: Buffer.from([0, 255]), float: 1.5, big: '9007199254740993', umlaut: 'größer', list: [1, null, 3] },
      },
    ])
    expect(answer.fields.find(field => field.name === 'id')).toMatchObject({ dataTypeID: 23, columnID: 1 })
    expect(answer).toMatchObject({ command: 'SELECT', rowCount: 1 })
  })

  it('sends parameters of every kind', async () => {
    const values = [7, 'it\'s "größer"', null, true, new Date(0), { a: [1] }, ['x', null, 'y"'], Buffer.from([0, 1])]
    const answer = await client.query({
      text: 'select $1::int a, $2::text b, $3::text c, $4::bool d, $5::timestamptz e, $6::jsonb f, $7::text[] g, $8::bytea h',
      values,
      rowMode: 'array',
    })
    expect(answer.rows).toEqual([values])
    const many = Array.from({ length: 3000 }, (_, at) => at)
    const places = many.map(at => `($${at + 1}::int)`).join(',')
    expect((await client.query(`select sum(v)::int as sum from (values ${places}) t(v)`, many)).rows[0].sum).toBe(
      4498500,
    )
  })

  it('prepares by name', async () => {
    const prepared = { name: 'by-id', text: 'select name from customers where id = $1' }
    for (let id = 1; id <= 20; id++) {
      expect((await client.query({ ...prepared, values: [id] })).rows).toEqual([{ name: `customer ${id}` }])
    }
    await expect(client.query({ ...prepared, values: ['x'] })).rejects.toMatchObject({ code: '22P02' })
    expect((await client.query({ ...prepared, values: [1] })).rows).toHaveLength(1)
  })

  it('reads in binary', async () => {
    const inBinary = { text: 'select id, $1::bool as yes, 258 as n from customers where id = 7', binary: true }
    expect((await client.query({ ...inBinary, values: [true] })).rows).toEqual([{ id: 7, yes: true, n: 258 }])
  })

  it('queues queries on one connection', async () => {
    const asked = Array.from({ length: 100 }, (_, at) => client.query('select $1::int as n', [at]))
    const failing = client.query('select 1 / $1::int', [0])
    const after = client.query('select count(*)::int as n from orders')
    expect((await Promise.all(asked)).map(answer => answer.rows[0].n)).toEqual(
      Array.from({ length: 100 }, (_, at) => at),
    )
    await expect(failing).rejects.toMatchObject({ code: '22012' })
    expect((await after).rows).toEqual([{ n: 5000 }])
  })

  it('says what is wrong, and goes on', async () => {
    await expect(client.query('select nothere from customers')).rejects.toMatchObject({ code: '42703', position: '8' })
    await expect(client.query('selekt 1')).rejects.toMatchObject({ code: '42601', position: '1' })
    await expect(client.query('select * from crm.nothere where a = $1', [1])).rejects.toMatchObject({ code: '42P01' })
    await expect(client.query('delete from customers')).rejects.toMatchObject({
      code: expect.stringMatching(/42501|25006/),
    })
    await expect(client.query('select $1', [Symbol.iterator.toString(), 1])).rejects.toMatchObject({ code: '08P01' })
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('keeps transactions', async () => {
    await client.query('BEGIN')
    await client.query('SAVEPOINT a')
    await expect(client.query('select 1/0')).rejects.toMatchObject({ code: '22012' })
    await expect(client.query('select 1')).rejects.toMatchObject({ code: '25P02' })
    await client.query('ROLLBACK TO SAVEPOINT a')
    expect((await client.query('select 2 as two')).rows).toEqual([{ two: 2 }])
    expect((await client.query('COMMIT')).command).toBe('COMMIT')
    await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE')
    await client.query('COMMIT')
  })

  it('answers several statements', async () => {
    const answers: unknown = await client.query('select 1 as a; set datestyle = german; select 2 as b, 3 as c')
    expect(answers).toMatchObject([{ rows: [{ a: 1 }] }, { command: 'SET' }, { rows: [{ b: 2, c: 3 }] }])
  })

  it('reads with a cursor', async () => {
    const cursor = client.query(new Cursor('select id from orders where id > $1 order by id', [10]))
    expect((await cursor.read(3)).map(row => row.id)).toEqual(['11', '12', '13'])
    expect(await cursor.read(4000)).toHaveLength(4000)
    expect(await cursor.read(4000)).toHaveLength(987)
    expect(await cursor.read(10)).toHaveLength(0)
    await cursor.close()
    const left = client.query(new Cursor('select id from orders', []))
    expect(await left.read(5)).toHaveLength(5)
    await left.close()
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('reads two cursors in one transaction', async () => {
    await client.query('begin')
    const names = client.query(new Cursor('select name from customers order by id', []))
    expect(await names.read(2)).toHaveLength(2)
    await names.close()
    const failing = client.query(new Cursor('select 1 / (3 - id) from customers order by id', []))
    await expect(failing.read(10)).rejects.toMatchObject({ code: '22012' })
    await client.query('rollback')
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('streams', async () => {
    const ids: number[] = []
    for await (const row of client.query(
      new QueryStream('select id from orders order by id', [], { batchSize: 333 }),
    )) {
      ids.push(Number(row.id))
    }
    expect(ids).toEqual(Array.from({ length: 5000 }, (_, at) => at + 1))
    for await (const row of client.query(new QueryStream('select id from orders order by id'))) {
      expect(row).toEqual({ id: '1' })
      break
    }
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('counts rows over all batches of a stream', async () => {
    served.setLimits({ rowsMax: 1000 })
    let rows = 0
    for await (const _ of client.query(new QueryStream('select id from orders', [], { batchSize: 300 }))) rows++
    expect(rows).toBe(1000)
  })

  it('pools', async () => {
    const pool = new pg.Pool({ ...nodeConfig(served.gateway), max: 8 })
    const ask = (at: number) => pool.query('select name from customers where id = $1', [1 + (at % 50)])
    const answers = await Promise.all(Array.from({ length: 200 }, (_, at) => ask(at)))
    expect(answers.map(answer => answer.rows[0].name)).toEqual(answers.map((_, at) => `customer ${1 + (at % 50)}`))
    await expect(pool.query('select nothere')).rejects.toMatchObject({ code: '42703' })
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await pool.end()
  })

  it('hears notices and what settings became', async () => {
    const heard: unknown[] = []
    client.on('notice', notice => heard.push(notice.message))
    client.connection.on('parameterStatus', (status: { parameterName: string; parameterValue: string }) =>
      heard.push(`${status.parameterName} = ${status.parameterValue}`),
    )
    await client.query('commit')
    await client.query(`set timezone = 'Asia/Tokyo'`)
    expect(heard).toEqual(['there is no transaction in progress', 'TimeZone = Asia/Tokyo'])
  })

  it('brings settings along', async () => {
    const limited = await connect({
      statement_timeout: 300,
      application_name: 'reports',
      options: '-c datestyle=german',
    })
    await expect(limited.query(slowQuery)).rejects.toMatchObject({ code: '57014' })
    const answer = await limited.query(
      `select current_setting('application_name') as name, '2024-03-02'::date::text as day`,
    )
    expect(answer.rows).toEqual([{ name: 'reports', day: '02.03.2024' }])
  })

  it('cancels by a request', async () => {
    const query = new pg.Query(slowQuery)
    const failed = new Promise(resolve => query.on('error', resolve))
    client.query(query)
    await waitUntilUpstreamsAre(served, 'busy', 5_000)
    new pg.Client(nodeConfig(served.gateway)).cancel(client, query)
    await waitUntilUpstreamsAre(served, 'idle', 1_000)
    expect(await failed).toMatchObject({ code: '57014' })
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('cannot cancel by SQL, also not what is its own, and is told so', async () => {
    const [{ pid }] = (await client.query('select pg_backend_pid() as pid')).rows
    const other = await connect()
    for (const name of ['pg_cancel_backend', 'pg_terminate_backend']) {
      await expect(other.query(`select ${name}(${pid})`)).rejects.toMatchObject({ code: '42501' })
    }
    expect((await other.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await other.end()
  })

  it('is let go of when it leaves in the middle', async () => {
    const asked = client.query(slowQuery).catch(() => 'gone')
    await waitUntilUpstreamsAre(served, 'busy', 5_000)
    client.connection.stream.destroy()
    expect(await asked).toBe('gone')
    await waitUntilUpstreamsAre(served, 'idle', 1_000)
  })
})
