/** What would take much of the server or of the gateway. */
import { call, expression, query, type Shape, statement } from '../support/shape.ts'

const deep = (open: string, close: string, count: number, inner = '1') =>
  open.repeat(count) + inner + close.repeat(count)

export const resource: readonly Shape[] = [
  call('pg_sleep', '1'),
  call('pg_sleep_for', "'1 second'"),
  call('pg_sleep_until', "now() + '1 second'"),
  expression("length(repeat('x', 1000000000))"),
  expression("length(repeat('x', 1000 * 1000 * 1000))"),
  expression("length(repeat('x', '1000000000'))"),
  expression("length(repeat('x', 1e9::int))"),
  expression("length(repeat(repeat('x', 10000), 100000))"),
  expression("length(lpad('x', 1000000000))"),
  expression("length(rpad('x', 1000000000, 'y'))"),
  expression("length(format('%1000000000s', 'x'))"),
  expression("length(format('%-999999999s', 'x'))"),
  expression('cardinality(array_fill(1, array[100000000]))'),
  expression('cardinality(array_fill(1, array[10000, 10000]))'),
  query('select count(*) from generate_series(1, 1000000000)'),
  query('select count(*) from generate_series(1, 10 ^ 9)'),
  query('select count(*) from generate_series(0, 100000000, 1)'),
  query('select generate_series(1, 1000000000)'),
  ...[
    `select ${deep('(', ')', 600)}`,
    `select ${deep('abs(', ')', 600)}`,
    `select ${deep('array[', ']', 600)}`,
    `select ${deep('(select ', ')', 600)}`,
    `select 1 ${'/*'.repeat(17)} ${'*/'.repeat(17)}`,
    `select 1 ${'+'.repeat(65)} 1`,
    `select ${deep('not ', '', 5000, 'true')}`,
    `select 1 ${'+ 1 '.repeat(40_000)}`,
    `select '${'x'.repeat(200_000)}'`,
    `select 1 where 1 in (${'1,'.repeat(70_000)} 1)`,
    `select ${'case when true then '.repeat(4000)} 1 ${'end '.repeat(4000)}`,
    `select 1 ${'union all select 1 '.repeat(7000)}`,
    `select ${'- '.repeat(30_000)} 1`,
    `select 1 ${'::int'.repeat(20_000)}`,
    `select ${'1,'.repeat(60_000)} 1, pg_sleep(1)`,
  ].map((sql, at) => ({ ...statement(sql, { verbatim: true }), name: `deep or long text ${at}` })),
]
