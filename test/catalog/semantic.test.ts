import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { documentOf, entriesOf } from '../../src/catalog/semantic-export.ts'
import { SemanticFolder } from '../../src/catalog/semantic-files.ts'
import { AnnotationReader } from '../../src/catalog/semantic-source.ts'
import { parseSemantics } from '../../src/catalog/semantic-yaml.ts'
import { addLearning, judgeLearning } from '../../src/control/learnings.ts'
import { replaceSemanticEntries } from '../../src/control/semantic-entries.ts'
import { addTableKnowledge } from '../../src/control/table-knowledge.ts'
import { addTenant, type TenantRow } from '../../src/control/tenants.ts'
import { createParser, type Parser } from '../../src/guard/parse.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'

const shop = `
database: crm
entities:
  - table: orders
    primary_key: id
    description: One row per order.
    synonyms: [sales]
    columns:
      total: { description: Gross., type: "numeric(12, 2)", unit: EUR, aggregation: sum }
      email: { pii: true }
relationships:
  - { column: orders.customer_id, references: customers.id }
metrics:
  - name: revenue
    table: orders
    aggregation: sum
    column: total
    filters: ["status <> 'cancelled'"]
`

let parser: Parser
let control: ControlFixture
let folder: string
let acme: TenantRow
let globex: TenantRow
beforeAll(async () => {
  parser = await createParser()
  control = await freshControl()
  folder = await mkdtemp(join(tmpdir(), 'postern-semantic-'))
  acme = await addTenant(control.administration, { name: 'acme' })
  globex = await addTenant(control.administration, { name: 'globex' })
})
afterAll(async () => {
  await parser.close()
  await rm(folder, { recursive: true })
})

const read = (text: string) => parseSemantics(text, 'acme.yml', parser).layer
const reader = () => {
  const files = new SemanticFolder(folder, parser)
  return new AnnotationReader({ control: control.service, files, parser })
}
const write = (name: string, text: string) => writeFile(join(folder, name), text)

