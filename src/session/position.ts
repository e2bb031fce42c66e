/** Error positions: from the text that ran upstream back to the client's own. Both count characters (code points) from 1. */
import type { Expectation } from './expectation.ts'
import type { StatementRun } from './run.ts'

/** @returns the position in the client's message; undefined where it means nothing to the client (our own words). */
export function positionForClient(position: number | undefined, head: Expectation | undefined): number | undefined {
  if (position === undefined || head === undefined) return undefined
  if (head.type === 'parse') return head.source === undefined ? position : lead(position, head.source)
  if (head.type === 'query') {
    const run = head.runs[head.index]
    return run === undefined ? undefined : leadRun(position, run)
  }
  if (head.type === 'execute') return leadRun(position, head.run)
  return undefined
}

function leadRun(position: number, run: StatementRun): number | undefined {
  return run.source === undefined ? undefined : lead(position, run.source)
}

/** Where an upstream text came from. */
export interface TextSource {
  readonly clientText: string
  readonly upstreamText: string
  /** UTF-16 offsets of the statement's text in the two. */
  readonly clientStart: number
  readonly upstreamStart: number
  /** Ascending; offsets into the client's statement text. */
  readonly splices: readonly { readonly start: number; readonly end: number; readonly text: string }[]
}

function lead(position: number, source: TextSource): number {
  const upstreamAt = offsetOf(source.upstreamText, position - 1) - source.upstreamStart
  let shift = 0
  for (const splice of source.splices) {
    const spliceAt = splice.start + shift
    if (upstreamAt < spliceAt) break
    if (upstreamAt < spliceAt + splice.text.length)
      return charactersBefore(source.clientText, source.clientStart + splice.start) + 1
    shift += splice.text.length - (splice.end - splice.start)
  }
  return charactersBefore(source.clientText, source.clientStart + Math.max(0, upstreamAt - shift)) + 1
}

/** UTF-16 offset of the character with this index. */
function offsetOf(text: string, characters: number): number {
  let at = 0
  for (let i = 0; i < characters && at < text.length; i++) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
  return at
}

export function charactersBefore(text: string, offset: number): number {
  let count = 0
  for (let at = 0; at < offset && at < text.length; count++) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
  return count
}
