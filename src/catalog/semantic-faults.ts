/** What is wrong with a semantic document, in words that say where in it and what to write instead. */
import { z } from 'zod'
import { nearest } from '../nearest.ts'
import type { FaultPath, SemanticFaults } from './semantic-document.ts'
import { semanticDocument } from './semantic-schema.ts'

export function semanticFaults(faults: SemanticFaults): { readonly path: FaultPath; readonly message: string }[] {
  const said = faults.issues.flatMap(issue => {
    const path = issue.path.map(part => (typeof part === 'symbol' ? String(part) : part))
    if (issue.code !== 'unrecognized_keys') return [{ path, message: wording(issue) }]
    return issue.keys.map(key => ({ path: [...path, key], message: unknownKey(path, key) }))
  })
  return [...said, ...faults.others].map(({ path, message }) => ({ path, message: nameOf(path) + message }))
}

function nameOf(path: FaultPath): string {
  return path.length === 0 ? '' : `${path.map((part, at) => partOf(part, at)).join('')}: `
}

function partOf(part: string | number, at: number): string {
  if (typeof part === 'number') return `[${part + 1}]`
  return at === 0 ? part : `.${part}`
}

function wording(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.message.endsWith('received undefined')) return 'is missing'
      return `must be ${typeNames[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'too_small':
      return `needs at least ${issue.minimum}`
    case 'too_big':
      return `must be at most ${issue.maximum} long`
    default:
      return issue.message
  }
}

const typeNames: { readonly [expected: string]: string } = {
  string: 'text (in quotes where it looks like a number, a date or a truth value)',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of keys',
  record: 'a mapping of columns',
}

function unknownKey(path: FaultPath, key: string): string {
  const known = knownKeys(path)
  const meant = nearest(key, known)
  return meant === undefined ? `unknown key; known here: ${known.join(', ')}` : `unknown key; did you mean ${meant}?`
}

type Tree = { readonly [key: string]: unknown }

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

const shape: unknown = z.toJSONSchema(semanticDocument, { io: 'input', unrepresentable: 'any' })

/** The keys that the schema knows at this place. */
function knownKeys(path: FaultPath): string[] {
  let node: unknown = shape
  for (const part of path) {
    if (!isTree(node)) return []
    if (typeof part === 'number') node = node.items
    else node = isTree(node.properties) && part in node.properties ? node.properties[part] : node.additionalProperties
  }
  return isTree(node) && isTree(node.properties) ? Object.keys(node.properties) : []
}