describe('a file', () => {
  test('is read into entities, relationships and metrics, each with its place', () => {
    const layer = read(shop)
    expect(layer.entities).toMatchObject([
      { database: 'crm', schema: '*', place: 'acme.yml:4', table: 'orders', primaryKey: ['id'], synonyms: ['sales'] },
    ])
    expect(layer.relationships).toMatchObject([
      { table: 'orders', columns: ['customer_id'], toTable: 'customers', toColumns: ['id'], type: 'many-to-one' },
    ])
    expect(layer.metrics).toMatchObject([{ expression: 'sum(total)', filters: ["status <> 'cancelled'"] }])
    expect(read('')).toEqual({ entities: [], relationships: [], metrics: [] })
  })

  const faults: readonly [what: string, text: string, says: readonly string[]][] = [
    ['an unknown key', 'entites: []', ['acme.yml:1: entites: unknown key; did you mean entities?']],
    [
      'one far from any',
      'entities:\n  - table: a\n    zzzzzzzzzz: 1',
      [
        'acme.yml:3: entities[1].zzzzzzzzzz: unknown key; known here: database, schema, table, description, primary_key, synonyms, columns',
      ],
    ],
    [
      'all at once, in the order of lines',
      'metrics:\n  - name: m\n    table: t\nentities:\n  - tabel: a\n    columns: { x: { pii: maybe } }',
      [
        'acme.yml:2: metrics[1]: needs either an expression, or an aggregation and its column',
        'acme.yml:5: entities[1].table: is missing',
        'acme.yml:5: entities[1].tabel: unknown key; did you mean table?',
        'acme.yml:6: entities[1].columns.x.pii: must be true or false',
      ],
    ],
    ['text that is none', 'entities:\n  - table: 2024', ['acme.yml:2: entities[1].table: must be text (in quotes']],
    [
      'a choice',
      'entities: [{ table: a, columns: { b: { aggregation: total } } }]',
      ['aggregation: must be one of sum, avg, min, max, count, count_distinct, none'],
    ],
    ['a list', 'entities: { orders: {} }', ['acme.yml:1: entities: must be a list']],
    [
      'an empty column',
      'entities:\n  - table: a\n    columns:\n      b:',
      ['acme.yml:4: entities[1].columns.b: must be a mapping'],
    ],
    [
      'a reference',
      'relationships: [{ column: orders.customer, references: customers }]',
      ['relationships[1].references: must be <table>.<column>'],
    ],
    ['a twin', 'entities: [{ table: a }, { table: a, schema: s }, { table: a }]', ['entities[3]: a is defined twice']],
    [
      'broken SQL',
      'metrics: [{ name: m, table: t, expression: "sum(" }]',
      ['"sum(" is no SQL: syntax error at end of input'],
    ],
    ['a second column', 'metrics: [{ name: m, table: t, expression: "a, b" }]', ['is not one expression of SQL']],
    ['more than an expression', 'metrics: [{ name: m, table: t, expression: "a from b" }]', ['is not one expression']],
    [
      'a second statement',
      'metrics: [{ name: m, table: t, expression: "1; drop table t" }]',
      ['is not one expression'],
    ],
    ['a filter', 'metrics: [{ name: m, table: t, expression: a, filters: ["true order by 1"] }]', ['filters[1]']],
    ['both ways', 'metrics: [{ name: m, table: t, expression: a, aggregation: sum, column: a }]', ['needs either']],
    ['what is hidden', 'entities: [{ table: "a\\u202e" }]', ['table: must not hold the character U+202E']],
    ['length', `entities: [{ table: ${'x'.repeat(64)} }]`, ['must be at most 63 bytes long, and is 64']],
    ['YAML', 'entities:\n  - table: a\n  table: b', ['acme.yml:3:']],
    ['a key twice', 'entities: []\nentities: []', ['acme.yml:2: Map keys must be unique']],
    ['a tag', 'entities: !!js/function x', ['acme.yml:1: Unresolved tag']],
    ['another document', 'entities: []\n---\nentities: []', ['acme.yml:2:']],
    ['no mapping', '- a', ['acme.yml:1: must be a mapping of keys']],
    [
      'a bomb of aliases',
      `a: &a [1, 1, 1]\n${[...'bcdefg'].map((key, at) => `${key}: &${key} [${`*${'abcdefg'[at]},`.repeat(9)}]`).join('\n')}`,
      ['resource exhaustion'],
    ],
  ]
  test.each(faults)('is refused for %s', (_, text, says) => {
    let message = ''
    try {
      read(text)
    } catch (error) {
      expect(error).toMatchObject({ code: 'F0000' })
      message = String(error)
    }
    const lines = message.split('\n').slice(1)
    expect(lines.length).toBeGreaterThanOrEqual(says.length)
    for (const [at, said] of says.entries()) expect(lines[at]).toContain(said)
  })

  test('is read again when it changes, keeps what it said when it breaks, and is gone when it is removed', async () => {
    const { of } = boundTo(reader())
    expect((await of('acme')).entities.size).toBe(0)
    await write('acme.yml', shop)
    expect((await of('acme')).entities.get('orders')).toMatchObject({ description: 'One row per order.' })
    await write('acme.yml', shop.replace('One row per order.', 'An order.'))
    expect((await of('acme')).entities.get('orders')).toMatchObject({ description: 'An order.' })
    await write('acme.yml', 'entities: [{ tabel: x }]')
    const broken = await of('acme')
    expect(broken.entities.get('orders')).toMatchObject({ description: 'An order.' })
    expect(broken.warnings).toEqual([expect.stringContaining('acme.yml has faults')])
    // Who never saw it good cannot know what it marks as sensitive.
    await expect(boundTo(reader()).of('acme')).rejects.toMatchObject({ code: 'F0000' })
    await rm(join(folder, 'acme.yml'))
    expect(await of('acme')).toMatchObject({ warnings: [], relationships: [] })
  })

  test('is refused unread where it is larger than the limit', async () => {
    await write('acme.yml', `# ${'x'.repeat(256 * 1024)}`)
    await expect(boundTo(reader()).of('acme')).rejects.toMatchObject({
      code: 'F0000',
      message: expect.stringContaining('acme.yml: larger than 262144 bytes'),
    })
    await rm(join(folder, 'acme.yml'))
  })

  test('is for the tenant of exactly its name', async () => {
    const { of } = boundTo(reader())
    for (const name of ['Globex.yml', 'acme.yaml', 'globex.yml.bak']) await write(name, shop)
    await mkdir(join(folder, 'sub'))
    await write('sub/acme.yml', shop)
    expect((await of('acme')).entities.size).toBe(0)
    expect((await of('globex')).entities.size).toBe(0)
    await rm(join(folder, 'Globex.yml'))
  })

  function boundTo(source: AnnotationReader) {
    return { of: (name: 'acme' | 'globex') => source.of((name === 'acme' ? acme : globex).id, 'crm', 'public') }
  }
})

