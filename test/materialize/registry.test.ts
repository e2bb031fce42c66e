import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { baseUrlOf, hostsOf, parseConnectorType } from '../../src/materialize/connector-types.ts'
import { checkConnectorKnobs, checkPipelineKnobs, effectiveKnobs } from '../../src/materialize/knobs.ts'
import { Registry } from '../../src/materialize/registry.ts'
import { scheduleFault } from '../../src/materialize/schedule.ts'
import { encodeSegment, fillTemplate } from '../../src/materialize/templates.ts'

const shipped = join(import.meta.dirname, '../../connectors')
let folder: string
let registry: Registry
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-registry-'))
  mkdirSync(join(folder, 'pipelines'))
  registry = new Registry({ connectorsDirs: [shipped, join(folder, 'own')], pipelinesDir: join(folder, 'pipelines') })
  await registry.refresh()
})
afterAll(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
const source = '  - { name: orders, endpoint: /orders, columns: { id: bigint, total: numeric } }'

describe('the folders', () => {
  it('are read again when a file changes; what has a fault is listed, the others stay', async () => {
    const good = `pipeline: good\nconnector: rest\nsources:\n${source}\n`
    write('pipelines/good.yml', good)
    write('pipelines/bad.yml', 'pipeline: bad\nconnector: rest\nsourcs: []\n')
    write('pipelines/worse.yml', '{')
    await registry.refresh()
    const names = () =>
      registry.pipelines().map(({ name, connectorType, fault }) => [name, connectorType, fault === null])
    expect(names()).toEqual([
      ['bad', 'rest', false],
      ['good', 'rest', true],
      ['pipelines/worse.yml', null, false],
    ])
    const before = registry.pipelines()
    await registry.refresh()
    expect(registry.pipelines()).toBe(before)
    rmSync(join(folder, 'pipelines/worse.yml'))
    write('pipelines/bad.yml', good.replace('good', 'mended'))
    await registry.refresh()
    expect(names()).toEqual([
      ['mended', 'rest', true],
      ['good', 'rest', true],
    ])
    write('pipelines/twin.yml', good)
    await registry.refresh()
    expect(registry.pipelines().at(-1)?.fault).toBe(
      'pipelines/twin.yml:1: pipeline "good" stands in pipelines/good.yml too',
    )
  })

  it('hold types of one’s own; one that takes the name of another takes both away', async () => {
    mkdirSync(join(folder, 'own/crm'), { recursive: true })
    write(
      'own/crm/connector.yml',
      'name: crm\nauth: { bearer: {} }\nbase_url: https://crm.example/v1\nentities:\n  people: { endpoint: /people }\n',
    )
    write('pipelines/crm.yml', 'pipeline: crm\nconnector: crm\nsources:\n  - { name: people, entity: people }\n')
    await registry.refresh()
    expect(registry.connectorType('crm')?.entities.has('people')).toBe(true)
    expect(registry.pipelines().find(({ name }) => name === 'crm')?.fault).toBeNull()
    write('own/crm/connector.yml', 'name: crm\nauth: { bearer: {} }\nbase_uri: https://crm.example/v1\n')
    await registry.refresh()
    expect(registry.connectorType('crm')).toBeUndefined()
    expect(registry.pipelines().find(({ name }) => name === 'crm')?.fault).toMatch(
      /^pipelines\/crm.yml:2: connector: does not validate itself: own\/crm\/connector.yml:3: base_uri: unknown key; did you mean base_url\?/,
    )
    cpSync(join(shipped, 'rest'), join(folder, 'own/rest'), { recursive: true })
    await registry.refresh()
    expect(registry.connectorType('rest')).toBeUndefined()
    rmSync(join(folder, 'own/rest'), { recursive: true })
    await registry.refresh()
    expect(registry.connectorType('rest')).toBeDefined()
  })
})

describe('a connector type', () => {
  it.each([
    [
      'that would let a tenant say where his credentials go',
      'base_url: "{{ knobs.url }}"\nknobs: { properties: { url: { type: string } } }',
      'c.yml:3: base_url: takes "knobs.url", so that "url" must stand in fixed',
    ],
    ['without an address', '', 'base_url: is missing: the loader rest needs it'],
    [
      'with a rule that is misspelt',
      'base_url: https://x\nknobs: { properties: { n: { type: integer, minimun: 1 } } }',
      'c.yml:4: knobs.properties.n.minimun: unknown key; did you mean minimum?',
    ],
    [
      'that requires what it has not',
      'base_url: https://x\nknobs: { properties: { n: { type: integer } }, required: [m] }',
      'c.yml:4: knobs.required[1]: "m" is no knob; did you mean n?',
    ],
    [
      'with a pattern that is none',
      'base_url: https://x\nknobs: { properties: { n: { type: string, pattern: "(" } } }',
      /n.pattern: is no regular expression/,
    ],
  ])('%s', (_, rest, fault) => {
    const read = parseConnectorType(`name: c\nauth: { none: {} }\n${rest}`, 'c.yml', '/c')
    const said = 'faults' in read ? read.faults.join('; ') : ''
    if (typeof fault === 'string') expect(said).toContain(fault)
    else expect(said).toMatch(fault)
  })

  it('is set within its schema, with its defaults; what is fixed is not set for a pipeline', () => {
    const type = registry.connectorType('commcare')!
    const knobs = checkConnectorKnobs(type, { domain: 'demo' })
    expect(knobs).toEqual({ domain: 'demo', server: 'https://www.commcarehq.org' })
    expect(baseUrlOf(type, knobs)).toBe('https://www.commcarehq.org/a/demo/api')
    expect(hostsOf(type, knobs)).toEqual(['www.commcarehq.org'])
    expect(() => baseUrlOf(type, { ...knobs, domain: '..' })).toThrow(/cannot stand in an address/)
    expect(baseUrlOf(type, { ...knobs, domain: '../x?y' })).toBe('https://www.commcarehq.org/a/..%2Fx%3Fy/api')
    expect(() => checkConnectorKnobs(type, {})).toThrow(/domain/)
    expect(() => checkConnectorKnobs(type, { domain: '../x' })).toThrow(/domain/)
    const visits = { entities: ['visits'] }
    checkPipelineKnobs(type, visits, knobs, {
      modified_since: '2026-01-01',
      entities: ['visits'],
      schedule: '*/5 * * * *',
    })
    for (const wrong of [
      { server: 'http://169.254.169.254' },
      { domain: 'other' },
      { entities: ['forms'] },
      { schedule: 'daily' },
      { x: 1 },
    ])
      expect(() => checkPipelineKnobs(type, visits, knobs, wrong)).toThrow(/cannot be set so/)
    expect(effectiveKnobs(type, knobs, { modified_since: '2026-01-01', server: 'http://evil', schedule: '' })).toEqual({
      ...knobs,
      modified_since: '2026-01-01',
    })
  })
})

test('a template takes the first that is set, and nothing where none is', () => {
  const values = { knobs: { a: 'x/y', empty: '' }, config: { list: [1, 2] }, watermark: 7 }
  expect(fillTemplate('/p/{{ knobs.a }}', values, encodeSegment)).toBe('/p/x%2Fy')
  expect(fillTemplate('{{ watermark | knobs.a }}', values)).toBe('7')
  expect(fillTemplate('{{ knobs.empty | knobs.a }}', values)).toBe('x/y')
  expect(fillTemplate('{{ config.list }}', values)).toBe('[1,2]')
  expect(fillTemplate('{{ knobs.constructor }}', values)).toBeUndefined()
})

test('schedules are those of the queue', () => {
  for (const good of ['* * * * *', '*/15 0-6 1,15 * 0', '0 3 * * *']) expect(scheduleFault(good)).toBeUndefined()
  for (const bad of [
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * jan *',
    '*/0 * * * *',
    '5-1 * * * *',
    '@daily',
    '',
  ])
    expect(scheduleFault(bad)).toBeDefined()
})
