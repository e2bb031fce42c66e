/** A schema of 500 tables as pages of text: what fits by our count fits by o200k, and pages together say everything. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SchemaMetadata } from '../../src/catalog/metadata.ts'
import { estimateTokens } from '../../src/catalog/tokens.ts'
import { openWorld, type World } from './metadata-fixture.ts'

const tables = 500
const formats = ['summary', 'prompt', 'full'] as const

let world: World
let metadata: SchemaMetadata

beforeAll(async () => {
  world = await openWorld({
    seed: `do $$ begin for t in 1..${tables} loop
      execute format('create table table_%1$s (id bigint generated always as identity primary key, customer_id int not null,
        created_at timestamptz not null default now(), status text not null check (status <> %2$L), email text,
        parent_id bigint references table_%3$s, %4$s)',
        t, '', greatest(1, t / 2), (select string_agg(format('measure_%s numeric(12,2)', g), ', ') from generate_series(1, 14) g));
      execute format('comment on table table_%s is %L', t, 'What happened in department ' || t || ', one row per event.');
      execute format('comment on column table_%s.status is %L', t, 'Where the event stands now.');
      execute format('create index on table_%s (customer_id, created_at)', t);
    end loop; end $$`,
  })
  metadata = await world.catalog.metadata(world.served.principal, world.database)
}, 120_000)
afterAll(async () => await world.stop())

const readings: [string, () => Promise<unknown>][] = [
  ['read anew', () => world.catalog.metadata(world.served.principal, world.database, { refresh: true })],
  ['asked for changes', () => world.catalog.metadata(world.served.principal, world.database)],
  ['from the store', () => world.restarted().metadata(world.served.principal, world.database)],
]

test.each(readings)('500 tables, %s', async (name, read) => {
  const began = performance.now()
  await read()
  process.stdout.write(`[catalog] ${tables} tables, ${name}: ${(performance.now() - began).toFixed(0)} ms\n`)
})

describe.each(formats)('%s', format => {
  test('whole', () => {
    const began = performance.now()
    const { text, tokens, cursor } = world.catalog.render(metadata, { format, tokenBudget: 10_000_000 })
    const ms = (performance.now() - began).toFixed(0)
    const real = encode(text).length
    process.stdout.write(`[catalog] ${tables} tables, ${format}: ${text.length} characters, ${real} tokens, ${ms} ms\n`)
    expect(cursor).toBeNull()
    expect(tokens).toBeGreaterThanOrEqual(real)
    expect(tokens).toBeLessThan(real * 2)
  })

  test.each([200, 1_000, 4_000, 20_000])('in pages of %d tokens', tokenBudget => {
    const whole = world.catalog.render(metadata, { format, tokenBudget: 10_000_000 }).text
    const shown = new Set<string>()
    const lines: string[] = []
    let cursor: string | undefined
    let pages = 0
    do {
      const page = world.catalog.render(metadata, { format, tokenBudget, cursor })
      expect(encode(page.text).length).toBeLessThanOrEqual(tokenBudget)
      expect(page.tokens).toBeLessThanOrEqual(tokenBudget)
      lines.push(...page.text.split('\n'))
      for (const name of page.shown.names) shown.add(name)
      cursor = page.cursor ?? undefined
      pages++
    } while (cursor !== undefined && pages < 100)
    if (cursor !== undefined) return
    expect(shown.size).toBe(tables)
    const said = new Set(lines.map(line => line.trim()))
    const facts = whole.split('\n').map(line => line.trim())
    expect(facts.filter(fact => !said.has(fact) && !/^(key|referenced) /.test(fact))).toEqual([])
  })
})

test('names come before keys, keys before columns, columns before samples, and no table is left out of the names', () => {
  const small = { ...metadata, tables: metadata.tables.slice(0, 20) }
  const page = world.catalog.render(small, { format: 'prompt', tokenBudget: 2_000 })
  expect(page.shown.names).toHaveLength(20)
  expect(page.shown.keys).toHaveLength(20)
  expect(page.shown.columns.length).toBeLessThan(20)
  expect(page.cursor).toMatch(/\.2\.\d+\.\d+$/)
  const next = world.catalog.render(small, { format: 'prompt', tokenBudget: 2_000, cursor: page.cursor ?? '' })
  expect(next.text.split('\n')[0]).toBe('Schema crm, continued.')
  expect(next.text.split('\n')[1]).toBe('Columns:')
  expect(next.shown.names).toEqual([])
})

test('what concerns all tables stands before their columns', () => {
  const metric = {
    ...{ name: 'events', description: undefined, table: 'table_1', expression: 'count(*)', filters: [`status <> ''`] },
    ...{ unit: undefined, synonyms: [], exact: true },
  }
  const told = { ...metadata, tables: metadata.tables.slice(0, 20), metrics: [metric] }
  const { text, cursor } = world.catalog.render(told, { format: 'prompt', tokenBudget: 2_000 })
  expect(cursor).not.toBeNull()
  expect(text).toMatch(/\nKeys:\n(.*\n)+metric events = count\(\*\) over table_1 where \(status <> ''\)\nColumns:\n/)
})

test('a cursor from before the schema changed, of nobody, or a budget for nothing is refused', () => {
  const { cursor } = world.catalog.render(metadata, { format: 'full', tokenBudget: 500 })
  const changed = { ...metadata, version: 'another' }
  for (const bad of [cursor ?? '', '', 'x', `${metadata.version}.a.b.c`, `${metadata.version}.-1.0.0`])
    expect(
      () =>
        world.catalog.render(bad === cursor ? changed : metadata, { format: 'full', tokenBudget: 500, cursor: bad }),
      bad,
    ).toThrow(expect.objectContaining({ code: '22023' }))
  expect(() => world.catalog.render(metadata, { format: 'full', tokenBudget: 199 })).toThrow(
    expect.objectContaining({ code: '22023' }),
  )
})

test('a line that is longer than a page is cut to it', () => {
  const [first] = metadata.tables
  if (first === undefined) throw new Error('no table')
  const long = { ...metadata, description: null, tables: [{ ...first, description: '🧬'.repeat(1_000) }] }
  const page = world.catalog.render(long, { format: 'summary', tokenBudget: 200 })
  expect(encode(page.text).length).toBeLessThanOrEqual(200)
  expect(page.text).toContain('🧬…')
})

test('the count of tokens is never below o200k’s, and English costs less than twice', () => {
  const letters = (alphabet: string, length: number, seed: number) =>
    Array.from({ length }, (_, i) => alphabet[(seed * 7919 + i * i * 104_729 + i * 31) % alphabet.length]).join('')
  const names = (alphabet: string) =>
    Array.from(
      { length: 300 },
      (_, i) => `${letters(alphabet, 4 + (i % 9), i)}_${letters(alphabet, 5, i + 1)} int!`,
    ).join('\n')
  const texts: Record<string, string> = {
    words: 'Orders of customers, one row per line; the amount is in euros and never negative.\n'.repeat(20),
    consonants: names('bcdfghjklmnpqrstvwxz'),
    letters: names('abcdefghijklmnopqrstuvwxyz'),
    capitals: names('ABCDEFGHIJKLMNOPQRSTUVWXYZ'),
    hex: names('0123456789abcdef'),
    digits: names('0123456789'),
    punctuation: letters('!"#$%&\'()*+,-./:;<=>?@[]^_`{|}~', 2_000, 1),
    german: 'Die Kundennummer verweist auf die Auftragsbestätigung und das Lieferscheinverzeichnis. '.repeat(20),
    russian: 'Каждая строка описывает один заказ клиента, включая скидку. '.repeat(20),
    chinese: '客户订单产品数据库表名列类型，每个订单一行。'.repeat(20),
    emoji: '😀🚀🧬🪐'.repeat(50),
  }
  for (const [name, text] of Object.entries(texts)) {
    const real = encode(text).length
    expect(estimateTokens(text), name).toBeGreaterThanOrEqual(real)
  }
  expect(estimateTokens(texts.words ?? '')).toBeLessThan(2 * encode(texts.words ?? '').length)
})
