/** The two places that settings come from, read into plain values that remember where each was said. */
import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import { nearest } from '../nearest.ts'
import { isTree, type Leaf, type Tree } from './leaves.ts'

export type Environment = { readonly [name: string]: string | undefined }

export interface Layer {
  readonly values: Tree
  readonly faults: readonly string[]
  /** Where a key was said: `postern.yml:3` or POSTERN_GATEWAY_PORT. */
  readonly said: (key: string) => string | undefined
}

const fileMaxBytes = 1024 * 1024
const secretMaxBytes = 64 * 1024

/** Names with our prefix that are no settings: the file's own path, what `.postern/demo.env` is for, what the tests read. */
const notSettings = new Set([
  'POSTERN_CONFIG',
  'POSTERN_BOB_PASSWORD',
  'POSTERN_DIRECT_URL',
  'POSTERN_MCP_URL',
  'POSTERN_TEST_MAJOR',
  'POSTERN_MAJORS_DIR',
])

export function readEnvironment(environment: Environment, leaves: readonly Leaf[]): Layer {
  const byName = new Map(leaves.map(leaf => [leaf.environment, leaf]))
  const values: Record<string, unknown> = {}
  const said = new Map<string, string>()
  const faults: string[] = []
  for (const [name, text] of Object.entries(environment)) {
    if (text === undefined || !name.startsWith('POSTERN_') || notSettings.has(name)) continue
    const leaf = byName.get(name)
    if (leaf === undefined) {
      const meant = nearest(name, [...byName.keys()])
      faults.push(
        `${name}: unknown${meant === undefined ? '; postern config print lists all' : `; did you mean ${meant}?`}`,
      )
      continue
    }
    said.set(leaf.key, name)
    try {
      put(values, leaf.path, leaf.secret === undefined ? fromText(leaf, text) : dereference(text, '.', environment))
    } catch (error) {
      faults.push(`${name}: ${reason(error)}`)
    }
  }
  return { values, faults, said: key => said.get(key) }
}

/** `path` names an existing file, or a default that may be absent (`optional`). */
export function readConfigFile(
  path: string,
  optional: boolean,
  environment: Environment,
  leaves: readonly Leaf[],
): Layer {
  const name = basename(path)
  const empty: Layer = { values: {}, faults: [], said: () => undefined }
  let text: string
  try {
    if (statSync(path).size > fileMaxBytes) return { ...empty, faults: [`${name}: larger than ${fileMaxBytes} bytes`] }
    text = readFileSync(path, 'utf8')
  } catch (error) {
    return optional && reason(error).startsWith('ENOENT') ? empty : { ...empty, faults: [`${path}: ${reason(error)}`] }
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const syntax = document.errors.map(error => `${name}:${lines.linePos(error.pos[0]).line}: ${error.message}`)
  if (syntax.length > 0) return { ...empty, faults: syntax }
  const whole: unknown = document.toJS() ?? {}
  if (!isTree(whole))
    return { ...empty, faults: [`${name}: must be a mapping of settings, such as "gateway: { port: 6432 }"`] }

  const said = (key: string): string | undefined => {
    const line = lineOf(document.contents, key.split('.'), lines)
    return line === undefined ? undefined : `${name}:${line}`
  }
  const values: Record<string, unknown> = structuredClone(whole)
  const faults: string[] = []
  for (const leaf of leaves) {
    const value = get(values, leaf.path)
    if (leaf.secret === undefined || typeof value !== 'string') continue
    try {
      put(values, leaf.path, secretFromFile(leaf, value, dirname(path), environment))
    } catch (error) {
      faults.push(`${said(leaf.key)}: ${leaf.key}: ${reason(error)}`)
    }
  }
  return { values, faults, said }
}

/** The second layer's values over the first's. */
export function overlay(under: Tree, over: Tree): Tree {
  const merged: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    merged[key] =
      isTree(value) && isTree(below) ? overlay(below, value) : isTree(value) && below !== undefined ? below : value
  }
  return merged
}

function fromText(leaf: Leaf, text: string): unknown {
  if (leaf.nullable && (text === '' || text === 'off' || text === 'none')) return null
  switch (leaf.type) {
    case 'string':
      return text
    case 'list':
      return text === '' ? [] : text.split(',').map(part => part.trim())
    case 'boolean':
      if (text === 'true' || text === 'on' || text === '1') return true
      if (text === 'false' || text === 'off' || text === '0') return false
      throw new Error('must be true or false')
    case 'integer':
      if (!/^-?\d{1,15}$/.test(text)) throw new Error('must be a whole number')
      return Number(text)
  }
}

function secretFromFile(leaf: Leaf, text: string, folder: string, environment: Environment): string {
  if (text.startsWith('file:') || text.startsWith('env:')) return dereference(text, folder, environment)
  if (leaf.secret === 'url' && URL.canParse(text) && new URL(text).password === '') return text
  const held = leaf.secret === 'url' ? 'an address with a password' : 'a secret'
  throw new Error(`${held} may not stand in this file; write file:<path> or env:<NAME>, or set ${leaf.environment}`)
}

/** `file:<path>` (its content without the last line break), `env:<NAME>`, or the text itself. */
function dereference(text: string, folder: string, environment: Environment): string {
  if (text.startsWith('env:')) {
    const value = environment[text.slice(4)]
    if (value === undefined || value === '') throw new Error(`${text}: no such environment variable`)
    return value
  }
  if (!text.startsWith('file:')) return text
  const path = resolve(folder, text.slice(5))
  if (statSync(path).size > secretMaxBytes) throw new Error(`${path}: larger than ${secretMaxBytes} bytes`)
  const content = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  if (content === '') throw new Error(`${path}: empty`)
  return content
}

function get(tree: Tree, path: readonly string[]): unknown {
  let value: unknown = tree
  for (const part of path) value = isTree(value) && Object.hasOwn(value, part) ? value[part] : undefined
  return value
}

function put(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head, ...rest] = path
  if (head === undefined) return
  if (rest.length === 0) {
    tree[head] = value
    return
  }
  const below = tree[head]
  const child: Record<string, unknown> = isTree(below) ? { ...below } : {}
  put(child, rest, value)
  tree[head] = child
}

function lineOf(contents: unknown, path: readonly string[], lines: LineCounter): number | undefined {
  let node: unknown = contents
  let line: number | undefined
  for (const part of path) {
    if (!isMap(node)) return undefined
    const pair = node.items.find(item => isScalar(item.key) && item.key.value === part)
    if (pair === undefined || !isScalar(pair.key) || !pair.key.range) return undefined
    line = lines.linePos(pair.key.range[0]).line
    node = pair.value
  }
  return line
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
