/** YAML that people write by hand: what is wrong with it is said with its line, and with what was most likely meant. Pure. */
import { isCollection, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { nearest } from '../nearest.ts'

export type FaultPath = readonly (string | number)[]

export interface Fault {
  readonly path: FaultPath
  readonly message: string
}

export interface YamlText {
  /** As YAML has it: objects, lists and scalars. */
  readonly plain: unknown
  /** Of the node that the path leads to, or of the last one on the way that there is; from 1. */
  readonly lineOf: (path: FaultPath) => number
}

/** @returns the faults of its syntax, each with `name` and line, where it is no YAML */
export function parseYaml(text: string, name: string): YamlText | { readonly faults: readonly string[] } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const faults = [...document.errors, ...document.warnings].map(
    error => `${name}:${lines.linePos(error.pos[0]).line}: ${error.message}`,
  )
  if (faults.length > 0) return { faults }
  try {
    return { plain: document.toJS() ?? {}, lineOf: path => lineOf(document.contents, path, lines) }
  } catch (error) {
    return { faults: [`${name}: ${error instanceof Error ? error.message : String(error)}`] }
  }
}

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

/** Faults as lines of `name`, in the order of the file. */
export function placeFaults(yaml: YamlText, name: string, faults: readonly Fault[]): string[] {
  const placed = faults.map(({ path, message }) => ({ line: yaml.lineOf(path), message: nameOf(path) + message }))
  placed.sort((a, b) => a.line - b.line)
  return placed.map(({ line, message }) => `${name}:${line}: ${message}`)
}

function nameOf(path: FaultPath): string {
  return path.length === 0 ? '' : `${path.map((part, at) => partOf(part, at)).join('')}: `
}

function partOf(part: string | number, at: number): string {
  if (typeof part === 'number') return `[${part + 1}]`
  return at === 0 ? part : `.${part}`
}

/** @param shape the schema as JSON schema; @param plain what was checked against it */
export function describeIssues(issues: readonly z.core.$ZodIssue[], shape: unknown, plain: unknown): Fault[] {
  return issues.flatMap(issue => {
    const path = issue.path.map(part => (typeof part === 'symbol' ? String(part) : part))
    if (issue.code !== 'unrecognized_keys') return [{ path, message: wording(issue) }]
    return issue.keys.map(key => ({ path: [...path, key], message: unknownKey(knownKeys(shape, plain, path), key) }))
  })
}

function wording(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.message.endsWith('received undefined')) return 'is missing'
      return `must be ${typeNames[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `must be at least ${issue.minimum}`
        : `needs at least ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `must be at most ${issue.maximum}`
        : `must be at most ${issue.maximum} long`
    default:
      return issue.message
  }
}

const typeNames: { readonly [expected: string]: string } = {
  string: 'text (in quotes where it looks like a number, a date or a truth value)',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'a mapping of keys',
  record: 'a mapping of names',
}

function unknownKey(known: readonly string[], key: string): string {
  const meant = nearest(key, known)
  return meant === undefined ? `unknown key; known here: ${known.join(', ')}` : `unknown key; did you mean ${meant}?`
}

type Tree = { readonly [key: string]: unknown }

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The keys that the schema knows at this place. */
function knownKeys(shape: unknown, plain: unknown, path: FaultPath): string[] {
  let node = variantOf(shape, plain)
  let value = plain
  for (const part of path) {
    if (!isTree(node)) return []
    value = Array.isArray(value) ? value[Number(part)] : isTree(value) ? value[part] : undefined
    if (typeof part === 'number') node = node.items
    else node = isTree(node.properties) && part in node.properties ? node.properties[part] : node.additionalProperties
    node = variantOf(node, value)
  }
  return isTree(node) && isTree(node.properties) ? Object.keys(node.properties) : []
}

/** Of several forms that a value may have, the one that it says it is. */
function variantOf(node: unknown, value: unknown): unknown {
  const variants = isTree(node) ? (node.oneOf ?? node.anyOf) : undefined
  if (!Array.isArray(variants)) return node
  return variants.find(
    variant =>
      isTree(variant) &&
      isTree(variant.properties) &&
      Object.entries(variant.properties).every(
        ([key, property]) =>
          !isTree(property) || !('const' in property) || (isTree(value) && value[key] === property.const),
      ),
  )
}
