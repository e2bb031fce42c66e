import { afterAll, beforeAll, expect, it } from 'vitest'
import { complete } from '../../src/mcp/completion.ts'
import { toolsOf } from '../../src/mcp/registry.ts'
import { readResource } from '../../src/mcp/resources.ts'
import { describeTableTool } from '../../src/mcp/tools/describe-table.ts'
import { getMaterializationStatusTool } from '../../src/mcp/tools/get-materialization-status.ts'
import { getMetadataTool } from '../../src/mcp/tools/get-metadata.ts'
import { listPipelinesTool } from '../../src/mcp/tools/list-pipelines.ts'
import { listSchemasTool } from '../../src/mcp/tools/list-schemas.ts'
import { listTablesTool } from '../../src/mcp/tools/list-tables.ts'
import { searchObjectsTool } from '../../src/mcp/tools/search-objects.ts'
import { freshDatabase } from '../support/cluster.ts'
import { Caller } from './call.ts'
import { openWorld, type World } from './world.ts'

let world: World
let alice: Caller

beforeAll(async () => {
  world = await openWorld(['acme'])
  await world.seed('acme', 'create table crm.orders (id int primary key); insert into crm.orders values (1)')
  alice = new Caller(world, await world.user('acme', 'alice', 'analyst'), toolsOf({ extended: true }))
})
afterAll(() => world.close())

async function setReachable(reachable: boolean): Promise<void> {
  const { dbname } = await world.row('acme')
  const { owner } = world.control
  await owner.query(`alter database "${dbname}" allow_connections ${reachable}`)
  if (!reachable)
    await owner.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [dbname])
}

const calls = [
  [listTablesTool, {}],
  [describeTableTool, { table: 'orders' }],
  [getMetadataTool, {}],
  [searchObjectsTool, { text: 'orders' }],
] as const

it('a database that is away is an error, never an empty one', async () => {
  await setReachable(false)
  for (const [tool, args] of calls) {
    const { code, text } = await alice.fail(tool, args)
    expect(code, tool.name).toBe('UNAVAILABLE')
    expect(text).not.toMatch(/no table|0 tables|postgres:\/\/|password|gate_/i)
  }
  const context = await alice.context()
  await expect(readResource('postern://crm/crm/orders', context)).rejects.toMatchObject({ code: /^(08|57|53|3D|55)/ })
  await expect(complete('table', '', context)).rejects.toThrow()
  await setReachable(true)
  expect((await alice.ask(listTablesTool)).data.total).toBe(1)
})

it('what was known once is not given for what is', async () => {
  await alice.ask(listTablesTool)
  await setReachable(false)
  for (const tool of [getMetadataTool, describeTableTool] as const) {
    const args = tool === describeTableTool ? { table: 'orders', refresh: true } : { refresh: true }
    expect((await alice.fail(tool, args)).code).toBe('UNAVAILABLE')
  }
  await setReachable(true)
})

it('a call that is taken back says so', async () => {
  const signal = AbortSignal.abort()
  for (const [tool, args] of [
    [getMetadataTool, { refresh: true }],
    [describeTableTool, { table: 'orders', refresh: true }],
  ] as const)
    expect((await alice.fail(tool, args, { signal })).code).toBe('CANCELLED')
})

it('a control database that is away is an error of the same form', async () => {
  const { name } = world.control.database
  const cluster = await freshDatabase()
  const elsewhere = await cluster.connect()
  try {
    await elsewhere.query(`alter database "${name}" allow_connections false`)
    await elsewhere.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
    for (const tool of [listSchemasTool, listPipelinesTool, listTablesTool, getMaterializationStatusTool])
      expect((await alice.fail(tool)).code, tool.name).toBe('UNAVAILABLE')
    await elsewhere.query(`alter database "${name}" allow_connections true`)
  } finally {
    await elsewhere.end()
    await cluster.drop()
  }
  expect((await alice.ask(listSchemasTool)).data.schemas).toEqual([])
})
