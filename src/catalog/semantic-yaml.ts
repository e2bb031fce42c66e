/** The text of `semantic/<tenant>.yml` → what it defines. Pure. */
import { isCollection, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import { SqlError } from '../errors.ts'
import { type FaultPath, readSemantics } from './semantic-document.ts'
import { semanticFaults } from './semantic-faults.ts'
import type { SemanticLayer } from './semantic-layer.ts'
import type { ExpressionReader } from './semantic-sql.ts'

export interface ReadFile {
  readonly layer: SemanticLayer
  /** As YAML has it, for whoever stores it. */
  readonly document: unknown
}

/** @param name stands before the lines of faults. @throws SqlError F0000 with every fault and its line */
export function parseSemantics(text: string, name: string, parser: ExpressionReader): ReadFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const syntax = [...document.errors, ...document.warnings].map(
    error => `${name}:${lines.linePos(error.pos[0]).line}: ${error.message}`,
  )
  if (syntax.length > 0) throw refusedSemantics(syntax)
  const lineOfPath = (path: FaultPath) => lineOf(document.contents, path, lines)
  let plain: unknown
  try {
    plain = document.toJS() ?? {}
  } catch (error) {
    throw refusedSemantics([`${name}: ${error instanceof Error ? error.message : String(error)}`])
  }
  const read = readSemantics(plain, parser, path => `${name}:${lineOfPath(path)}`)
  if (read.layer !== undefined) return { layer: read.layer, document: plain }
  const faults = semanticFaults(read.faults).map(({ path, message }) => ({ line: lineOfPath(path), message }))
  faults.sort((a, b) => a.line - b.line)
  throw refusedSemantics(faults.map(({ line, message }) => `${name}:${line}: ${message}`))
}

/** Of the node that the path leads to, or of the last one on the way that there is. */
function lineOf(contents: unknown, path: FaultPath, lines: LineCounter): number {
  let node = contents
  let offset = isNode(contents) ? contents.range?.[0] : undefined
  for (const part of path) {
    if (!isCollection(node)) break
    const pair = isMap(node) ? node.items.find(item => isScalar(item.key) && item.key.value === part) : undefined
    const key = pair?.key
    const next: unknown = node.get(part, true)
    if (isNode(key) && key.range) offset = key.range[0]
    else if (isNode(next) && next.range) offset = next.range[0]
    else break
    node = next
  }
  return lines.linePos(offset ?? 0).line
}

export function refusedSemantics(faults: readonly string[]): SqlError {
  return new SqlError({ code: 'F0000', message: ['The semantic layer is refused:', ...faults].join('\n  ') })
}
