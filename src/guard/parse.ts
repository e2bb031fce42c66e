/**
 * Text → statements, by PostgreSQL's own grammar. The one stateful module of the guard: it owns the grammar's
 * instances and a worker thread, and replaces whatever an input has broken.
 */
import { SqlError } from '../errors.ts'
import { type Grammar, loadGrammar } from './grammar.ts'
import { ParseThread } from './parse-thread.ts'
import { prescan, tooComplex } from './prescan.ts'

/** A node of the parse tree as libpg-query prints it: `{ SelectStmt: { … } }`. Fields at their default (0, false, none) are absent. */
export type AstNode = { readonly [kind: string]: unknown }

export interface ParsedText {
  /** Empty for a text of nothing but whitespace, comments and semicolons. */
  readonly statements: readonly ParsedStatement[]
}

export interface ParsedStatement {
  /** The statement's own slice of the text: whitespace and `;` are off both ends, comments before it too; those inside and behind it are kept. */
  readonly text: string
  /** UTF-16 offset of the slice in the whole text. */
  readonly start: number
  /** RawStmt.stmt */
  readonly node: AstNode
  readonly offsets: ByteOffsets
}

/** Leads the parser's locations back to the client's text. They are UTF-8 byte offsets into the whole text; an absent `location` means 0, -1 unknown. */
export interface ByteOffsets {
  /** UTF-16 offset in the statement's slice. */
  toSlice(byte: number): number
}

export interface Parser {
  /**
   * Texts up to 4 KB of UTF-8 are parsed at once, longer ones in a worker thread. Throws or rejects with SqlError:
   * 42601 and kin with the position in characters, 22021, 54000, 54001 (too complex; counts against the caller).
   */
  parse(text: string, textMaxBytes?: number): ParsedText | Promise<ParsedText>
  /** Parses at once whatever the length: for a text spliced together from one that was parsed already. */
  parseNow(text: string, textMaxBytes?: number): ParsedText
  close(): Promise<void>
}

const inProcessMaxBytes = 4 * 1024
const stockSize = 2

export async function createParser(): Promise<Parser> {
  const stock = new GrammarStock([await loadGrammar(), await loadGrammar()])
  const thread = new ParseThread()
  const parseNow = (text: string, textMaxBytes?: number) => {
    const bytes = prescan(text, textMaxBytes)
    return readTree(text, bytes, stock.parse(text))
  }
  return {
    parseNow,
    parse(text, textMaxBytes) {
      const bytes = prescan(text, textMaxBytes)
      if (bytes <= inProcessMaxBytes && stock.ready) return readTree(text, bytes, stock.parse(text))
      return thread.parse(text).then(json => readTree(text, bytes, json))
    },
    close: () => thread.close(),
  }
}

/** The instance in use and a hot spare. */
class GrammarStock {
  readonly #instances: Grammar[]
  #loading = false

  constructor(instances: Grammar[]) {
    this.#instances = instances
  }

  get ready(): boolean {
    return this.#instances.length > 0
  }

  parse(text: string): string {
    const grammar = this.#instances[0]
    if (this.#instances.length < stockSize) this.#refill()
    if (grammar === undefined) {
      throw new SqlError({ code: '53000', message: 'the parser is being replaced', hint: 'Try again in a moment.' })
    }
    try {
      return grammar.parse(text)
    } catch (thrown) {
      if (thrown instanceof SqlError) throw thrown
      this.#instances.shift()
      this.#refill()
      throw tooComplex('the parser gave up on it', thrown)
    }
  }

  /** One load at a time; should it fail, the next parse tries again, and short texts go to the worker meanwhile. */
  #refill(): void {
    if (this.#loading) return
    this.#loading = true
    const done = (fresh?: Grammar) => {
      this.#loading = false
      if (fresh !== undefined && this.#instances.push(fresh) < stockSize) this.#refill()
    }
    loadGrammar().then(done, () => done())
  }
}

function readTree(text: string, bytes: number, json: string): ParsedText {
  const tree: unknown = JSON.parse(json)
  if (!isNode(tree) || !Array.isArray(tree.stmts)) throw new Error('the grammar gave a tree of unknown shape')
  const toText = offsetMap(text, bytes)
  return { statements: tree.stmts.map(raw => readStatement(text, bytes, toText, raw)) }
}

function readStatement(text: string, bytes: number, toText: (byte: number) => number, raw: unknown): ParsedStatement {
  if (!isNode(raw) || !isNode(raw.stmt)) throw new Error('the grammar gave a statement of unknown shape')
  const from = typeof raw.stmt_location === 'number' ? raw.stmt_location : 0
  const length = typeof raw.stmt_len === 'number' ? raw.stmt_len : bytes - from
  let start = toText(from)
  let end = toText(from + length)
  while (start < end && isSpace(text.charCodeAt(start))) start += 1
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1
  return { text: text.slice(start, end), start, node: raw.stmt, offsets: { toSlice: byte => toText(byte) - start } }
}

/** UTF-8 byte offset → UTF-16 offset. The table is made when first asked for; plain ASCII needs none. */
function offsetMap(text: string, bytes: number): (byte: number) => number {
  if (bytes === text.length) return byte => byte
  let table: Uint32Array | undefined
  return byte => {
    table ??= tabulate(text, bytes)
    return table[Math.min(Math.max(byte, 0), bytes)] ?? text.length
  }
}

function tabulate(text: string, bytes: number): Uint32Array {
  const table = new Uint32Array(bytes + 1)
  let byte = 0
  for (let at = 0; at < text.length; ) {
    const point = text.codePointAt(at) ?? 0
    const width = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
    table.fill(at, byte, byte + width)
    byte += width
    at += width === 4 ? 2 : 1
  }
  table[bytes] = text.length
  return table
}

/** Whitespace of PostgreSQL's lexer: anything else, a no-break space too, may be part of a name. */
function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d)
}

function isNode(value: unknown): value is AstNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
