/** Conversations that go to Postgres and to the gateway alike: what each says must be the same, message by message. */
import { encodeBind, encodeClose, encodeDescribe, encodeExecute, encodeParse } from '../../src/wire/extended-query.ts'
import { encodeQuery, flush, sync } from '../../src/wire/query.ts'

export interface Step {
  readonly send: readonly Buffer[]
  /** ReadyForQuery messages to wait for. */
  readonly ready: number
}

export const query = (text: string): Step => ({ send: [encodeQuery(text)], ready: 1 })
export const parse = (text: string, name = '', types: number[] = []) =>
  encodeParse({ name, text, parameterTypes: types })
export const bind = (statement = '', portal = '', parameters: (string | null)[] = [], resultFormats: number[] = []) =>
  encodeBind({
    portal,
    statement,
    parameterFormats: [],
    parameters: parameters.map(value => (value === null ? null : Buffer.from(value))),
    resultFormats,
  })
export const describeStatement = (name = '') => encodeDescribe({ kind: 'S', name })
export const describePortal = (name = '') => encodeDescribe({ kind: 'P', name })
export const execute = (rowsMax = 0, portal = '') => encodeExecute({ portal, rowsMax })
export const closeStatement = (name: string) => encodeClose({ kind: 'S', name })
export const closePortal = (name: string) => encodeClose({ kind: 'P', name })
const series = (...send: Buffer[]): Step => ({ send: [...send, sync], ready: 1 })
const one = (text: string) => [parse(text), bind(), describePortal(), execute()]

