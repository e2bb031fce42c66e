/**
 * A schema as text of so many tokens. Where all of it fits, table by table; else in layers over all tables, so that
 * a reader who stops early knows of every table: names, then keys and what concerns all (metrics, joins, corrections,
 * knowledge), then columns, then notes, then samples. A page ends anywhere between two lines, and its cursor says where
 * the next begins.
 */
import { SqlError } from '../errors.ts'
import type { SchemaMetadata } from './metadata.ts'
import { oneLine, sqlName } from './sql-text.ts'
import { type Format, linesOf, type TableLines } from './table-lines.ts'
import { estimateTokens } from './tokens.ts'

export interface RenderOptions {
  readonly format: Format
  /** Tokens that the page may have, at least 200. */
  readonly tokenBudget: number
  /** Of the page before. */
  readonly cursor?: string | undefined
}

export interface Page {
  readonly text: string
  /** Null: this was the last. */
  readonly cursor: string | null
  /** Estimated from above. */
  readonly tokens: number
  /** Tables of which the page says something, by layer. */
  readonly shown: Readonly<Record<Layer, readonly string[]>>
}

const layers = ['names', 'keys', 'columns', 'notes', 'samples'] as const
export type Layer = (typeof layers)[number]

interface Line {
  readonly layer: number
  /** Place in the list of tables; after the last: what concerns all. */
  readonly table: number
  readonly line: number
  readonly text: string
  /** Lines that must stand above it on its page. */
  readonly under: readonly string[]
  /** The table's real name. */
  readonly name: string | undefined
}

const budgetMin = 200
/** For what a page says of itself at its end. */
const footerTokens = 40
const textMaxChars = 400

/** @throws SqlError 22023 for a cursor of another version of the schema, or a budget in which nothing fits */
export function renderSchema(metadata: SchemaMetadata, options: RenderOptions): Page {
  const { format, tokenBudget, cursor } = options
  if (tokenBudget < budgetMin)
    throw new SqlError({ code: '22023', message: `the token budget must be at least ${budgetMin}` })
  const tables = tablesOf(metadata, format)
  const about = aboutLines(metadata, format)
  if (cursor === undefined) {
    const whole = fill(metadata, grouped(tables, about), [headOf(metadata)], tokenBudget)
    if (whole.cursor === null) return whole
  }
  const lines = layered(tables, about)
  const start = cursor === undefined ? 0 : findStart(metadata, lines, cursor)
  const head = cursor === undefined ? [headOf(metadata)] : [`Schema ${sqlName(metadata.schema)}, continued.`]
  return fill(metadata, lines.slice(start), head, tokenBudget)
}

interface NamedLines extends TableLines {
  readonly realName: string
}

/** Partitions are told of with their table, where it is in the same schema. */
function tablesOf({ tables, schema }: SchemaMetadata, format: Format): readonly NamedLines[] {
  const names = new Set(tables.map(({ name }) => name))
  const partitions = new Map<string, string[]>()
  const whole = tables.filter(({ name, partitionOf }) => {
    if (partitionOf === null || partitionOf.schema !== schema || !names.has(partitionOf.name)) return true
    const siblings = partitions.get(partitionOf.name) ?? []
    siblings.push(name)
    partitions.set(partitionOf.name, siblings)
    return false
  })
  return whole.map(table => ({
    ...linesOf(table, format, partitions.get(table.name) ?? []),
    realName: table.name,
  }))
}

function headOf({ database, schema, tables, description, generatedAt }: SchemaMetadata): string {
  const about = description === null ? '' : ` ${oneLine(description, textMaxChars)}`
  const at = generatedAt.toISOString().slice(0, 16)
  return [
    `Schema ${sqlName(schema)} of database ${sqlName(database)}: ${tables.length} tables, sizes as of ${at}Z.${about}`,
    '(name ~rows — description; ! not null; → refers to; {enum values}; pii: sensitive)',
  ].join('\n')
}

/** What concerns the schema as a whole. */
function aboutLines(metadata: SchemaMetadata, format: Format): readonly string[] {
  if (format === 'summary') return []
  const text = (words: string) => oneLine(words, textMaxChars)
  const metrics = metadata.metrics.map(({ name, table, expression, filters, unit, description }) => {
    const where = filters.length === 0 ? '' : ` where ${filters.map(filter => `(${text(filter)})`).join(' and ')}`
    const of = unit === undefined ? '' : ` [${text(unit)}]`
    const about = description === undefined ? '' : ` — ${text(description)}`
    return `metric ${sqlName(name)} = ${text(expression)} over ${sqlName(table)}${where}${of}${about}`
  })
  const joins = metadata.relationships
    .filter(({ source }) => source === 'semantic layer')
    .map(({ table, columns, to, toColumns, type }) => {
      const list = (names: readonly string[]) => names.map(sqlName).join(', ')
      return `join ${sqlName(table.name)} (${list(columns)}) → ${sqlName(to.name)} (${list(toColumns)}), ${type}`
    })
  const learned = metadata.learnings.map(({ description, correctedSql }) => {
    const write = correctedSql === null ? '' : `; write ${text(correctedSql)}`
    return `learned: ${text(description)}${write}`
  })
  const known = metadata.knowledge.map(({ id, title }) => `knowledge: ${text(title)} (postern://knowledge/${id})`)
  return [...metrics, ...joins, ...learned, ...known]
}

