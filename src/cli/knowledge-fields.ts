/** The options of `knowledge add` and `knowledge edit`, and what each kind of knowledge takes of them. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { NewKnowledgeEntry } from '../control/knowledge-entries.ts'
import type { NewLearning } from '../control/learnings.ts'
import type { TableNotes } from '../control/table-knowledge.ts'
import { SqlError } from '../errors.ts'

export interface FieldOptions {
  readonly title?: string
  readonly text?: string
  readonly file?: string
  readonly tag?: string[]
  readonly database?: string
  readonly schema?: string
  readonly table?: string[]
  readonly useCase?: string[]
  readonly quality?: string
  readonly owner?: string
  readonly refresh?: string
  readonly joinHint?: string[]
  readonly columnNote?: string[]
  readonly description?: string
  readonly category?: string
  readonly failingSql?: string
  readonly correctedSql?: string
}

export type Kind = 'entry' | 'table' | 'learning'

export const kinds = ['entry', 'table', 'learning'] as const

const takes: { readonly [K in Kind]: readonly (keyof FieldOptions)[] } = {
  entry: ['title', 'text', 'file', 'tag'],
  table: ['database', 'schema', 'table', 'useCase', 'quality', 'owner', 'refresh', 'joinHint', 'columnNote'],
  learning: ['database', 'table', 'description', 'category', 'failingSql', 'correctedSql'],
}

const collect = (value: string, before: string[] = []) => [...before, value].filter(one => one !== '')

export function withFields(command: Command): Command {
  return command
    .option('--title <text>', 'entry: its title')
    .option('--text <markdown>', 'entry: its text')
    .option('--file <path>', 'entry: its text, from a file')
    .option('--tag <word>', 'entry: may be repeated', collect)
    .option('--database <alias>', 'table, learning: in this database; left out: any')
    .option('--schema <name>', 'table: in this schema, or in those provisioned for this purpose; left out: any')
    .option('--table <name>', 'table: which; learning: about which, may be repeated', collect)
    .option('--use-case <text>', 'table: what it is good for; may be repeated', collect)
    .option('--quality <text>', 'table: what is wrong or missing in it')
    .option('--owner <text>', 'table: whom to ask')
    .option('--refresh <text>', 'table: how often it is brought up to date')
    .option('--join-hint <text>', 'table: how to join it; may be repeated', collect)
    .option('--column-note <column=text>', 'table: about a column; may be repeated', collect)
    .option('--description <text>', 'learning: what was learned')
    .option('--category <word>', 'learning: such as join, filter, metric, type')
    .option('--failing-sql <sql>', 'learning: what was wrong')
    .option('--corrected-sql <sql>', 'learning: what is right; it is parsed, and never run')
}

/** @throws SqlError 22023 for an option that this kind does not take */
export function refuseOthers(kind: Kind, options: FieldOptions, fixed: readonly (keyof FieldOptions)[] = []): void {
  for (const taker of kinds) {
    for (const name of taker === kind ? fixed : takes[taker]) {
      if (options[name] === undefined || (taker !== kind && takes[kind].includes(name))) continue
      throw new SqlError({
        code: '22023',
        message: `--${dashed(name)} cannot be given here`,
        hint: `Here: ${takes[kind]
          .filter(one => !fixed.includes(one))
          .map(one => `--${dashed(one)}`)
          .join(', ')}.`,
      })
    }
  }
}

/** @throws SqlError 22023, 58030 */
export async function entryFields(options: FieldOptions): Promise<Partial<NewKnowledgeEntry>> {
  if (options.text !== undefined && options.file !== undefined) throw invalid('--text or --file, not both')
  const markdown = options.file === undefined ? options.text : await readText(options.file)
  return {
    ...(options.title === undefined ? {} : { title: options.title }),
    ...(markdown === undefined ? {} : { markdown }),
    ...(options.tag === undefined ? {} : { tags: options.tag }),
  }
}

/** '' takes a note back. @throws SqlError 22023 */
export function tableFields(options: FieldOptions): Partial<TableNotes> {
  const orNull = (text: string) => (text === '' ? null : text)
  return {
    ...(options.useCase === undefined ? {} : { useCases: options.useCase }),
    ...(options.quality === undefined ? {} : { qualityNotes: orNull(options.quality) }),
    ...(options.owner === undefined ? {} : { owner: orNull(options.owner) }),
    ...(options.refresh === undefined ? {} : { refreshFrequency: orNull(options.refresh) }),
    ...(options.joinHint === undefined ? {} : { joinHints: options.joinHint }),
    ...(options.columnNote === undefined ? {} : { columnNotes: columnNotes(options.columnNote) }),
  }
}

export function learningFields(options: FieldOptions): Partial<NewLearning> {
  const { description, category, table, failingSql, correctedSql, database } = options
  return {
    ...(description === undefined ? {} : { description }),
    ...(category === undefined ? {} : { category }),
    ...(table === undefined ? {} : { tables: table }),
    ...(failingSql === undefined ? {} : { failingSql: failingSql === '' ? null : failingSql }),
    ...(correctedSql === undefined ? {} : { correctedSql }),
    ...(database === undefined ? {} : { database }),
  }
}

/** @throws SqlError 22023 where it is left out */
export function demand<Value>(option: keyof FieldOptions, value: Value | undefined): Value {
  if (value !== undefined) return value
  throw invalid(`--${dashed(option)} is needed`)
}

/** @throws SqlError 58030 */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SqlError({ code: '58030', message: `${path} cannot be read: ${why}`, cause })
  }
}

function columnNotes(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map(text => {
      const at = text.indexOf('=')
      if (at < 1) throw invalid(`${JSON.stringify(text)} is not <column>=<text>`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

function invalid(message: string): SqlError {
  return new SqlError({ code: '22023', message })
}
