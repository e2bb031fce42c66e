/** Tables and columns by what they are called or said to be. */
import type { ColumnMetadata, SchemaMetadata, TableKind, TableMetadata } from './metadata.ts'

export interface Hit {
  readonly kind: 'table' | 'column'
  readonly tableKind: TableKind
  readonly schema: string
  readonly table: string
  /** Of a column. */
  readonly column: string | null
  readonly type: string | null
  readonly description: string | null
  /** 0 to 1: how well it fits. */
  readonly score: number
}

export interface SearchOptions {
  readonly hitsMax: number
}

/** All words of `text` of three letters or more have to be found, in whatever order. Best first; names count for more than descriptions. */
export function searchSchema(metadata: SchemaMetadata, text: string, options: SearchOptions): readonly Hit[] {
  const all = wordsOf(text)
  const long = all.filter(word => word.length > 2)
  const words = long.length > 0 ? long : all
  if (words.length === 0) return []
  const hits = metadata.tables.flatMap(table => [...tableHits(table, words), ...columnHits(table, words)])
  return hits
    .map((hit, at) => ({ hit, at }))
    .sort((a, b) => b.hit.score - a.hit.score || a.at - b.at)
    .slice(0, options.hitsMax)
    .map(({ hit }) => hit)
}

function tableHits(table: TableMetadata, words: readonly string[]): readonly Hit[] {
  const knowledge = table.knowledge?.useCases.join(' ') ?? ''
  const score = scoreOf(words, table.name, [], `${table.description ?? ''} ${knowledge}`)
  if (score === 0) return []
  const { schema, name, kind, description } = table
  return [{ kind: 'table', tableKind: kind, schema, table: name, column: null, type: null, description, score }]
}

function columnHits(table: TableMetadata, words: readonly string[]): readonly Hit[] {
  return table.columns.flatMap(column => {
    const score = 0.9 * scoreOf(words, column.name, column.synonyms, aboutColumn(table, column))
    if (score === 0) return []
    const { schema, name, kind } = table
    const { type, description } = column
    return [{ kind: 'column', tableKind: kind, schema, table: name, column: column.name, type, description, score }]
  })
}

function aboutColumn(table: TableMetadata, { name, description, enumValues }: ColumnMetadata): string {
  return [description ?? '', table.knowledge?.columnNotes.get(name) ?? '', ...(enumValues ?? [])].join(' ')
}

/** 0: some word is nowhere. */
function scoreOf(words: readonly string[], name: string, synonyms: readonly string[], about: string): number {
  const names = wordsOf([name, ...synonyms].join(' '))
  const told = wordsOf(about)
  const scores = words.map(word => Math.max(matchOf(word, names), 0.5 * matchOf(word, told)))
  if (scores.includes(0)) return 0
  const covered = names.filter(each => words.some(word => matchOf(word, [each]) > 0)).length / Math.max(1, names.length)
  return (scores.reduce((sum, score) => sum + score, 0) / words.length) * (0.8 + 0.2 * covered)
}

/** Whole word, plural or singular of it, beginning, part. */
function matchOf(word: string, among: readonly string[]): number {
  let best = 0
  for (const each of among) {
    if (each === word) return 1
    if (`${each}s` === word || each === `${word}s`) best = Math.max(best, 0.95)
    else if (each.startsWith(word)) best = Math.max(best, 0.8)
    else if (each.includes(word)) best = Math.max(best, 0.6)
  }
  return best
}

function wordsOf(text: string): readonly string[] {
  const spaced = text.replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2').toLowerCase()
  return spaced.split(/[^\p{L}\p{N}]+/u).filter(word => word !== '')
}
