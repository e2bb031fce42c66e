/** Facts as lines of text: one fact a line, cells parted by tabs. What others wrote cannot leave its line. */
import { oneLine as flatten, sqlName } from '../../catalog/sql-text.ts'
import { nearest } from '../../nearest.ts'

const descriptionMaxChars = 300
const cellMaxChars = 16_000
const namedMax = 12

/** A text that others wrote, on one line; what is too long is cut with a mark. */
export function oneLine(text: string, maxChars = descriptionMaxChars): string {
  return flatten(text, maxChars)
}

/** Tab-separated; trailing empty cells are left out. */
export function cells(...parts: readonly (string | number | null | undefined)[]): string {
  const flat = parts.map(part => (part === null || part === undefined ? '' : oneLine(String(part), cellMaxChars)))
  while (flat.at(-1) === '') flat.pop()
  return flat.join('\t')
}

/** `Did you mean orders? There is customers, orders, …` */
export function nearestHint(asked: string, known: readonly string[], whereAll: string): string {
  const meant = nearest(asked, known) ?? known.find(name => name.toLowerCase().includes(asked.toLowerCase()))
  const question = meant === undefined ? '' : `Did you mean ${sqlName(meant)}? `
  const more = known.length > namedMax ? `, … (${known.length} in all: ${whereAll})` : ''
  const names = known.slice(0, namedMax).map(name => oneLine(sqlName(name), 80))
  return `${question}There is ${names.join(', ')}${more}.`
}

/** `3 tables`, `1 table` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** `12 MB` (powers of 1024) */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** power
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power]}`
}

/** Whether a name has `filter` in it, or is of its pattern where there is a `*`; capitals do not matter. */
export function matchesName(name: string, filter: string | undefined): boolean {
  if (filter === undefined) return true
  const pattern = filter.toLowerCase()
  const plain = name.toLowerCase()
  if (!pattern.includes('*')) return plain.includes(pattern)
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop() ?? ''
  if (!plain.startsWith(first)) return false
  let from = first.length
  for (const part of rest) {
    const at = plain.indexOf(part, from)
    if (at === -1) return false
    from = at + part.length
  }
  return plain.length - last.length >= from && plain.endsWith(last)
}