export const conversations: Readonly<Record<string, readonly Step[]>> = {
  'a row': [query("select 1 as a, 'x' as b, null as c")],
  'rows of a table': [query('select id, name from t order by id limit 3'), query('table t limit 1')],
  'no rows': [query('select id from t where false')],
  'empty queries': [query(''), query(' ; '), query('-- nothing'), query('/* a */')],
  'an error and on': [query('select 1/0'), query('select 1')],
  'a syntax error with its position': [query('select 1 fron t where')],
  'an unknown column with its position': [query("select 'ä', nope from t")],
  'an unknown table': [query('select * from missing')],
  'several statements': [query('select 1; select 2 as b; select 3 where false')],
  'several statements, one fails': [query('select 1; select 1/0; select 3')],
  'several statements with transaction control': [query('begin; select 1; commit; select 2')],
  'a transaction': [query('begin'), query('select count(*) from t'), query('commit'), query('select 1')],
  'a failed transaction': [
    query('begin'),
    query('select 1/0'),
    query('select 1'),
    query('rollback'),
    query('select 1'),
  ],
  'commit of a failed transaction': [query('begin'), query('select 1/0'), query('commit')],
  savepoints: [
    query('begin'),
    query('savepoint a'),
    query('select 1/0'),
    query('rollback to a'),
    query('select 1'),
    query('release a'),
    query('commit'),
  ],
  'an error, then an empty query in a failed transaction': [
    query('begin'),
    query('select 1/0'),
    query(''),
    query('rollback'),
  ],
  'commit and chain': [query('begin'), query('commit and chain'), query('select 1'), query('rollback')],
  'warnings outside of a transaction': [query('commit'), query('rollback')],
  'begin twice': [query('begin'), query('begin'), query('commit')],
  settings: [
    query("set datestyle to 'German'"),
    query("select date '2024-02-03'"),
    query('show datestyle'),
    query('reset datestyle'),
    query("select date '2024-02-03'"),
  ],
  'settings in a transaction': [
    query('begin'),
    query("set intervalstyle to 'iso_8601'"),
    query("select interval '1 day'"),
    query('rollback'),
    query("select interval '1 day'"),
  ],
  'set local': [
    query('begin'),
    query("set local timezone to 'Asia/Tokyo'"),
    query("select timestamptz '2024-01-01 00:00Z'"),
    query('commit'),
    query("select timestamptz '2024-01-01 00:00Z'"),
  ],
  'a setting that does not exist in its kind': [query("set timezone to 'Nowhere/Land'"), query('select 1')],
  'extended, all of it': [
    series(
      parse('select $1::int + 1 as n', '', [23]),
      describeStatement(),
      bind('', '', ['41']),
      describePortal(),
      execute(),
    ),
  ],
  'extended in binary': [
    series(parse("select 1::int4, 'x'::text"), bind('', '', [], [1]), describePortal(), execute()),
  ],
  'a named statement, many times': [
    series(parse('select name from t where id = $1', 's1'), describeStatement('s1')),
    series(bind('s1', '', ['1']), execute()),
    series(bind('s1', '', ['2']), execute(), bind('s1', '', ['3']), execute()),
    series(closeStatement('s1')),
    series(bind('s1', '', ['1']), execute()),
  ],
  'a name taken': [
    series(parse('select 1', 'a')),
    series(parse('select 2', 'a')),
    series(closeStatement('a'), parse('select 2', 'a')),
  ],
  'an error skips to Sync': [
    { send: [...one('select 1'), ...one('select 1/0'), ...one('select 2'), sync, ...one('select 3'), sync], ready: 2 },
  ],
  'errors of names': [
    series(bind('none')),
    series(execute(0, 'none')),
    series(describeStatement('none')),
    series(describePortal('none')),
    series(closeStatement('none'), closePortal('none')),
  ],
  'portals with a row count': [
    query('begin'),
    series(parse('select id from t order by id limit 7'), bind('', 'p'), describePortal('p'), execute(3, 'p')),
    series(execute(3, 'p')),
    series(execute(3, 'p')),
    series(closePortal('p')),
    query('commit'),
  ],
  'a portal dies at Sync': [series(parse('select id from t'), bind('', ''), execute(2)), series(execute(2))],
  'a parse that fails': [series(parse('select nope from t', 'x')), series(bind('x'), execute())],
  'two syncs': [{ send: [sync, sync], ready: 2 }],
  'an empty statement, extended': [series(parse(''), bind(), describePortal(), execute())],
  'a query after a series': [series(...one('select 1')), query('select 2')],
  cursors: [
    query('begin'),
    query('declare c cursor for select id from t order by id limit 5'),
    query('fetch 2 from c'),
    query('fetch forward 2 in c'),
    query('move 1 from c'),
    query('fetch all from c'),
    query('close c'),
    query('fetch 1 from c'),
    query('rollback'),
  ],
  'a cursor is a portal': [
    query('begin'),
    {
      send: [...one('declare srv cursor for select id, name from t order by id limit 6'), describePortal('srv'), sync],
      ready: 1,
    },
    series(execute(2, 'srv')),
    query('fetch 1 from srv'),
    series(execute(0, 'srv')),
    series(closePortal('srv'), describePortal('srv')),
    query('rollback'),
  ],
  'a name that is not prepared': [query('deallocate nothere')],
  'a cursor outside of a transaction': [query('declare c cursor for select 1'), query('fetch 1 from c')],
  'copy out': [
    query('copy (select id, name from t order by id limit 3) to stdout'),
    query('copy (select id from t order by id limit 2) to stdout (format csv, header)'),
    query('copy (select 1/0) to stdout'),
  ],
  explain: [query('explain (costs off) select * from t where id = 1')],
  'transactions by the extended protocol, pipelined': [
    { send: [...one('begin'), ...one('select count(*) from t'), ...one('commit'), sync], ready: 1 },
    {
      send: [...one('begin'), ...one('select 1/0'), sync, ...one('select 5'), sync, ...one('rollback'), sync],
      ready: 3,
    },
  ],
  'flush instead of sync': [
    { send: [parse('select $1::text as a'), describeStatement(), flush], ready: 0 },
    series(bind('', '', ['hello']), execute()),
  ],
  'deallocate and discard': [
    series(parse('select 1', 'd')),
    query('deallocate d'),
    series(bind('d'), execute()),
    query('discard all'),
    query('deallocate all'),
  ],
  'wide results': [query("select g, repeat('x', 200) from generate_series(1, 2000) g")],
  'parameters of many types': [
    series(
      parse('select $1::int8, $2::numeric, $3::timestamptz, $4::jsonb, $5::text[]'),
      bind('', '', ['9007199254740993', '1.50', '2024-01-01 00:00Z', '{"a":1}', null]),
      execute(),
    ),
  ],
}
