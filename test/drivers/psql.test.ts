import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Served } from '../support/served.ts'
import { ask, expectNothingLeft, serveCompany, slowQuery, waitUntilUpstreamsAre } from './company.ts'
import { isHere, libpqEnvironment, start } from './process.ts'
import { psql, psqlIsHere, startPsql } from './psql.ts'

describe.skipIf(!psqlIsHere)('psql', () => {
  let served: Served
  let folder: string
  const say = (commands: readonly string[], environment: Record<string, string> = {}, flags: readonly string[] = []) =>
    psql(served.gateway, ['-A', '-t', ...flags, ...commands.flatMap(command => ['-c', command])], { environment })
  const script = (input: string) => psql(served.gateway, ['-q', '-A', '-t'], { input })

  beforeAll(async () => {
    served = await serveCompany()
  })
  beforeEach(() => {
    served.setLimits({})
    folder = mkdtempSync(join(tmpdir(), 'postern-psql-'))
  })
  afterEach(async () => {
    rmSync(folder, { recursive: true })
    await expectNothingLeft(served)
  })
  afterAll(() => served?.stop())

  it('copies a query into a file, as it does with Postgres', async () => {
    const copy = (file: string) =>
      `\\copy (select id, name, tags, home from customers order by id) to ${file} csv header`
    const [ours, theirs] = ['ours.csv', 'theirs.csv'].map(name => join(folder, name)) as [string, string]
    expect(await say([copy(ours)])).toEqual({ code: 0, out: 'COPY 50\n', err: '' })
    await psql(served.direct, ['-c', 'set search_path = crm', '-c', copy(theirs)])
    expect(readFileSync(ours, 'utf8')).toBe(readFileSync(theirs, 'utf8'))
    expect(readFileSync(ours, 'utf8').split('\n')).toHaveLength(52)
  })

  it('copies tables and views, as text and in binary', async () => {
    for (const source of ['orders', 'crm.orders (id, total)', 'orders (id) ', '(select * from rich_customers)']) {
      const [ours, theirs] = ['ours', 'theirs'].map(name => join(folder, name)) as [string, string]
      const copy = (file: string, as: string) => `\\copy ${source} to '${file}' ${as}`
      for (const as of ['', 'binary', `with (format csv, delimiter ';', null 'NULL', force_quote *)`]) {
        if (as.includes('force_quote') && source.startsWith('(')) continue
        expect(await say([copy(ours, as)])).toMatchObject({ code: 0, err: '' })
        await psql(served.direct, ['-c', 'set search_path = crm', '-c', copy(theirs, as)])
        expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true)
      }
    }
    expect((await say(['copy customers (id) to stdout'])).out.split('\n')).toHaveLength(51)
  })

  it('is told when a copy was cut off at the limit', async () => {
    served.setLimits({ rowsMax: 100 })
    const ended = await say(['\\copy orders to pstdout'])
    expect(ended.out.split('\n').filter(line => line !== '' && !line.startsWith('COPY'))).toHaveLength(100)
    expect(ended.err).toContain('100')
  })

  it('fetches in portions with FETCH_COUNT', async () => {
    const ended = await script(`\\set FETCH_COUNT 700\nselect id from orders order by id;\nselect 'next';\n`)
    const lines = ended.out.trim().split('\n')
    expect(ended.err).toBe('')
    expect(lines).toHaveLength(5001)
    expect(lines.slice(0, 3)).toEqual(['1', '2', '3'])
    expect(lines.slice(-2)).toEqual(['5000', 'next'])
  })

  it('counts rows over all portions of FETCH_COUNT', async () => {
    served.setLimits({ rowsMax: 1000 })
    const ended = await script(`\\set FETCH_COUNT 300\nselect id from orders order by id;\nselect 'next';\n`)
    expect(ended.out.trim().split('\n')).toHaveLength(1001)
    expect(ended.err).toContain('1000')
  })

  it('keeps answers in variables with \\gset, and runs what a query says with \\gexec', async () => {
    const ended = await script(`
      select count(*) as n, max(name) as last from customers \\gset company_
      \\echo :company_n
      select :company_n * 2, :'company_last';
      select format('select %L', x) from generate_series(1, 3) x \\gexec
      select name, feeling, count(*) from customers where id < 3 group by 1, 2 order by 1 \\crosstabview
      select id, name, total from orders join customers using (id) \\gdesc
      select 1 as one \\gx
      select 1 \\g ${folder}/one
    `)
    expect(ended.err).toBe('')
    expect(ended.out.split('\n').slice(0, 5)).toEqual(['50', '100|customer 9', '1', '2', '3'])
    expect(ended.out).toContain('customer 1|1|\ncustomer 2||1\n')
    expect(ended.out).toContain('id|bigint\nname|text\ntotal|numeric(12,2)')
    expect(ended.out).toContain('one|1')
    expect(readFileSync(join(folder, 'one'), 'utf8')).toBe('1\n')
  })

  it('cancels with Ctrl-C within a second', async () => {
    const running = startPsql(served.gateway, ['-c', slowQuery])
    await waitUntilUpstreamsAre(served, 'busy', 5_000)
    await sleep(200)
    running.process.kill('SIGINT')
    expect(await waitUntilUpstreamsAre(served, 'idle', 1_000)).toBeLessThan(1_000)
    expect(await running.ended).toMatchObject({
      err: expect.stringContaining('ERROR:  canceling statement due to user request'),
    })
  })

  it('is let go of when it is killed', async () => {
    const running = startPsql(served.gateway, ['-c', slowQuery])
    await waitUntilUpstreamsAre(served, 'busy', 5_000)
    running.process.kill('SIGKILL')
    await waitUntilUpstreamsAre(served, 'idle', 1_000)
    await running.ended
  })

  it('brings PGOPTIONS along', async () => {
    const environment = {
      PGOPTIONS: '-c statement_timeout=300 -c search_path=information_schema,crm -c DateStyle=German',
    }
    const show = ['show statement_timeout', 'show search_path', `select '2024-03-02'::date, current_schema()`]
    expect((await say(show, environment)).out).toBe('300ms\ninformation_schema, crm\n02.03.2024|information_schema\n')
    expect((await say([slowQuery], environment)).err).toContain('canceling statement due to statement timeout')
    expect((await say(['select 1'], { PGOPTIONS: '-c role=postgres' })).err).toContain('parameter "role" cannot be set')
  })

  it('reads umlauts whatever its locale', async () => {
    const query = `select tags[2], E'\\u00df', 'größer' from customers limit 1`
    for (const locale of ['C', 'C.UTF-8', 'POSIX']) {
      expect(await say([query], { LC_ALL: locale })).toEqual({ code: 0, out: 'ä|ß|größer\n', err: '' })
    }
    expect((await say(['show client_encoding'], { LC_ALL: 'C' })).out).toBe('UTF8\n')
  })

  it('works in transactions, and goes on after errors in them', async () => {
    const ended = await script(`
      begin;
      select count(*) from customers;
      select 1 / 0;
      select 'never';
      rollback;
      \\set ON_ERROR_ROLLBACK on
      begin;
      select nothing_like_it from customers;
      select 'still here';
      commit;
      \\set AUTOCOMMIT off
      select 'begun';
      delete from customers;
      rollback;
      begin transaction isolation level repeatable read, read only;
      savepoint a;
      select 1 / 0;
      rollback to a;
      select count(*) from orders;
      end;
    `)
    expect(ended.out.trim().split('\n')).toEqual(['50', 'still here', 'begun', '5000'])
    expect(ended.err.match(/ERROR: {2}.*/g)).toEqual([
      'ERROR:  division by zero',
      'ERROR:  current transaction is aborted, commands ignored until end of transaction block',
      'ERROR:  column "nothing_like_it" does not exist',
      expect.stringMatching(/^ERROR: {2}.*DELETE/),
      'ERROR:  division by zero',
    ])
  })

  it('gets every answer of several statements in one message, up to the first error', async () => {
    const ended = await say(['select 1; set datestyle = german; show datestyle; begin; select 2; commit; select 3'])
    expect(ended).toEqual({ code: 0, out: '1\nSET\nGerman, DMY\nBEGIN\n2\nCOMMIT\n3\n', err: '' })
    const failing = await say(['select 1; select 1 / 0; select 3', 'select 4'])
    expect(failing).toMatchObject({ out: '1\n4\n', err: 'ERROR:  division by zero\n' })
  })

  it('cannot write, and stays connected', async () => {
    const writes = [
      `insert into customers (name) values ('x')`,
      'update customers set balance = 0',
      'delete from customers',
      'truncate customers',
      'drop table customers',
      'create table t (a int)',
      'create temp table t (a int)',
      'select * into t from customers',
      'grant select on customers to public',
      'with d as (delete from customers returning *) select * from d',
      '\\copy customers from /dev/null',
      'vacuum customers',
      'refresh materialized view sums',
      `select nextval('ticket_numbers')`,
      'listen x',
      'do $$ begin end $$',
    ]
    const before = await fingerprint()
    const ended = await say([...writes, `select 'still here'`])
    expect(ended.out).toBe('still here\n')
    expect(ended.err.match(/ERROR: {2}/g)).toHaveLength(writes.length)
    expect(await fingerprint()).toEqual(before)
  })

  it('connects anew with \\c, and says where it is', async () => {
    const { database, host, port, user } = served.gateway
    const ended = await script(
      `\\conninfo\n\\c\n\\c "dbname=${database} application_name=two"\nshow application_name;\n`,
    )
    expect(ended.err).toBe('')
    expect(ended.out.split('\n')[0]).toBe(
      `You are connected to database "${database}" as user "${user}" on host "${host}" at port "${port}".`,
    )
    expect(ended.out.trim().split('\n').at(-1)).toBe('two')
  })

  it('is cut off exactly at the limit, and told so', async () => {
    served.setLimits({ rowsMax: 1234 })
    const ended = await say(['select * from orders', 'select count(*) from orders'])
    expect(ended.out.trim().split('\n')).toHaveLength(1235)
    expect(ended.out.trim().split('\n').at(-1)).toBe('5000')
    expect(ended.err).toMatch(/^(NOTICE|WARNING): .*1234/)
  })

  it('is told that it cannot prepare in SQL, and goes on', async () => {
    const ended = await script(`
      prepare one (integer) as select name from customers where id = $1;
      execute one (7);
      deallocate nothere;
      select 'on';
    `)
    expect(ended.out).toBe('on\n')
    expect(ended.err.match(/ERROR: {2}.*/g)).toEqual([
      expect.stringMatching(/PREPARE/),
      expect.stringMatching(/EXECUTE/),
      'ERROR:  prepared statement "nothere" does not exist',
    ])
  })

  it('explains, and walks a cursor', async () => {
    const ended = await script(`
      explain (costs off) select * from customers where id = 7;
      declare c cursor for select 1;
      begin;
      declare c scroll cursor for select id from customers order by id;
      fetch 2 in c;
      move 5 in c;
      fetch prior c;
      fetch backward 1 from c;
      fetch last c;
      close c;
      fetch c;
      rollback;
      discard all;
      reset all;
    `)
    expect(ended.out.trim().split('\n')).toEqual([
      'Index Scan using customers_pkey on customers',
      '  Index Cond: (id = 7)',
      ...['1', '2', '6', '5', '50'],
    ])
    expect(ended.err.match(/ERROR: {2}.*/g)).toEqual([
      'ERROR:  DECLARE CURSOR can only be used in transaction blocks',
      'ERROR:  cursor "c" does not exist',
    ])
  })

  const terminal = psqlIsHere && isHere('script', 'script', ['-qec', 'true', '/dev/null'])
  it.skipIf(!terminal)('completes names, and cancels by a key, at a terminal', async () => {
    const environment = { ...libpqEnvironment(served.gateway), TERM: 'dumb', PAGER: 'cat' }
    const running = start('script', ['-qec', 'psql -X', '/dev/null'], { environment, input: false })
    const type = (keys: string) => running.process.stdin?.write(keys)
    let seen = ''
    running.process.stdout?.on('data', chunk => (seen += chunk))
    await expect.poll(() => seen, { timeout: 5_000 }).toContain('=> ')
    type('select name from custo\t where id = 3;\n')
    await expect.poll(() => seen, { timeout: 5_000 }).toContain('customer 3')
    type(`${slowQuery};\n`)
    await waitUntilUpstreamsAre(served, 'busy', 5_000)
    type('\x03')
    await waitUntilUpstreamsAre(served, 'idle', 1_000)
    type(`select 'still ' || 'here';\n\\q\n`)
    expect((await running.ended).out).toMatch(/canceling statement due to user request.*still here/s)
  })

  async function fingerprint(): Promise<unknown[][]> {
    return ask(
      served,
      `select count(*), sum(balance), (select count(*) from pg_class), (select last_value from crm.ticket_numbers) from crm.customers`,
    )
  }
})