function grouped(tables: readonly NamedLines[], about: readonly string[]): Line[] {
  const lines = tables.flatMap((table, at) => [
    { layer: 0, table: at, line: 0, text: table.title, under: [], name: table.realName },
    ...layers.slice(1).flatMap((layer, index) =>
      linesIn(table, layer).map((text, line) => ({
        ...{ layer: index + 1, table: at, line, text: `  ${text}` },
        ...{ under: [], name: table.realName },
      })),
    ),
  ])
  return [...lines, ...aboutAll(about, tables.length)]
}

function layered(tables: readonly NamedLines[], about: readonly string[]): Line[] {
  const lines = layers.flatMap((layer, layerAt): Line[] => [
    ...tables.flatMap((table, at) =>
      linesIn(table, layer).map((text, line) => ({
        ...{ layer: layerAt, table: at, line, name: table.realName },
        ...(layer === 'names' ? { text, under: [] } : underName(layer, table, text)),
      })),
    ),
    ...(layer === 'keys' ? aboutAll(about, tables.length) : []),
  ])
  return lines
}

function underName(layer: Layer, table: TableLines, text: string) {
  const heading = `${layer.charAt(0).toUpperCase()}${layer.slice(1)}:`
  if (layer === 'keys') return { text: `${table.name}: ${text}`, under: [heading] }
  return { text: `  ${text}`, under: [heading, table.name] }
}

function aboutAll(about: readonly string[], table: number): Line[] {
  return about.map((text, line) => ({ layer: layers.indexOf('keys'), table, line, text, under: [], name: undefined }))
}

function linesIn(table: TableLines, layer: Layer): readonly string[] {
  switch (layer) {
    case 'names':
      return [table.title]
    case 'keys':
      return table.keys
    case 'columns':
      return table.columns
    case 'notes':
      return table.notes
    case 'samples':
      return table.samples
  }
}

/** Lines as far as they fit; one that fits on no page is cut. */
function fill(metadata: SchemaMetadata, lines: readonly Line[], head: readonly string[], budget: number): Page {
  const text = [...head]
  let tokens = text.reduce((sum, line) => sum + costOf(line), 0)
  const shown = emptyShown()
  let above: readonly string[] = []
  for (const [at, line] of lines.entries()) {
    const left = budget - tokens - (at === lines.length - 1 ? 0 : footerTokens)
    let added = [...line.under.filter((words, place) => words !== above[place]), line.text]
    if (total(added) > left) {
      if (at > 0) return cutPage(metadata, text, tokens, shown, lines[at]!)
      added = [...added.slice(0, -1), cutTo(line.text, left - total(added.slice(0, -1)))]
    }
    text.push(...added)
    tokens += total(added)
    above = line.under
    note(shown, line)
  }
  return { text: text.join('\n'), cursor: null, tokens, shown }
}

function cutPage(
  metadata: SchemaMetadata,
  text: readonly string[],
  tokens: number,
  shown: Page['shown'],
  next: Line,
): Page {
  const layer = layers[next.layer] ?? 'names'
  const footer = `… not all of it: the next page goes on with ${layer}.`
  return {
    text: [...text, footer].join('\n'),
    cursor: [metadata.version, next.layer, next.table, next.line].join('.'),
    tokens: tokens + costOf(footer),
    shown,
  }
}

/** The first line at or after the place that the cursor names: what people wrote may have changed meanwhile. */
function findStart(metadata: SchemaMetadata, lines: readonly Line[], cursor: string): number {
  const [version, layer, table, line] = cursor.split('.')
  const place = [layer, table, line].map(Number)
  if (version !== metadata.version || place.some(part => !Number.isInteger(part) || part < 0))
    throw new SqlError({
      code: '22023',
      message: 'the schema has changed since the page before',
      hint: 'Begin again, without a cursor.',
    })
  const found = lines.findIndex(each => isAtOrAfter([each.layer, each.table, each.line], place))
  return found === -1 ? lines.length : found
}

function isAtOrAfter(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((part, index) => part !== b[index])
  return at === -1 || (a[at] ?? 0) > (b[at] ?? 0)
}

function emptyShown(): Record<Layer, string[]> {
  return { names: [], keys: [], columns: [], notes: [], samples: [] }
}

function note(shown: Record<Layer, string[]>, line: Line): void {
  const layer = layers[line.layer]
  if (layer !== undefined && line.name !== undefined && shown[layer].at(-1) !== line.name) shown[layer].push(line.name)
}

function cutTo(text: string, tokens: number): string {
  const chars = [...text]
  while (chars.length > 0 && estimateTokens(`${chars.join('')}…`) >= tokens)
    chars.splice(Math.floor(chars.length * 0.8))
  return `${chars.join('')}…`
}

function total(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + costOf(line), 0)
}

/** With its line break. */
function costOf(line: string): number {
  return estimateTokens(line) + 1
}
