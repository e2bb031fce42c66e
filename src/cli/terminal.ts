/** What a command says, and what it is told: standard streams, with `--json` and colour decided once. */

import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { SqlError } from '../errors.ts'

export interface Terminal {
  /** Answers are JSON: {@link say} and {@link table} keep silent, {@link answer} speaks. */
  readonly json: boolean
  /** A line for people, on standard output. */
  say(line: string): void
  /** A line beside the answer, on standard error. */
  note(line: string): void
  /** The command's answer: `value` as JSON, or else whatever `human` says. */
  answer(value: unknown, human: () => void): void
  /** Rows under a header, in columns. */
  table(header: readonly string[], rows: readonly (readonly string[])[]): void
  write(text: string): void
  readonly style: Style
  /** A password typed unseen, or, where standard input is no terminal, its first line. */
  readPassword(question: string): Promise<string>
}

export interface Style {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
}

export interface TerminalStreams {
  readonly input: Readable & { readonly isTTY?: boolean }
  readonly output: Writable & { readonly isTTY?: boolean }
  readonly errors: Writable & { readonly isTTY?: boolean }
}

const passwordMaxBytes = 1024

export function createTerminal(streams: TerminalStreams, o: { json: boolean; colour: boolean }): Terminal {
  const { input, output, errors } = streams
  const style = styleOf(o.colour && output.isTTY === true)
  const say = (line: string) => void (o.json || output.write(`${line}\n`))
  return {
    json: o.json,
    style,
    say,
    note: line => void errors.write(`${line}\n`),
    answer(value, human) {
      if (o.json) output.write(`${JSON.stringify(value, null, 2)}\n`)
      else human()
    },
    table(header, rows) {
      for (const line of columns([header, ...rows])) say(line)
    },
    write: text => void output.write(text),
    readPassword: question => (input.isTTY === true ? askUnseen(input, errors, question) : readFirstLine(input)),
  }
}

/** The error as people (or `--json`) are told it, on standard error. */
export function tellError(terminal: Terminal, error: SqlError): void {
  if (terminal.json) {
    const { code, message, detail, hint, position } = error
    terminal.note(JSON.stringify({ error: { code, message, detail, hint, position } }))
    return
  }
  terminal.note(`postern: ${error.message}${error.code === 'F0000' ? '' : ` (${error.code})`}`)
  if (error.detail !== undefined) terminal.note(`detail: ${error.detail}`)
  if (error.hint !== undefined) terminal.note(`hint: ${error.hint}`)
}

export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  return rows.map(row =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

function styleOf(colour: boolean): Style {
  const paint = (code: number) => (text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  return { bold: paint(1), dim: paint(2), red: paint(31), green: paint(32), yellow: paint(33) }
}

async function askUnseen(input: Readable, errors: Writable, question: string): Promise<string> {
  errors.write(question)
  // With `terminal` readline turns off the terminal's own echo; without an output it echoes nothing itself.
  const lines = createInterface({ input, terminal: true })
  try {
    return checkPassword(await lines.question(''))
  } finally {
    lines.close()
    errors.write('\n')
  }
}

async function readFirstLine(input: Readable): Promise<string> {
  let text = ''
  for await (const chunk of input) {
    text += String(chunk)
    if (text.includes('\n') || Buffer.byteLength(text) > passwordMaxBytes) break
  }
  return checkPassword(text.split(/\r?\n/)[0] ?? '')
}

function checkPassword(password: string): string {
  if (password === '') throw new SqlError({ code: '22023', message: 'the password is empty' })
  if (Buffer.byteLength(password) > passwordMaxBytes)
    throw new SqlError({ code: '22023', message: `the password is longer than ${passwordMaxBytes} bytes` })
  return password
}
