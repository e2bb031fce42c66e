import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { complete } from '../../src/mcp/completion.ts'
import { toolsOf } from '../../src/mcp/registry.ts'
import { describeTableTool } from '../../src/mcp/tools/describe-table.ts'
import { listSchemasTool } from '../../src/mcp/tools/list-schemas.ts'
import { listTablesTool } from '../../src/mcp/tools/list-tables.ts'
import { provisionSchemaTool } from '../../src/mcp/tools/provision-schema.ts'
import { teardownSchemaTool } from '../../src/mcp/tools/teardown-schema.ts'
import { Caller, metaOf } from './call.ts'
import { openWorld, type World } from './world.ts'

let world: World
let alice: Caller
let vera: Caller
let adam: Caller
let greta: Caller

beforeAll(async () => {
  world = await openWorld(['acme', 'globex'])
  const tools = toolsOf({ extended: false })
  alice = new Caller(world, await world.user('acme', 'alice', 'analyst'), tools)
  vera = new Caller(world, await world.user('acme', 'vera', 'viewer'), tools)
  adam = new Caller(world, await world.user('acme', 'adam', 'admin'), tools)
  greta = new Caller(world, await world.user('globex', 'greta', 'admin'), tools)
})
afterAll(() => world.close())

async function provision(caller: Caller, purpose: string): Promise<{ schema: string; handle: string }> {
  return (await caller.ask(provisionSchemaTool, { purpose })).data
}

describe('provision_schema', () => {
  it('makes a schema, and gives the same one again', async () => {
    const first = await alice.ask(provisionSchemaTool, { purpose: 'sales' })
    expect(first.data).toMatchObject({
      created: true,
      purpose: 'sales',
      database: 'crm',
      state: 'active',
      private: false,
    })
    expect(first.structured).toMatchObject({ database: 'crm', schema: first.data.schema })
    for (const fact of [first.data.schema, first.data.handle, first.data.expires_at!, 'created', 'active'])
      expect(first.text).toContain(fact)
    const second = await alice.ask(provisionSchemaTool, { purpose: 'sales' })
    expect(second.data).toMatchObject({ created: false, handle: first.data.handle, schema: first.data.schema })
    expect(second.text).toContain('it stood already')
    const kept = await alice.ask(provisionSchemaTool, { schema: first.data.handle })
    expect(kept.data).toMatchObject({ created: false, handle: first.data.handle })
  })

  it('is used by handle or name at once, and is empty', async () => {
    const { schema, handle } = await provision(alice, 'fresh')
    for (const named of [schema, handle]) {
      const { data, structured } = await alice.ask(listTablesTool, { schema: named })
      expect(data).toMatchObject({ tables: [], total: 0 })
      expect(data.note).toContain('run_materialization')
      expect(structured).toMatchObject({ schema })
    }
    const meta = metaOf({ schema: handle })
    expect((await alice.ask(listTablesTool, {}, { meta })).structured).toMatchObject({ schema })
    await world.seed('acme', `create table "${schema}".t (id int primary key)`)
    expect((await alice.ask(describeTableTool, { schema: handle, table: 't', refresh: true })).data).toMatchObject({
      schema,
      name: 't',
    })
  })

  it('keeps a private one from everybody else, admins too', async () => {
    const { data } = await alice.ask(provisionSchemaTool, { purpose: 'secret', private: true })
    expect(data).toMatchObject({ private: true })
    expect((await alice.ask(listTablesTool, { schema: data.handle })).data.total).toBe(0)
    expect((await complete('schema', 'secret', await alice.context())).values).toEqual([data.schema])
    for (const other of [vera, adam, greta]) {
      for (const schema of [data.schema, data.handle])
        expect(await other.fail(listTablesTool, { schema })).toMatchObject({ code: 'NOT_FOUND', sqlstate: '3F000' })
      expect((await complete('schema', 'secret', await other.context())).values).toEqual([])
      expect((await other.fail(listTablesTool, { schema: 'acme_alice_secre' })).text).not.toContain(data.schema)
      expect((await other.fail(describeTableTool, { table: `${data.schema}.t` })).text).not.toContain(data.handle)
    }
  })

  it('says what is wrong with what it is given', async () => {
    expect(await alice.fail(provisionSchemaTool, {})).toMatchObject({
      code: 'VALIDATION_ERROR',
      message: 'purpose is missing',
    })
    expect(await alice.fail(provisionSchemaTool, { purpose: 'a', ttl_hours: 0 })).toMatchObject({
      code: 'VALIDATION_ERROR',
    })
    expect(await alice.fail(provisionSchemaTool, { schema: 'crm' })).toMatchObject({ code: 'VALIDATION_ERROR' })
    expect(await vera.fail(provisionSchemaTool, { purpose: 'mine' })).toMatchObject({
      code: 'PERMISSION_DENIED',
      message: 'provision_schema needs the scope schema:provision',
    })
  })
})