describe('rows', () => {
  test('come from an import, go to an export, and say the same again', async () => {
    const layer = read(
      `${shop}  - { name: "odd one", table: "my.table", expression: "count(distinct \\"a.b\\")", schema: s }
`.replace('references: customers.id', `references: '"my.table"."a ""b"""', description: odd`),
    )
    await replaceSemanticEntries(control.administration, acme, entriesOf(layer))
    const stored = await reader().layersOf(acme.id)
    const plain = documentOf(stored.layers)
    expect(JSON.stringify(plain)).toBe(JSON.stringify(documentOf([layer])))
    expect(documentOf([read(JSON.stringify(plain))])).toEqual(plain)
    await replaceSemanticEntries(control.administration, acme, entriesOf(read(JSON.stringify(plain))))
    expect(documentOf((await reader().layersOf(acme.id)).layers)).toEqual(plain)
    expect(documentOf((await reader().layersOf(globex.id)).layers)).toEqual({})
    await replaceSemanticEntries(control.administration, acme, [])
    expect(documentOf((await reader().layersOf(acme.id)).layers)).toEqual({})
  })

  test('that somebody changed are seen, and that somebody broke are refused by name', async () => {
    await replaceSemanticEntries(control.administration, globex, entriesOf(read(shop)))
    const same = reader()
    const description = async () => (await same.of(globex.id, 'crm', 'public')).entities.get('orders')?.description
    expect(await description()).toBe('One row per order.')
    const change = `update postern.semantic_entry set definition = '{"table": "orders", "description": "new"}' where tenant_id = $1 and kind = 'entity'`
    await control.owner.query(change, [globex.id])
    expect(await description()).toBe('new')
    await control.owner.query(
      `update postern.semantic_entry set definition = '{"tabel": "x"}' where tenant_id = $1 and kind = 'entity'`,
      [globex.id],
    )
    await expect(same.of(globex.id, 'crm', 'public')).rejects.toMatchObject({
      code: 'F0000',
      message: expect.stringContaining('entity orders'),
    })
    await replaceSemanticEntries(control.administration, globex, [])
  })
})

test('the file wins over rows, the specific over the general, fact by fact; a mark of sensitive data stays', async () => {
  await replaceSemanticEntries(
    control.administration,
    acme,
    entriesOf(
      read(`
entities:
  - { table: orders, description: row, synonyms: [s], columns: { a: { unit: EUR, pii: true }, b: { unit: kg } } }
  - { table: orders, schema: crm, description: exact row, columns: { b: { unit: g } } }
  - { table: orders, schema: other, description: elsewhere }
metrics:
  - { name: m, table: orders, expression: count(*) }
`),
    ),
  )
  const source = reader()
  const before = await source.of(acme.id, 'crm', 'crm')
  expect(before.entities.get('orders')).toMatchObject({ description: 'exact row', exact: true, synonyms: ['s'] })
  await write(
    'acme.yml',
    `entities: [{ table: orders, columns: { a: { pii: false, description: file }, c: {} } }]
metrics: [{ name: m, table: orders, expression: sum(total) }]`,
  )
  const after = await source.of(acme.id, 'crm', 'crm')
  const orders = after.entities.get('orders')
  expect(orders).toMatchObject({ description: 'exact row' })
  expect(orders?.columns.get('a')).toMatchObject({ description: 'file', unit: 'EUR', pii: true })
  expect([...(orders?.columns.keys() ?? [])]).toEqual(['a', 'b', 'c'])
  expect(orders?.columns.get('b')).toMatchObject({ unit: 'g' })
  expect(after.metrics).toMatchObject([{ name: 'm', expression: 'sum(total)' }])
  expect((await source.of(acme.id, 'crm', 'public')).entities.get('orders')).toMatchObject({ description: 'row' })
  await rm(join(folder, 'acme.yml'))
})

test('what is known comes with a schema by its logical names, whatever becomes of the schema itself', async () => {
  const { administration } = control
  const none = { useCases: [], qualityNotes: null, owner: null, refreshFrequency: null, joinHints: [], columnNotes: {} }
  const table = { database: '*', schema: '*', table: 'visits' }
  await addTableKnowledge(administration, acme, table, { ...none, owner: 'ops', columnNotes: { a: '1', b: '1' } })
  await addTableKnowledge(
    administration,
    acme,
    { ...table, database: 'crm', schema: 'reports' },
    { ...none, useCases: ['monthly report'], columnNotes: { b: '2' } },
  )
  const lesson = { description: 'd', category: 'c', tables: ['visits'], failingSql: null, correctedSql: 'select 1' }
  const here = await addLearning(administration, acme, { ...lesson, database: 'crm' })
  await addLearning(administration, acme, { ...lesson, database: 'other' })
  const surer = await addLearning(administration, acme, { ...lesson, database: '*', category: 'sure' })
  await judgeLearning(administration, acme, surer.learning.id, true)
  const known = await reader().of(acme.id, 'crm', 'reports')
  expect(known.tables.get('visits')).toEqual({
    ...none,
    owner: 'ops',
    useCases: ['monthly report'],
    columnNotes: new Map([
      ['a', '1'],
      ['b', '2'],
    ]),
  })
  expect(known.learnings.map(one => one.id)).toEqual([surer.learning.id, here.learning.id])
  expect((await reader().of(globex.id, 'crm', 'reports')).tables.size).toBe(0)
  expect((await reader().of(globex.id, 'crm', 'reports')).learnings).toEqual([])
})
