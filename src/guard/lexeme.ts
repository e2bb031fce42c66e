/**
 * Where names end. The tree says where a node starts and never where it ends, so the few splices that replace a name
 * or a call read its tokens here (manual, 4.1). Whatever this reading gets wrong, the check of the spliced text's own
 * tree catches: it decides nothing by itself.
 */

export interface Span {
  readonly start: number
  readonly end: number
}

/** Parts of a dotted name at `start`, each with its place; undefined if none stands there. `.*` ends it and is no part. */
export function readQualifiedName(text: string, start: number): readonly Span[] | undefined {
  const parts: Span[] = []
  let at = start
  for (;;) {
    const end = endOfIdentifier(text, at)
    if (end === undefined) return parts.length === 0 ? undefined : parts
    parts.push({ start: at, end })
    const dot = skipBlank(text, end)
    if (text[dot] !== '.') return parts
    at = skipBlank(text, dot + 1)
  }
}

/** The end of `()` at or behind `start`, blanks and comments aside; undefined if something else stands there. */
export function endOfEmptyCall(text: string, start: number): number | undefined {
  const open = skipBlank(text, start)
  if (text[open] !== '(') return undefined
  const close = skipBlank(text, open + 1)
  return text[close] === ')' ? close + 1 : undefined
}

/** The end of a numeral at `start`. */
export function endOfNumeral(text: string, start: number): number | undefined {
  numeral.lastIndex = start
  return numeral.test(text) ? numeral.lastIndex : undefined
}

const numeral = /0[xX][0-9A-Fa-f_]+|0[oO][0-7_]+|0[bB][01_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]+)?/y
const bareIdentifier = /[A-Za-z_\u0080-\u{10ffff}][A-Za-z0-9_$\u0080-\u{10ffff}]*/uy
const quotedIdentifier = /"(?:[^"]|"")+"/y
const blank = /(?:[ \t\n\r\f\v]|--[^\n\r]*)*/y

function endOfIdentifier(text: string, start: number): number | undefined {
  const pattern = text[start] === '"' ? quotedIdentifier : bareIdentifier
  pattern.lastIndex = start
  return pattern.test(text) ? pattern.lastIndex : undefined
}

/** Past whitespace and comments, nested ones too. */
export function skipBlank(text: string, start: number): number {
  let at = start
  for (;;) {
    blank.lastIndex = at
    blank.test(text)
    at = blank.lastIndex
    if (!text.startsWith('/*', at)) return at
    at = skipComment(text, at)
  }
}

function skipComment(text: string, start: number): number {
  let depth = 0
  let at = start
  while (at < text.length) {
    if (text.startsWith('/*', at)) {
      depth += 1
      at += 2
    } else if (text.startsWith('*/', at)) {
      depth -= 1
      at += 2
      if (depth === 0) return at
    } else {
      at += 1
    }
  }
  return at
}
