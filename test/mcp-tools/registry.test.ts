/** Pipelines and connectors as agents see them, from the files that describe them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addConnector, setConnector } from '../../src/control/connectors.ts'
import { SqlError } from '../../src/errors.ts'
import { ConnectorAuth, encodeStored } from '../../src/materialize/connector-auth.ts'
import { Registry } from '../../src/materialize/registry.ts'
import { toolErrorOf } from '../../src/mcp/codes.ts'
import { toolsOf } from '../../src/mcp/registry.ts'
import { configurePipelineTool } from '../../src/mcp/tools/configure-pipeline.ts'
import { listPipelinesTool } from '../../src/mcp/tools/list-pipelines.ts'
import { runMaterializationTool } from '../../src/mcp/tools/run-materialization.ts'
import { Caller } from './call.ts'
import { openWorld, type World } from './world.ts'

const shipped = join(import.meta.dirname, '../../connectors')
let folder: string
let world: World
let adam: Caller
let greta: Caller
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-pipelines-'))
  write(
    'visits',
    'pipeline: visits\nconnector: commcare\nsources:\n  - { name: visits, entity: forms }\n  - { name: patients, entity: cases }\nschedule: "0 3 * * *"\n',
  )
  write('broken', 'pipeline: broken\nconnector: commcare\nsources:\n  - { name: v, entity: form }\n')
  const registry = new Registry({ connectorsDirs: [shipped], pipelinesDir: folder })
  world = await openWorld(['acme', 'globex'], ['crm'], { registry, materializer: undefined })
  const tools = toolsOf({ extended: false })
  adam = new Caller(world, await world.user('acme', 'adam', 'admin'), tools)
  greta = new Caller(world, await world.user('globex', 'greta', 'admin'), tools)
  await addConnector(world.control.administration, {
    tenant: 'acme',
    name: 'hq',
    type: 'commcare',
    knobs: { domain: 'demo', server: 'https://www.commcarehq.org' },
  })
})
afterAll(async () => {
  await world.close()
  rmSync(folder, { recursive: true })
})

const write = (name: string, text: string) => writeFileSync(join(folder, `${name}.yml`), text)
const listed = async (caller: Caller) => (await caller.ask(listPipelinesTool)).data.pipelines

test('what the files say is shown to a tenant with a connector of the type, with what is to be done', async () => {
  expect(await listed(greta)).toEqual([])
  const { data, text } = await adam.ask(listPipelinesTool)
  expect(data.pipelines).toMatchObject([
    { pipeline: 'broken', fault: expect.stringMatching(/^[^/]+\/broken.yml:4: .*did you mean forms\?$/), sources: [] },
    {
      pipeline: 'visits',
      connector_type: 'commcare',
      entities: ['visits', 'patients'],
      schedule: '0 3 * * *',
      sources: [{ name: 'visits', table: 'visits', mode: 'merge' }, { name: 'patients' }],
      connectors: [{ name: 'hq', state: 'not_connected', knobs: {}, next_step: expect.stringContaining('connect hq') }],
    },
  ])
  const { properties } = data.pipelines[1]?.knobs ?? {}
  expect(Object.keys(Object(properties))).toEqual([
    'apps',
    'forms',
    'case_types',
    'modified_since',
    'entities',
    'schedule',
  ])
  expect(text).toContain('connector hq\tnot_connected\t{}\tAn operator connects it: postern connector connect hq')
  const credential = encodeStored({ kind: 'header', name: 'Authorization', value: 'ApiKey a:swordfish' })
  await setConnector(world.control.administration, { tenant: 'acme', name: 'hq', credential })
  const after = await adam.ask(listPipelinesTool)
  expect(after.data.pipelines[1]?.connectors).toEqual([{ name: 'hq', state: 'connected', knobs: {} }])
  expect(JSON.stringify([after, world.records])).not.toContain('swordfish')
})

test('knobs are set within the type’s schema, and not what decides where credentials go', async () => {
  const set = (knobs: object) => adam.ask(configurePipelineTool, { pipeline: 'visits', knobs })
  const knobs = { modified_since: '2026-01-01', entities: ['visits'], schedule: '*/30 * * * *' }
  expect((await set(knobs)).data).toEqual({ pipeline: 'visits', connector: 'hq', knobs })
  for (const wrong of [{ server: 'http://169.254.169.254' }, { entities: ['forms'] }, { schedule: 'hourly' }])
    expect(await adam.fail(configurePipelineTool, { pipeline: 'visits', knobs: wrong })).toMatchObject({
      code: 'VALIDATION_ERROR',
    })
  expect(await greta.fail(configurePipelineTool, { pipeline: 'visits', knobs })).toMatchObject({ code: 'NOT_FOUND' })
  expect((await listed(adam))[1]?.connectors[0]?.knobs).toEqual(knobs)
  expect(await adam.fail(configurePipelineTool, { pipeline: 'broken', knobs })).toMatchObject({ code: 'CONFLICT' })
})

test('a file that is mended is there at the next call; one that breaks says so', async () => {
  write('broken', 'pipeline: broken\nconnector: commcare\nsources:\n  - { name: people, entity: users }\n')
  expect((await listed(adam))[0]).toMatchObject({ pipeline: 'broken', entities: ['people'] })
  write('broken', 'pipeline: broken\nconnector: commcare\nsources: 3\n')
  expect((await listed(adam))[0]?.fault).toContain('broken.yml:3: sources: must be a list')
})

test('a run is not begun where nothing can carry it out, and the answer says what can be done', async () => {
  expect(await adam.fail(runMaterializationTool, { pipeline: 'visits', wait: false })).toMatchObject({
    code: 'UNAVAILABLE',
    hint: expect.stringContaining('Data can be queried as it is'),
  })
})

test('credentials that will not do are a matter of the connector, not of the caller', () => {
  for (const failure of ['missing', 'undecipherable', 'refused', 'expired'] as const) {
    const told = toolErrorOf(new ConnectorAuth('hq', failure), false)
    expect(told).toMatchObject({ code: 'CONNECTOR_AUTH', hint: expect.stringContaining('connector') })
    expect(new ConnectorAuth('hq', failure)).toBeInstanceOf(SqlError)
  }
})
