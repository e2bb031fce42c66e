/** What is another's: private schemas, ids and names of other users and tenants, asked for by everything that takes a name. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Door, openDoor, read } from '../mcp/door.ts'
import { callTool, complete, readResource } from './support/mcp-request.ts'

let door: Door
let url: string
let alice: string
let bob: string
let greta: string
let schema: string
let handle: string

beforeAll(async () => {
  door = await openDoor({ settings: { toolsExtended: true } })
  url = door.mcp.url
  alice = await door.key('acme', 'alice', 'admin')
  bob = await door.key('acme', 'bob', 'admin')
  greta = await door.key('globex', 'greta', 'admin')
  const { data } = read((await callTool(url, alice, 'provision_schema', { purpose: 'own', private: true })).json.result)
  schema = String(data?.schema)
  handle = String(data?.handle)
  await door.world.seed(
    'acme',
    `create table crm.open (id int primary key, note text);
     create table "${schema}".kept (id int primary key, note text default 'PRIVATE-DEFAULT' check (note <> 'PRIVATE-CHECK'));
     insert into "${schema}".kept select g, 'PRIVATE-VALUE' from generate_series(1, 500) g;
     create view "${schema}".kept_view as select 'PRIVATE-VIEW' as note from "${schema}".kept;
     comment on table "${schema}".kept is 'PRIVATE-COMMENT';
     analyze "${schema}".kept`,
  )
  // What is kept in memory is kept for its owner.
  await callTool(url, alice, 'get_metadata', { schema, refresh: true })
  const described = await callTool(url, alice, 'describe_table', { schema, table: 'kept' })
  expect(JSON.stringify(described.json)).toContain('PRIVATE-COMMENT')
}, 60_000)
afterAll(async () => {
  await door.close()
  expect(door.faults).toEqual([])
})

/** Rows, and what is known of them. Names and definitions stand in the catalogs of the whole tenant. */
const statements = () => [
  `select * from "${schema}".kept`,
  'select * from kept',
  `table "${schema}".kept_view`,
  `explain (verbose) select * from "${schema}".kept`,
  `select row_to_json(k) from "${schema}".kept k`,
  'select most_common_vals::text, histogram_bounds::text from pg_stats',
  'select * from pg_stats_ext',
  'select stavalues1::text from pg_statistic',
  'select query from pg_stat_activity',
]

describe("another user's private schema", () => {
  it('shows none of its rows to a statement, nor what statistics know of them', async () => {
    const seen: string[] = []
    for (const token of [bob, greta])
      for (const sql of statements())
        for (const more of [{}, { schema }, { schema: handle }]) {
          const { json } = await callTool(url, token, 'query', { sql, ...more })
          const { data } = read(json.result)
          if (/PRIVATE-/.test(JSON.stringify({ ...data, sql_executed: '' }))) seen.push(sql)
        }
    expect(seen).toEqual([])
  })

  it('is not there for any tool, resource or completion, whoever asks', async () => {
    const asks: [string, Record<string, unknown>][] = [
      ['list_tables', { schema }],
      ['list_tables', { schema: handle }],
      ['get_metadata', { schema, refresh: true }],
      ['describe_table', { schema, table: 'kept' }],
      ['describe_table', { table: `${schema}.kept` }],
      ['search_objects', { text: 'kept' }],
      ['search_objects', { text: 'kept', schema }],
      ['explain_query', { sql: 'select * from kept', schema }],
      ['list_schemas', {}],
      ['list_databases', {}],
      ['provision_schema', { schema: handle }],
      ['run_materialization', { pipeline: 'x', schema: handle }],
    ]
    for (const token of [bob, greta]) {
      for (const [tool, args] of asks) {
        const { json } = await callTool(url, token, tool, args)
        const { data, meta, error } = read(json.result)
        expect(JSON.stringify({ data, meta }), `${tool} ${JSON.stringify(args)}`).not.toMatch(/kept|PRIVATE/)
        expect(error?.sqlstate, tool).not.toBe('XX000')
      }
      for (const name of [schema, handle]) {
        const { json } = await readResource(url, token, `postern://crm/${name}/kept`)
        expect(json.error?.message).toMatch(/^Resource not found/)
        for (const argument of ['schema', 'table'])
          expect(
            JSON.stringify((await complete(url, token, argument, { schema: name })).json.result ?? ''),
          ).not.toMatch(/kept|own/)
      }
    }
  })
})

