/** Array literals as Postgres prints them. Manual: "Array Input and Output Syntax". */

export type Nested<Element> = readonly (Element | null | Nested<Element>)[]

interface Reader {
  readonly text: string
  readonly delimiter: string
  at: number
}

/** @returns undefined for a text that is no whole array literal */
export function parseArrayLiteral<Element>(
  text: string,
  decode: (element: string) => Element,
  delimiter = ',',
): Nested<Element> | undefined {
  const start = text.startsWith('[') ? text.indexOf('=') + 1 : 0
  const reader: Reader = { text, delimiter, at: start }
  if (text[reader.at] !== '{') return undefined
  const value = readArray(reader, decode)
  return value !== undefined && reader.at === text.length ? value : undefined
}

function readArray<Element>(reader: Reader, decode: (element: string) => Element): Nested<Element> | undefined {
  const { text, delimiter } = reader
  const items: (Element | null | Nested<Element>)[] = []
  reader.at += 1
  if (text[reader.at] === '}') {
    reader.at += 1
    return items
  }
  for (;;) {
    if (text[reader.at] === '{') {
      const inner = readArray(reader, decode)
      if (inner === undefined) return undefined
      items.push(inner)
    } else if (text[reader.at] === '"') {
      const quoted = readQuoted(reader)
      if (quoted === undefined) return undefined
      items.push(decode(quoted))
    } else {
      const plain = readPlain(reader)
      items.push(plain === 'NULL' ? null : decode(plain))
    }
    const next = text[reader.at]
    reader.at += 1
    if (next === '}') return items
    if (next !== delimiter) return undefined
  }
}

function readQuoted(reader: Reader): string | undefined {
  const { text } = reader
  let value = ''
  let from = reader.at + 1
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\\') {
      value += text.slice(from, at)
      at += 1
      from = at
    } else if (text[at] === '"') {
      reader.at = at + 1
      return value + text.slice(from, at)
    }
  }
  return undefined
}

function readPlain(reader: Reader): string {
  const { text, delimiter } = reader
  const from = reader.at
  while (reader.at < text.length && text[reader.at] !== delimiter && text[reader.at] !== '}') reader.at += 1
  return text.slice(from, reader.at)
}
