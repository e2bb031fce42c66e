/**
 * Splices: the only rewriting there is. Each replaces one span of the client's text and says what that changes in the
 * tree; the spliced text is parsed again and must give the judged tree with exactly those changes.
 */
import type { ParsedText } from './parse.ts'
import { isFields } from './tree.ts'
import type { Splice } from './verdict.ts'

/** The client's text with the splices in it. They must not overlap; their order is that of `sortSplices`. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  let result = ''
  let from = 0
  for (const splice of splices) {
    result += text.slice(from, splice.start) + splice.text
    from = splice.end
  }
  return result + text.slice(from)
}

/** Ascending; undefined if two overlap. */
export function sortSplices(splices: readonly Splice[]): readonly Splice[] | undefined {
  const sorted = splices.toSorted((a, b) => a.start - b.start || a.end - b.end)
  const overlaps = sorted.some((splice, at) => splice.start < (sorted[at - 1]?.end ?? 0))
  return overlaps ? undefined : sorted
}

/**
 * Leads a position in the spliced text back to the client's.
 * `position` and the result are 1-based and in characters (code points), as ErrorResponse field P counts.
 */
export function clientPosition(text: string, splices: readonly Splice[], position: number): number {
  const offset = offsetOfCharacter(applySplices(text, splices), position)
  let shift = 0
  for (const splice of splices) {
    const start = splice.start + shift
    if (offset < start) break
    if (offset < start + splice.text.length) return characterOfOffset(text, splice.start)
    shift += splice.text.length - (splice.end - splice.start)
  }
  return characterOfOffset(text, Math.min(offset - shift, text.length))
}

function offsetOfCharacter(text: string, position: number): number {
  let offset = 0
  for (let character = 1; character < position && offset < text.length; character += 1) {
    offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1
  }
  return offset
}

function characterOfOffset(text: string, offset: number): number {
  let position = 1
  for (let at = 0; at < offset; position += 1) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
  return position
}

/** Whether `parsed` is one statement and is `judged` with `changes` made, locations aside. */
export function isExactly(parsed: ParsedText, judged: unknown, changes: ReadonlyMap<object, unknown>): boolean {
  const [statement, ...more] = parsed.statements
  return statement !== undefined && more.length === 0 && sameTree(judged, statement.node, changes)
}

function sameTree(judged: unknown, found: unknown, changes: ReadonlyMap<object, unknown>): boolean {
  if (!isFields(judged)) return judged === found
  if (!isFields(found)) return false
  const expected = changes.size === 0 || !changes.has(judged) ? judged : changes.get(judged)
  if (Array.isArray(expected)) return Array.isArray(found) && sameList(expected, found, changes)
  if (!isFields(expected) || Array.isArray(found)) return false
  let fields = 0
  for (const field in expected) {
    if (isLocation(field)) continue
    fields += 1
    if (!sameTree(expected[field], found[field], changes)) return false
  }
  for (const field in found) if (!isLocation(field)) fields -= 1
  return fields === 0
}

function sameList(
  judged: readonly unknown[],
  found: readonly unknown[],
  changes: ReadonlyMap<object, unknown>,
): boolean {
  if (judged.length !== found.length) return false
  for (let at = 0; at < judged.length; at += 1) if (!sameTree(judged[at], found[at], changes)) return false
  return true
}

function isLocation(field: string): boolean {
  switch (field) {
    case 'location':
    case 'name_location':
    case 'list_start':
    case 'list_end':
    case 'rexpr_list_start':
    case 'rexpr_list_end':
      return true
    default:
      return false
  }
}