describe('an id of somebody else', () => {
  it('answers as one that is of nobody', async () => {
    const nobodys = '01890000-0000-7000-8000-000000000000'
    for (const tool of ['teardown_schema', 'list_tables']) {
      const [own, none] = await Promise.all(
        [handle, nobodys].map(async schema => read((await callTool(url, greta, tool, { schema })).json.result).error),
      )
      expect(JSON.stringify(own).replaceAll(handle, nobodys), tool).toBe(JSON.stringify(none))
    }
  })

  it('of a tenant is not reached by naming it beside the call', async () => {
    for (const key of ['postern/tenant', 'postern/database', 'postern/schema']) {
      const named = key === 'postern/tenant' ? 'acme' : key === 'postern/schema' ? schema : 'acme'
      const { status, json } = await callTool(url, greta, 'list_databases', {}, { [key]: named })
      const text = JSON.stringify(json)
      expect(status === 401 || text.includes('globex'), `${key}: ${text}`).toBe(true)
      expect(text).not.toContain('acme_')
    }
  })
})

describe('a name that is none', () => {
  it.each<[string, Record<string, unknown>]>([
    ['query', { sql: 'select 1', schema: '\u0000' }],
    ['query', { sql: 'select 1', database: '\u0000' }],
    ['query', { sql: 'select \u0000' }],
    ['query', { sql: 'select $1::text', params: ['\u0000'] }],
    ['query', { sql: 'select 1', cursor: '\u0000.\u0000' }],
    ['query', { sql: 'select 1', cursor: '.'.repeat(100_000) }],
    ['explain_query', { sql: 'select $1::text', params: ['\u0000'] }],
    ['describe_table', { table: '\u0000' }],
    ['save_learning', { description: '\u0000', category: 'x', corrected_sql: 'select 1' }],
    ['save_learning', { description: 'x', category: '\u0000', corrected_sql: 'select 1', tables: ['\u0000'] }],
    ['save_learning', { description: 'a\ud800', category: 'x', corrected_sql: 'select 1' }],
    ['provision_schema', { purpose: '\u0000' }],
    ['provision_schema', { schema: '\u0000' }],
    ['teardown_schema', { schema: '\u0000' }],
    ['get_materialization_status', { run_id: '\u0000' }],
    ['cancel_materialization', { run_id: "' or true" }],
    ['configure_pipeline', { pipeline: '\u0000', knobs: {} }],
    ['run_materialization', { pipeline: '\u0000' }],
    ['run_materialization', { pipeline: 'x', idempotency_key: '\u0000' }],
  ])('is refused by %s: %j', async (tool, args) => {
    const { error } = read((await callTool(url, alice, tool, args)).json.result)
    expect(error?.code).toMatch(/VALIDATION_ERROR|NOT_FOUND|UNAVAILABLE/)
  })

  it.each([
    'postern://crm/crm/%00',
    'postern://crm/%00/open',
    'postern://%00/crm/open',
    'postern://knowledge/%00',
    'postern://runs/%00',
    'postern://crm/crm/%2e%2e',
    'postern://crm/crm/open%2f..%2fopen',
    'postern://crm/crm/op%ed',
    'postern://crm/crm/open?x=1',
    'postern://crm/crm/open#x',
    'postern://crm//open',
    'postern:///crm/crm/open',
    'POSTERN://crm/crm/open',
    'file:///etc/passwd',
    `postern://crm/crm/open"; select 1`,
    'postern://knowledge/1',
  ])('is no resource: %s', async uri => {
    expect((await readResource(url, alice, uri)).json.error?.message).toMatch(/^Resource not found/)
  })
})
