/**
 * What a text must be before the grammar sees it: bounded in size and nesting, so that no input makes the parser
 * run long or deep (facts/parsers.md: nested comments and operator runs are quadratic there, deep trees overflow).
 * One linear pass that knows PostgreSQL's lexical rules (manual, 4.1) with standard_conforming_strings on.
 */
import { SqlError } from '../errors.ts'

export const statementTextMaxBytes = 128 * 1024
const commentDepthMax = 16
const parenthesisDepthMax = 500
const operatorRunMax = 64

const identifierStart = 1
const identifierPart = 2
const operator = 4
/** What each ASCII character may be; all above are letters to PostgreSQL. */
const classes = classify()

/**
 * Checks one client text. Returns its length in UTF-8 bytes.
 * Errors: 22021 for NUL and lone surrogates, 54000 over `textMaxBytes`, 54001 for nesting and operator runs.
 */
export function prescan(text: string, textMaxBytes: number = statementTextMaxBytes): number {
  const bytes = Buffer.byteLength(text)
  if (bytes > textMaxBytes) {
    throw new SqlError({
      code: '54000',
      message: `statement text of ${bytes} bytes exceeds the limit of ${textMaxBytes} bytes`,
      hint: 'Send long lists of values as an array parameter, or split the statement.',
    })
  }
  if (text.includes('\0')) throw badEncoding('invalid byte sequence for encoding "UTF8": 0x00')
  if (!text.isWellFormed()) throw badEncoding('invalid byte sequence for encoding "UTF8"')
  scan(text)
  return bytes
}

function scan(text: string): void {
  let at = 0
  let depth = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code > 127 || classes[code]! & identifierStart) {
      at = skipWord(text, at)
    } else if (code === 0x27 /* ' */ || code === 0x22 /* " */) {
      at = skipPast(text, text[at]!, at + 1)
    } else if (code === 0x24 /* $ */) {
      at = skipDollar(text, at)
    } else if (code === 0x28 /* ( */ || code === 0x5b /* [ */) {
      depth += 1
      if (depth > parenthesisDepthMax) throw tooComplex(`parentheses are nested more than ${parenthesisDepthMax} deep`)
      at += 1
    } else if (code === 0x29 /* ) */ || code === 0x5d /* ] */) {
      depth = Math.max(0, depth - 1)
      at += 1
    } else if (classes[code]! & operator) {
      at = skipOperator(text, at)
    } else {
      at += 1
    }
  }
}

/** An identifier, a keyword, or the prefix of a string; only E'…' changes what follows. */
function skipWord(text: string, start: number): number {
  let at = start + 1
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code <= 127 && !(classes[code]! & identifierPart)) break
    at += 1
  }
  const escapes = at === start + 1 && (text[start] === 'e' || text[start] === 'E') && text[at] === "'"
  return escapes ? skipEscapeString(text, at + 1) : at
}

/** After the opening quote of E'…', to behind its last continuation. */
function skipEscapeString(text: string, start: number): number {
  let at = start
  while (at < text.length) {
    const character = text[at]
    if (character === '\\') at += 2
    else if (character !== "'") at += 1
    else if (text[at + 1] === "'") at += 2
    else {
      const next = continuation(text, at + 1)
      if (next === undefined) return at + 1
      at = next
    }
  }
  return at
}

/** 'a' and 'b' on different lines are one string: the offset after the second opening quote, or undefined. */
function continuation(text: string, start: number): number | undefined {
  let newline = false
  for (let at = start; at < text.length; at += 1) {
    const character = text[at]
    if (character === '\n' || character === '\r') newline = true
    else if (character === '-' && text[at + 1] === '-') at = endOfLine(text, at) - 1
    else if (character === "'" && newline) return at + 1
    else if (character !== ' ' && character !== '\t' && character !== '\f' && character !== '\v') return undefined
  }
  return undefined
}

const dollarQuote = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y

function skipDollar(text: string, at: number): number {
  dollarQuote.lastIndex = at
  const tag = dollarQuote.exec(text)?.[0]
  return tag === undefined ? at + 1 : skipPast(text, tag, at + tag.length)
}

function skipOperator(text: string, start: number): number {
  let at = start
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code > 127 || !(classes[code]! & operator)) break
    if (text.startsWith('--', at)) return endOfLine(text, at)
    if (text.startsWith('/*', at)) return skipComment(text, at)
    at += 1
    if (at - start > operatorRunMax) throw tooComplex(`an operator is longer than ${operatorRunMax} characters`)
  }
  return at
}

const commentMark = /\/\*|\*\//g

function skipComment(text: string, start: number): number {
  let depth = 1
  commentMark.lastIndex = start + 2
  while (depth > 0) {
    const mark = commentMark.exec(text)
    if (mark === null) return text.length
    depth += mark[0] === '/*' ? 1 : -1
    if (depth > commentDepthMax) throw tooComplex(`comments are nested more than ${commentDepthMax} deep`)
  }
  return commentMark.lastIndex
}

function endOfLine(text: string, start: number): number {
  let at = start
  while (at < text.length && text[at] !== '\n' && text[at] !== '\r') at += 1
  return at
}

function skipPast(text: string, mark: string, start: number): number {
  const found = text.indexOf(mark, start)
  return found === -1 ? text.length : found + mark.length
}

function classify(): Uint8Array {
  const table = new Uint8Array(128)
  const add = (characters: string, bits: number) => {
    for (const character of characters) table[character.charCodeAt(0)]! |= bits
  }
  add('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_', identifierStart | identifierPart)
  add('0123456789$', identifierPart)
  add('~!@#^&|`?+-*/%<>=', operator)
  return table
}

function badEncoding(message: string): SqlError {
  return new SqlError({ code: '22021', message, hint: 'Send statements as valid UTF-8 without NUL.' })
}

export function tooComplex(detail: string, cause?: unknown): SqlError {
  return new SqlError({
    code: '54001',
    message: 'statement is too complex',
    detail,
    hint: 'Nest less deeply, or split the statement.',
    cause,
  })
}