describe('list_schemas', () => {
  it('lists what is the caller’s own, and says so where there is nothing', async () => {
    const { handle, schema } = await provision(alice, 'listed')
    const { data, text } = await alice.ask(listSchemasTool)
    const listed = data.schemas.find(one => one.handle === handle)
    expect(listed).toMatchObject({ schema, purpose: 'listed', state: 'active', database: 'crm' })
    const line = text.split('\n').find(one => one.includes(handle))
    for (const fact of [schema, listed!.created_at, listed!.last_accessed_at, listed!.expires_at!])
      expect(line).toContain(fact)
    expect((await alice.ask(listSchemasTool, { schema: handle })).data.schemas).toHaveLength(1)
    const none = await vera.ask(listSchemasTool)
    expect(none.data.schemas).toEqual([])
    expect(none.text).toContain('provision_schema')
  })
})

describe('teardown_schema', () => {
  it('asks first, with what will go, and takes only the code that it gave', async () => {
    const { schema, handle } = await provision(alice, 'doomed')
    await world.seed('acme', `create table "${schema}".gone (id int); insert into "${schema}".gone values (1)`)
    const asked = await alice.fail(teardownSchemaTool, { schema: handle })
    expect(asked).toMatchObject({ code: 'CONFIRMATION_REQUIRED' })
    expect(asked.message).toContain(`Schema ${schema} of database crm (doomed) is dropped for good. It holds 1 table`)
    expect(asked.message).toContain('gone')
    const code = /confirmation_code "(\w+)"/.exec(asked.hint!)![1]
    for (const args of [
      { schema: handle, confirm: true },
      { schema: handle, confirmation_code: 'AAAAAAAA' },
      { schema, confirmation_code: code },
    ])
      expect(['VALIDATION_ERROR', 'CONFIRMATION_REQUIRED']).toContain((await alice.fail(teardownSchemaTool, args)).code)
    const { data, text } = await alice.ask(teardownSchemaTool, { schema: handle, confirmation_code: code })
    expect(data).toMatchObject({ schema, handle, tables_dropped: [{ name: 'gone', kind: 'table' }] })
    expect(text).toContain('gone\ttable')
    expect(await alice.fail(teardownSchemaTool, { schema: handle, confirmation_code: code })).toMatchObject({
      code: 'NOT_FOUND',
    })
    const after = await alice.fail(listTablesTool, { schema: handle })
    expect(after).toMatchObject({ code: 'NOT_FOUND', sqlstate: '3F000' })
    expect(after.text).toContain('provision_schema')
  })

  it('refuses where something else is built on it', async () => {
    const { schema } = await provision(alice, 'base')
    await world.seed(
      'acme',
      `create table "${schema}".t (id int); create view crm.on_top as select * from "${schema}".t`,
    )
    const refused = await alice.fail(teardownSchemaTool, { schema })
    expect(refused).toMatchObject({ code: 'CONFLICT', sqlstate: '2BP01' })
    expect(refused.message).toContain('on_top')
    await world.seed('acme', 'drop view crm.on_top')
  })

  it('leaves what is not the caller’s to drop', async () => {
    const { schema, handle } = await provision(alice, 'listed')
    expect(await alice.fail(teardownSchemaTool, {})).toMatchObject({ code: 'VALIDATION_ERROR' })
    expect((await alice.fail(teardownSchemaTool, { schema: 'crm' })).code).toMatch(
      /PERMISSION_DENIED|NOT_FOUND|CONFLICT/,
    )
    expect(await vera.fail(teardownSchemaTool, { schema })).toMatchObject({ code: 'PERMISSION_DENIED' })
    const foreign = await greta.fail(teardownSchemaTool, { schema: handle })
    const missing = await greta.fail(teardownSchemaTool, { schema: '018f0000-0000-7000-8000-000000000000' })
    expect(foreign.code).toBe('NOT_FOUND')
    expect(foreign.message.replace(handle, 'x')).toBe(
      missing.message.replace('018f0000-0000-7000-8000-000000000000', 'x'),
    )
    expect(await adam.fail(teardownSchemaTool, { schema: handle })).toMatchObject({ code: 'CONFIRMATION_REQUIRED' })
  })
})
