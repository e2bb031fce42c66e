/**
 * One instance of PostgreSQL 18's own grammar (libpg-query, WebAssembly). An instance that threw anything but a
 * {@link SqlError} is broken for good (facts/parsers.md, 6): whoever owns it must drop it and load another.
 */
import { createRequire } from 'node:module'
import { SqlError } from '../errors.ts'
import { tooComplex } from './prescan.ts'

/** The emscripten module inside the package, whose own wrapper keeps one instance for good. */
interface GrammarModule {
  readonly HEAPU32: Uint32Array
  lengthBytesUTF8(text: string): number
  stringToUTF8(text: string, pointer: number, bytesMax: number): void
  UTF8ToString(pointer: number): string
  _malloc(bytes: number): number
  _free(pointer: number): void
  _wasm_parse_query_raw(text: number): number
  _wasm_free_parse_result(result: number): void
}

type PrintLine = (line: string) => void

const createModule: (options: { print: PrintLine; printErr: PrintLine }) => Promise<GrammarModule> = createRequire(
  import.meta.url,
)('libpg-query/wasm/libpg-query.js')

/** Nesting of `{` and `[` in a tree: what a recursive walk on a default stack, and a second parse, bear. */
export const treeDepthMax = 2000

export interface Grammar {
  /**
   * The tree as JSON: `{"version":…,"stmts":[{"stmt":…,"stmt_location":…,"stmt_len":…}]}`, offsets in UTF-8 bytes.
   * Throws SqlError: 42601 and its kin with the position in characters, 54001 for a tree deeper than {@link treeDepthMax}.
   */
  parse(text: string): string
}

export async function loadGrammar(): Promise<Grammar> {
  const module = await createModule({ print: () => {}, printErr: () => {} })
  return { parse: text => parse(module, text) }
}

function parse(module: GrammarModule, text: string): string {
  const bytes = module.lengthBytesUTF8(text) + 1
  const input = module._malloc(bytes)
  if (input === 0) throw new Error('the grammar is out of memory')
  let result = 0
  try {
    module.stringToUTF8(text, input, bytes)
    result = module._wasm_parse_query_raw(input)
    if (result === 0) throw new Error('the grammar is out of memory')
    const tree = readWord(module, result, 0)
    const error = readWord(module, result, 2)
    if (error !== 0) throw readError(module, error)
    if (tree === 0) throw new Error('the grammar gave no tree')
    const json = module.UTF8ToString(tree)
    if (text.length > treeDepthMax / 4) checkDepth(json)
    return json
  } finally {
    if (result !== 0) module._wasm_free_parse_result(result)
    module._free(input)
  }
}

function readWord(module: GrammarModule, pointer: number, word: number): number {
  return module.HEAPU32[(pointer >>> 2) + word] ?? 0
}

/** PgQueryError: message, function, file, line, cursor position (1-based, in characters; 0: none). */
function readError(module: GrammarModule, error: number): SqlError {
  const messageAt = readWord(module, error, 0)
  const message = messageAt === 0 ? 'syntax error' : module.UTF8ToString(messageAt)
  if (/^(memory exhausted|stack depth limit exceeded)/.test(message)) return tooComplex(message)
  const position = readWord(module, error, 4)
  return new SqlError({ code: sqlstateOf(message), message, position: position > 0 ? position : undefined })
}

/** What the grammar raises with another code than syntax_error (gram.y, scan.l); the package does not pass codes on. */
const sqlstates: readonly (readonly [RegExp, string])[] = [
  [/^invalid byte sequence for encoding/, '22021'],
  [/^invalid Unicode escape$/, '22025'],
  [/^frame (start|end)/, '42P20'],
  [/^(unrecognized (JSON encoding|partitioning strategy)|column number must be in range)/, '22023'],
  [
    /^CREATE ASSERTION|not yet implemented|cannot include schema elements|only supported|^only string constants are/,
    '0A000',
  ],
  [/^constraints cannot be altered to be NOT VALID/, '0A000'],
]

function sqlstateOf(message: string): string {
  return sqlstates.find(([pattern]) => pattern.test(message))?.[1] ?? '42601'
}

function checkDepth(json: string): void {
  let depth = 0
  let quoted = false
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at)
    if (code === 0x22 /* " */) quoted = !quoted
    else if (quoted) at += code === 0x5c /* \ */ ? 1 : 0
    else if (code === 0x7b /* { */ || code === 0x5b /* [ */) depth += 1
    else if (code === 0x7d /* } */ || code === 0x5d /* ] */) depth -= 1
    if (depth > treeDepthMax) throw tooComplex(`the statement's tree is more than ${treeDepthMax} levels deep`)
  }
}
