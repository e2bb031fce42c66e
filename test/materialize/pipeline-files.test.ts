import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { Registry } from '../../src/materialize/registry.ts'

const shipped = join(import.meta.dirname, '../../connectors')
let folder: string
let registry: Registry
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-pipelines-'))
  registry = new Registry({ connectorsDirs: [shipped], pipelinesDir: join(folder, 'pipelines') })
  await registry.refresh()
})
afterAll(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
const source = '  - { name: orders, endpoint: /orders, columns: { id: bigint, total: numeric } }'

async function faultOf(text: string): Promise<string | null> {
  write('case.yml', text)
  return (await registry.read(join(folder, 'case.yml'))).fault?.replaceAll(`${folder}/`, '') ?? null
}

describe('a pipeline with a fault', () => {
  const head = 'pipeline: shop\nconnector: rest\nsources:'
  it.each([
    [
      'a key that nobody knows',
      `${head}\n${source}\nshedule: "0 3 * * *"`,
      'case.yml:5: shedule: unknown key; did you mean schedule?',
    ],
    [
      'one in a source',
      `${head}\n  - name: orders\n    endpont: /orders`,
      'case.yml:5: sources[1].endpont: unknown key; did you mean endpoint?',
    ],
    [
      'one in how it pages',
      `${head}\n  - name: orders\n    endpoint: /orders\n    pagination:\n      kind: cursor\n      next: meta.next\n      paramter: c`,
      'case.yml:9: sources[1].pagination.paramter: unknown key; did you mean parameter?',
    ],
    [
      'paging of no kind',
      `${head}\n  - { name: orders, endpoint: /o, pagination: { kind: magic } }`,
      /case.yml:4: sources\[1\].pagination.kind: .*'cursor' \| 'offset' \| 'page'/,
    ],
    ['what is missing', 'pipeline: shop\nsources:\n  - { name: a, endpoint: /a }', 'case.yml:1: connector: is missing'],
    [
      'a connector type that is none',
      `pipeline: shop\nconnector: rets\nsources:\n${source}`,
      'case.yml:2: connector: there is no connector type "rets"; did you mean rest?',
    ],
    [
      'no endpoint',
      `${head}\n  - { name: orders }`,
      'case.yml:4: sources[1]: needs an endpoint, or an entity that has one',
    ],
    [
      'a knob that is none',
      `${head}\n  - { name: a, endpoint: "/a/{{ knobs.modifed_since }}" }`,
      'case.yml:4: sources[1].endpoint.path: takes "knobs.modifed_since", which is no knob; did you mean modified_since?',
    ],
    [
      'config that is not said',
      `${head}\n  - { name: a, endpoint: "/a/{{ config.shop }}" }`,
      'case.yml:4: sources[1].endpoint.path: takes "config.shop", which the source\'s config does not say',
    ],
    [
      'a template of something else',
      `${head}\n  - { name: a, endpoint: "/a/{{ env.TOKEN }}" }`,
      /cannot take "env.TOKEN"/,
    ],
    [
      'a template that does not end',
      `${head}\n  - { name: a, endpoint: "/a/{{ knobs.x }" }`,
      /has a "{{" or "}}" without the other/,
    ],
    [
      'two of one name',
      `${head}\n${source}\n${source}`,
      /case.yml:5: sources\[2\]: another source has the name orders.*table orders/s,
    ],
    [
      'merging without a key',
      `${head}\n  - { name: a, endpoint: /a, mode: merge }`,
      'case.yml:4: sources[1].mode: merge needs a primary_key',
    ],
    [
      'a key that is no column',
      `${head}\n  - { name: a, endpoint: /a, primary_key: idd, columns: { id: bigint } }`,
      'case.yml:4: sources[1].primary_key[1]: no column "idd" is declared; did you mean id?',
    ],
    [
      'a type that is none',
      `${head}\n  - { name: a, endpoint: /a, columns: { id: int8 } }`,
      /sources\[1\].columns.id.type: must be one of text, boolean/,
    ],
    [
      'a key of another loader',
      `${head}\n  - { name: a, endpoint: /a, relation: public.a }`,
      'case.yml:4: sources[1].relation: is for the loader postgres, and this is rest',
    ],
    [
      'a table that needs quotes',
      `${head}\n  - { name: a, table: "A b", endpoint: /a }`,
      /sources\[1\].table: must be lower case/,
    ],
    [
      'a schedule of six fields',
      `${head}\n${source}\nschedule: "0 0 3 * * *"`,
      'case.yml:5: schedule: must have five fields: minutes, hours, days, months, days of the week',
    ],
    [
      'a folder outside',
      `${head}\n${source}\ntests: ../secrets`,
      'case.yml:5: tests: must be a folder below that of the pipelines',
    ],
    [
      'both transforms',
      `${head}\n${source}\ntransforms: { dbt_project: a, sql_models: b }`,
      'case.yml:5: transforms: must be { dbt_project, models? } or { sql_models }',
    ],
    [
      'a relationship of no column',
      `${head}\n${source}\nrelationships:\n  - { column: orders.idd, references: customers.id }`,
      'case.yml:6: relationships[1].column: table "orders" has no column "idd"; did you mean id?',
    ],
    [
      'an entity that is none',
      'pipeline: v\nconnector: commcare\nsources:\n  - { name: v, entity: form }',
      'case.yml:4: sources[1].entity: connector type "commcare" has no entity "form"; did you mean forms?',
    ],
    ['no YAML', 'pipeline: [', /^case.yml:1: /],
    ['a key twice', 'pipeline: a\npipeline: b', /case.yml:2: .*unique/],
    ['too much of it', `# ${'x'.repeat(300_000)}`, /case.yml: larger than 262144 bytes/],
  ])('%s', async (_, text, fault) => {
    if (typeof fault === 'string') expect(await faultOf(text)).toBe(fault)
    else expect(await faultOf(text)).toMatch(fault)
  })
})

test('every form of paging, mode and loader is taken', async () => {
  const forms = [
    '{ kind: none }',
    '{ kind: cursor, next: meta.next, parameter: c }',
    '{ kind: offset, page_size: 100, page_size_parameter: count }',
    '{ kind: page, first: 0, pages: meta.pages }',
    '{ kind: keyset, field: id, parameter: after }',
    '{ kind: link }',
    '{ kind: next-url, next: links.next }',
  ]
  const rest = forms.map(
    (form, index) => `  - { name: s${index}, endpoint: /s, pagination: ${form}, records: data.rows }`,
  )
  expect(await faultOf(`pipeline: all\nconnector: rest\nsources:\n${rest.join('\n')}`)).toBeNull()
  const others = [
    '  - { name: a, relation: public.a, mode: append, watermark: changed_at }',
    '  - { name: b, query: "select 1 as one", mode: merge, primary_key: one }',
    '  - { name: c, loader: file, path: "exports/*.csv", delimiter: ";" }',
    '  - { name: d, loader: script, script: loader.ts, config: { year: 2026 } }',
  ]
  expect(await faultOf(`pipeline: more\nconnector: postgres\nsources:\n${others.join('\n')}`)).toBeNull()
})

test('a source says what differs from its entity, and knows the rest from it', async () => {
  write(
    'visits.yml',
    'pipeline: visits\nversion: 2\nconnector: commcare\nsources:\n  - { name: visits, entity: forms, config: { xmlns: "http://x/y" }, mode: append }',
  )
  const pipeline = await registry.read(join(folder, 'visits.yml'))
  expect(pipeline).toMatchObject({ version: '2', entities: ['visits'], fault: null })
  expect(pipeline.sources[0]).toMatchObject({
    table: 'visits',
    mode: 'append',
    primaryKey: ['id'],
    columns: null,
    pagination: { kind: 'offset', page_size: 200 },
    config: { xmlns: 'http://x/y' },
  })
})
