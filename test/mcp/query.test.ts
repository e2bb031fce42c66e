/** The query tool, asked by clients of both eras. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, newClient, oldClient, openDoor, plainClient, read } from './door.ts'

let door: Door
let key: string
let query: (args: Record<string, unknown>) => Promise<ReturnType<typeof read>>
const closers: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  door = await openDoor({ settings: { rowsDefault: 5, rowsMax: 50, resultMaxBytes: 4_000, cellMaxBytes: 1_024 } })
  await door.world.seed(
    'acme',
    `set search_path = crm;
     create type mood as enum ('sad', 'fine');
     create table customers (id int primary key, name text not null, country text, mood mood default 'fine');
     insert into customers select n, 'c' || n, case when n % 3 = 0 then null else 'DE' end from generate_series(1, 12) n;
     create table tags (name text, customer int);
     insert into tags values ('a', 1), ('a', 2), ('b', 3), ('b', 4), ('b', 5), ('c', 6);
     create table nothing (id int)`,
  )
  key = await door.key('acme', 'alice', 'analyst')
  const client = await newClient(door.mcp.url, key)
  closers.push(() => client.close())
  query = async args => read(await client.callTool({ name: 'query', arguments: args }))
}, 60_000)

afterAll(async () => {
  for (const close of closers) await close()
  await door.close()
  expect(door.faults).toEqual([])
})

describe('a statement', () => {
  it('is answered alike to clients of both eras and both libraries', async () => {
    const sql = 'select id, name from customers where id <= 2 order by id'
    const clients = [await newClient(door.mcp.url, key), await plainClient(door.mcp.url, key)]
    const old = await oldClient(door.mcp.url, key)
    const answers = [
      ...(await Promise.all(clients.map(client => client.callTool({ name: 'query', arguments: { sql } })))),
      await old.callTool({ name: 'query', arguments: { sql } }),
    ].map(read)
    for (const { success, data, database, schema, tenant_id } of answers) {
      expect({ success, database, schema, tenant_id }).toEqual({
        success: true,
        database: 'crm',
        schema: 'crm',
        tenant_id: 'acme',
      })
      expect(data).toMatchObject({
        columns: [
          { name: 'id', type: 'integer', nullable: false, table: 'crm.customers' },
          { name: 'name', type: 'text', nullable: false, table: 'crm.customers' },
        ],
        rows: [
          [1, 'c1'],
          [2, 'c2'],
        ],
        row_count: 2,
        truncated: false,
        tables_accessed: ['crm.customers'],
      })
    }
    for (const client of [...clients, old]) await client.close()
  })

  it('says the same as text, fenced, and marked as data of others', async () => {
    const { text, meta } = await query({ sql: 'select id, name from customers where id = 1' })
    expect(text).toMatch(
      /^<(data-[\da-f]{12})>\ncolumns: "id" integer, "name" text\n\[1,"c1"\]\n1 row\ntables: crm.customers\n<\/\1>\n\[crm\.crm · [\d.]+ ms · request [\da-f-]{36}\]$/,
    )
    expect(meta).toMatchObject({ 'postern/untrusted': true })
  })

  it('keeps every value as it is', async () => {
    const { data } = await query({
      sql: `select 9007199254740993::bigint, 1.10::numeric, 'NaN'::float8, '-infinity'::float4, '\\x00ff'::bytea,
        timestamptz '2026-02-03 04:05:06.7+02', timestamp '2026-02-03 04:05:06', 'infinity'::timestamp, date '2026-02-03',
        '{"a": [1, null]}'::jsonb, '{"n": 12345678901234567890}'::json, array[[1, 2], [3, null]],
        array['a"b', 'c,d', null, 'NULL', ''], array[1.5, 'NaN']::numeric[], true, null, 'fine'::mood, array['sad']::mood[],
        interval '1 day 02:03', 1 as same, 2 as same`,
    })
    expect(data?.rows).toEqual([
      [
        '9007199254740993',
        '1.10',
        'NaN',
        '-Infinity',
        'AP8=',
        '2026-02-03T02:05:06.7+00:00',
        '2026-02-03T04:05:06',
        'infinity',
        '2026-02-03',
        { a: [1, null] },
        '{"n": 12345678901234567890}',
        [
          [1, 2],
          [3, null],
        ],
        ['a"b', 'c,d', null, 'NULL', ''],
        ['1.5', 'NaN'],
        true,
        null,
        'fine',
        ['sad'],
        expect.any(String),
        1,
        2,
      ],
    ])
    const columns = data?.columns
    expect(columns).toContainEqual({ name: 'bytea', type: 'bytea', encoding: 'base64' })
    expect(columns).toContainEqual({ name: 'same_2', type: 'integer' })
    expect(columns).toContainEqual(expect.objectContaining({ type: expect.stringContaining('mood[]') }))
  })

  it('takes parameters, lists too', async () => {
    const { data } = await query({
      sql: 'select name from customers where id = any ($1::int[]) and name <> $2 order by id',
      params: [[1, 2, 3], 'c2'],
    })
    expect(data?.rows).toEqual([['c1'], ['c3']])
  })

  it('comes as CSV and as Markdown', async () => {
    const sql = `select id, country, 'a|b' || chr(10) as x from customers where id in (2, 3) order by id`
    expect((await query({ sql, format: 'csv' })).data).toMatchObject({
      csv: 'id,country,x\n2,DE,"a|b\n"\n3,,"a|b\n"\n',
      row_count: 2,
    })
    expect((await query({ sql, format: 'markdown' })).data?.markdown).toBe(
      '| id | country | x |\n| --- | --- | --- |\n| 2 | DE | a\\|b<br> |\n| 3 | NULL | a\\|b<br> |',
    )
  })
})

describe('a result that is too large', () => {
  it('is cut at the default, says so, and goes on by its cursor where the order is total', async () => {
    const seen: unknown[] = []
    let cursor: unknown
    for (let page = 0; page < 5; page += 1) {
      const sql = 'select id from customers order by id desc -- newest first'
      const { data, text } = await query({ sql, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...(Array.isArray(data?.rows) ? data.rows.flat() : []))
      cursor = data?.cursor
      expect(data?.truncated).toBe(cursor !== undefined)
      if (cursor === undefined) break
      expect(data).toMatchObject({ row_count: 5, truncated_by: 'rows', next_step: expect.stringContaining('cursor') })
      expect(text).toContain(`cursor: ${cursor}`)
    }
    expect(seen).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
  })

  it('has no cursor where rows could come twice, and says how to get one', async () => {
    for (const sql of [
      'select name from tags order by name',
      'select id from customers order by country',
      'select c.id from customers c, tags t order by c.id',
      'select id, generate_series(1, 2) from customers order by id',
      'select country as id from customers order by id',
      'select id from customers',
      'select distinct id from customers order by id',
    ]) {
      const { data } = await query({ sql })
      expect(data).toMatchObject({ truncated: true, next_step: expect.stringContaining('primary key') })
      expect(data?.cursor, sql).toBeUndefined()
    }
  })

  it('does not take a cursor for another statement, of another caller, or one that was changed', async () => {
    const { data } = await query({ sql: 'select id from customers order by id' })
    const cursor = String(data?.cursor)
    const other = await newClient(door.mcp.url, await door.key('acme', 'bob', 'viewer'))
    const stolen = read(
      await other.callTool({ name: 'query', arguments: { sql: 'select id from customers order by id', cursor } }),
    )
    await other.close()
    const changed = await query({ sql: 'select id from customers order by id', cursor: `X${cursor.slice(1)}` })
    const elsewhere = await query({ sql: 'select id from tags order by id', cursor })
    for (const answer of [stolen, changed, elsewhere])
      expect(answer).toMatchObject({ error: { code: 'VALIDATION_ERROR', message: expect.stringContaining('cursor') } })
  })

  it('takes a wish for more up to the operator’s ceiling, not above', async () => {
    expect((await query({ sql: 'select generate_series(1, 100)', max_rows: 100 })).data).toMatchObject({
      row_count: 50,
      truncated: true,
    })
  })

  it('is cut by its bytes, whole rows first', async () => {
    const { data } = await query({ sql: `select repeat('x', 900) from customers`, max_rows: 12 })
    expect(data).toMatchObject({ row_count: 4, truncated: true, truncated_by: 'bytes' })
  })

  it('cuts a long value with a mark and its length', async () => {
    const { data } = await query({ sql: `select repeat('x', 5000), 1` })
    expect(data?.rows).toEqual([[`${'x'.repeat(1024)}… [cut: 5000 bytes in all]`, 1]])
    expect(data?.cuts).toEqual([{ row: 0, column: 0, bytes: 5000 }])
  })
})

describe('a statement that cannot be answered', () => {
  it.each([
    ['select * from customer', 'NOT_FOUND', '42P01'],
    ['select nam from customers', 'NOT_FOUND', '42703'],
    ['selec 1', 'SYNTAX_ERROR', '42601'],
    ['delete from customers', 'NOT_READ_ONLY', '25006'],
    ['select 1 / 0', 'VALIDATION_ERROR', '22012'],
    ['select pg_read_file($$/etc/passwd$$)', 'PERMISSION_DENIED', '42501'],
    ['', 'VALIDATION_ERROR', '22023'],
    ['-- nothing', 'VALIDATION_ERROR', '22023'],
    ['select 1; select 2', 'VALIDATION_ERROR', '42601'],
    ['set statement_timeout = 0', 'VALIDATION_ERROR', '22023'],
    ['select $1::int', 'VALIDATION_ERROR', '08P01'],
  ])('%s → %s', async (sql, code, sqlstate) => {
    const answer = await query({ sql })
    expect(answer).toMatchObject({ success: false, isError: true, error: { code, sqlstate } })
    expect(answer.text).toContain(`${code} (SQLSTATE ${sqlstate}): `)
    expect(answer.text).not.toMatch(/gate_|reader_|postern_|at .*\.ts/)
  })

  it('names every fault of the arguments and what they should be', async () => {
    const { error } = await query({ sqll: 'select 1', format: 'xml', max_rows: 0 })
    expect(error).toMatchObject({ code: 'VALIDATION_ERROR', sqlstate: '22023' })
    expect(error?.message).toContain('"sql" is missing: a string')
    expect(error?.message).toContain('"format" must be one of "rows", "csv", "markdown"')
    expect(error?.message).toContain('"max_rows" must be at least 1')
    expect(error?.message).toContain('there is no argument "sqll", did you mean "sql"?')
  })

  it('names the databases and schemas that there are', async () => {
    expect((await query({ sql: 'select 1', database: 'nope' })).error).toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('crm'),
    })
    expect((await query({ sql: 'select 1', schema: 'nope' })).error).toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('crm'),
    })
  })
})
