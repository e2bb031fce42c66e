/**
 * Takes constants out of a statement's text. Follows the lexical rules of the PostgreSQL manual, section 4.1, with
 * standard_conforming_strings on. In one pass over the text.
 */

const singleQuote = 0x27
const doubleQuote = 0x22
const dollar = 0x24
const dash = 0x2d
const slash = 0x2f
const star = 0x2a
const dot = 0x2e
const backslash = 0x5c
const ampersand = 0x26
const lineFeed = 0x0a
const carriageReturn = 0x0d

const numberPattern =
  /0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?/y
const dollarQuotePattern = /\$(?:[A-Za-z_\x80-\uffff][A-Za-z0-9_\x80-\uffff]*)?\$/y
const parameterPattern = /\$(\d+)/g

/**
 * Every numeric and string constant becomes `$n`, counted on from the highest parameter in the text, as
 * pg_stat_statements does; comments become a space, since they hold anything. Undefined: a quote or comment does not
 * end, so what is a constant cannot be told.
 */
export function redactLiterals(text: string): string | undefined {
  let next = highestParameter(text) + 1
  let out = ''
  let kept = 0
  let at = 0
  const replace = (start: number, end: number, by: string): void => {
    out += text.slice(kept, start) + by
    kept = end
    at = end
  }
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (isWordStart(code)) {
      const end = endOfWord(text, at + 1)
      const quote = literalQuote(text, at, end)
      if (quote === undefined) at = end
      else {
        const close = endOfString(text, quote + 1, rulesOf(code | 0x20))
        if (close === undefined) return undefined
        replace(at, close, `$${next++}`)
      }
    } else if (code === singleQuote) {
      const close = endOfString(text, at + 1, 'plain')
      if (close === undefined) return undefined
      replace(at, close, `$${next++}`)
    } else if (isDigit(code) || (code === dot && isDigit(text.charCodeAt(at + 1)))) {
      numberPattern.lastIndex = at
      numberPattern.test(text)
      replace(at, numberPattern.lastIndex, `$${next++}`)
    } else if (code === doubleQuote) {
      const close = text.indexOf('"', at + 1)
      if (close === -1) return undefined
      at = close + 1
    } else if (code === dollar) {
      if (isDigit(text.charCodeAt(at + 1))) at = endOfDigits(text, at + 2)
      else {
        const close = endOfDollarQuote(text, at)
        if (close === undefined) return undefined
        if (close === at) at++
        else replace(at, close, `$${next++}`)
      }
    } else if (code === dash && text.charCodeAt(at + 1) === dash) {
      replace(at, endOfLine(text, at + 2), ' ')
    } else if (code === slash && text.charCodeAt(at + 1) === star) {
      const close = endOfComment(text, at + 2)
      if (close === undefined) return undefined
      replace(at, close, ' ')
    } else at++
  }
  return kept === 0 ? text : out + text.slice(kept)
}

function highestParameter(text: string): number {
  let highest = 0
  if (!text.includes('$')) return highest
  for (const match of text.matchAll(parameterPattern)) {
    const number = Number(match[1])
    // The protocol has at most 65,535 parameters; what is higher stands in a string.
    if (number > highest && number <= 65_535) highest = number
  }
  return highest
}

/** Where the quote is that makes the word at `start` the prefix of a constant: E'…', B'…', X'…', U&'…'. */
function literalQuote(text: string, start: number, end: number): number | undefined {
  if (end !== start + 1) return undefined
  const prefix = text.charCodeAt(start) | 0x20
  const code = text.charCodeAt(end)
  // e, b, x
  if (code === singleQuote && (prefix === 0x65 || prefix === 0x62 || prefix === 0x78)) return end
  if (prefix === 0x75 && code === ampersand && text.charCodeAt(end + 1) === singleQuote) return end + 1
  return undefined
}

type StringRules = 'plain' | 'escapes' | 'bits'

/** By the prefix: E'…' has escapes, B'…' and X'…' have no doubled quotes. */
function rulesOf(prefix: number): StringRules {
  if (prefix === 0x65) return 'escapes'
  return prefix === 0x62 || prefix === 0x78 ? 'bits' : 'plain'
}

/** After the closing quote, or after that of the last part where a string goes on on another line. */
function endOfString(text: string, from: number, rules: StringRules): number | undefined {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (Number.isNaN(code)) return undefined
    if (rules === 'escapes' && code === backslash) at += 2
    else if (code !== singleQuote) at++
    else if (rules !== 'bits' && text.charCodeAt(at + 1) === singleQuote) at += 2
    else {
      const again = continuation(text, at + 1)
      if (again === undefined) return at + 1
      at = again
    }
  }
}

/** 'a' and 'b' on separate lines are one constant (section 4.1.2.1): after the next part's quote. */
function continuation(text: string, from: number): number | undefined {
  let at = from
  let newLine = false
  for (;;) {
    const code = text.charCodeAt(at)
    if (code === lineFeed || code === carriageReturn) newLine = true
    if (code === singleQuote) return newLine ? at + 1 : undefined
    if (isSpace(code)) at++
    else if (code === dash && text.charCodeAt(at + 1) === dash) at = endOfLine(text, at + 2)
    else return undefined
  }
}

/** `at` itself where no dollar quote begins there. */
function endOfDollarQuote(text: string, at: number): number | undefined {
  dollarQuotePattern.lastIndex = at
  const tag = dollarQuotePattern.exec(text)?.[0]
  if (tag === undefined) return at
  const close = text.indexOf(tag, at + tag.length)
  return close === -1 ? undefined : close + tag.length
}

function endOfLine(text: string, from: number): number {
  let at = from
  while (at < text.length && text.charCodeAt(at) !== lineFeed && text.charCodeAt(at) !== carriageReturn) at++
  return at
}

/** Comments nest. */
function endOfComment(text: string, from: number): number | undefined {
  let depth = 1
  let at = from
  while (at < text.length) {
    const code = text.charCodeAt(at)
    const following = text.charCodeAt(at + 1)
    if (code === star && following === slash) {
      at += 2
      if (--depth === 0) return at
    } else if (code === slash && following === star) {
      at += 2
      depth++
    } else at++
  }
  return undefined
}

function endOfWord(text: string, from: number): number {
  let at = from
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (!isWordStart(code) && !isDigit(code) && code !== dollar) break
  }
  return at
}

/** Of a parameter: what follows is its own token, as in `$1$$constant$$`. */
function endOfDigits(text: string, from: number): number {
  let at = from
  while (isDigit(text.charCodeAt(at))) at++
  return at
}

function isWordStart(code: number): boolean {
  const lower = code | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || code === 0x5f || code >= 0x80
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d)
}
