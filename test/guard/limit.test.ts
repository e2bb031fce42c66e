import { beforeAll, describe, expect, test } from 'vitest'
import { judging, type Said, tables, upstream } from './judging.ts'

let said: Said
beforeAll(async () => {
  said = await judging({ limits: { rowsMax: 10 } })
})

describe('one row more than the cap is asked for', () => {
  test.each([
    ['select * from users', 'select * from users\nLIMIT 11', 11],
    ['select * from users -- all of them', 'select * from users -- all of them\nLIMIT 11', 11],
    ['select * from users offset 3', 'select * from users offset 3\nLIMIT 11', 11],
    ['(select * from users)', '(select * from users)\nLIMIT 11', 11],
    ['select 1 from users union select 2', 'select 1 from users union select 2\nLIMIT 11', 11],
    [
      'with x as (select * from users limit 99) select * from x',
      'with x as (select * from users limit 99) select * from x\nLIMIT 11',
      11,
    ],
    ['values (1), (2)', 'values (1), (2)\nLIMIT 11', 11],
    ['table users', 'table users\nLIMIT 11', 11],
    ["select 'é💥' from users", "select 'é💥' from users\nLIMIT 11", 11],
    ['select * from users limit 5', 'select * from users limit 5', 5],
    ['select * from users limit 11', 'select * from users limit 11', 11],
    ['select * from users limit 0', 'select * from users limit 0', 0],
    ['select * from users limit 12', 'select * from users limit 11', 11],
    ['select * from users limit 5000000000 offset 3', 'select * from users limit 11 offset 3', 11],
    ['select * from users limit 1e3', 'select * from users limit 11', 11],
    ['select * from users limit 1_000 -- x', 'select * from users limit 11 -- x', 11],
    ['select * from users limit 0x100', 'select * from users limit 11', 11],
    ['select * from users order by 1 limit 99', 'select * from users order by 1 limit 11', 11],
    ['select * from users fetch first 99 rows only', 'select * from users fetch first 11 rows only', 11],
    ['select * from users fetch next row only', 'select * from users fetch next row only', 1],
    ['(select * from users limit 99) offset 1', '(select * from users limit 11) offset 1', 11],
    ['select * from orders order by 1', 'select * from orders order by 1\nLIMIT 11', 11],
    ['declare c cursor for select * from users', 'declare c cursor for select * from users\nLIMIT 11', 11],
    ['copy (select * from users) to stdout', 'copy (select * from users\nLIMIT 11) to stdout', 11],
    [
      'copy (select * from users -- )\n) to stdout (format csv)',
      'copy (select * from users -- )\n\nLIMIT 11) to stdout (format csv)',
      11,
    ],
    [
      "copy (select ')' from users) to stdout with (delimiter ')', force_quote (id)) -- )",
      "copy (select ')' from users\nLIMIT 11) to stdout with (delimiter ')', force_quote (id)) -- )",
      11,
    ],
    [
      'copy (select * from (select 1) x) to stdout /* ) */ csv',
      'copy (select * from (select 1) x\nLIMIT 11) to stdout /* ) */ csv',
      11,
    ],
    ['copy (select * from users limit 99) to stdout', 'copy (select * from users limit 11) to stdout', 11],
    ['select 1, current_user', 'select 1, current_user', 1],
  ])('%s', (text, spliced, rows) => {
    expect(said(text)).toMatchObject({ kind: 'run', text: spliced, limitPushed: rows })
  })

  test.each([
    'select * from users order by 1',
    'select * from users limit all',
    'select * from users limit null',
    'select * from users limit $1',
    'select * from users limit 5 + 99',
    'select * from users limit 99::bigint',
    'select * from users limit (select 99)',
    'select * from users order by 1 fetch first 99 rows with ties',
    'explain select * from users',
    'copy users to stdout',
  ])('%s: left to the session', text => {
    expect(said(text)).toMatchObject({ kind: 'run', text, splices: [], limitPushed: undefined })
  })

  test('unless it is switched off', async () => {
    const off = await judging({ limits: { rowsMax: 10, pushdown: 'off' } })
    expect(off('select * from users')).toMatchObject({ text: 'select * from users', limitPushed: undefined })
  })

  test('a sorted read of a view counts the table below it', async () => {
    const view = {
      oid: 1,
      schema: 'app',
      name: 'v',
      kind: 'v',
      columns: ['id'],
      rowsEstimate: -1,
      definition: 'select o.id from app.orders o',
      policies: [],
    }
    const viewed = await judging({ limits: { rowsMax: 10 }, catalog: { relations: [...tables, view] } })
    expect(upstream(viewed('select * from v order by 1'))).toBe('select * from v order by 1\nLIMIT 11')
  })
})

describe('splices', () => {
  test('are in the client text, in order', () => {
    expect(said('select pg_backend_pid(), * from pg_stat_activity a')).toMatchObject({
      text: 'select (select 0 as pg_backend_pid), * from postern_catalog.pg_stat_activity a\nLIMIT 11',
      splices: [
        { start: 7, end: 23, text: '(select 0 as pg_backend_pid)', fill: 'virtual-pid' },
        { start: 32, end: 48, text: 'postern_catalog.pg_stat_activity' },
        { start: 50, end: 50, text: '\nLIMIT 11' },
      ],
    })
  })

  test.each([
    ['select pg_catalog.pg_backend_pid () /* x */', 'select (select 0 as pg_backend_pid) /* x */\nLIMIT 11'],
    ['select "pg_backend_pid"( /* none */ )::text', 'select (select 0 as pg_backend_pid)::text\nLIMIT 11'],
    ['select 1 where 1=pg_backend_pid()or true', 'select 1 where 1=(select 0 as pg_backend_pid)or true\nLIMIT 11'],
    ['select 1 order by pg_backend_pid()', 'select 1 order by (select 0 as pg_backend_pid)'],
  ])('%s', (text, spliced) => {
    expect(upstream(said(text))).toBe(spliced)
  })

  test('pg_backend_pid() where a subquery cannot stand for it', () => {
    expect(upstream(said('select * from pg_backend_pid()'))).toBe('0A000 pg_backend_pid() is not supported in FROM')
    expect(upstream(said('select U&"pg_backend_pid"()'))).toMatch(/^0A000/)
  })
})
