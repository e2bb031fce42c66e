/** What the schema found wrong, in words that say where it was said and what to write instead. */
import type { z } from 'zod'
import { nearest } from '../nearest.ts'
import type { Leaf } from './leaves.ts'

export function schemaFaults(
  issues: readonly z.core.$ZodIssue[],
  leaves: readonly Leaf[],
  said: (key: string) => string | undefined,
): string[] {
  return issues.flatMap(issue => {
    const path = issue.path.map(String)
    if (issue.code !== 'unrecognized_keys') return [fault(path, wording(issue, path, leaves), said)]
    return issue.keys.map(key => fault([...path, key], unknownKey(path, key, leaves), said))
  })
}

function fault(path: readonly string[], words: string, said: (key: string) => string | undefined): string {
  const key = path.join('.')
  const place = path
    .map((_, depth) => said(path.slice(0, path.length - depth).join('.')))
    .find(told => told !== undefined)
  if (place?.startsWith('POSTERN_')) return `${place}: ${words}`
  return place === undefined ? `${key}: ${words}` : `${place}: ${key}: ${words}`
}

function unknownKey(path: readonly string[], key: string, leaves: readonly Leaf[]): string {
  const siblings = new Set(
    leaves.filter(leaf => path.every((part, depth) => leaf.path[depth] === part)).map(leaf => leaf.path[path.length]!),
  )
  const named = nearest(key, [...siblings, ...leaves.map(leaf => leaf.path.at(-1)!)])
  const elsewhere = leaves.find(leaf => leaf.path.at(-1) === named)?.key
  const meant = named !== undefined && siblings.has(named) ? [...path, named].join('.') : elsewhere
  if (meant !== undefined) return `unknown key; did you mean ${meant}?`
  return siblings.size === 0 ? 'unknown key' : `unknown key; known here: ${[...siblings].join(', ')}`
}

function wording(issue: z.core.$ZodIssue, path: readonly string[], leaves: readonly Leaf[]): string {
  const leaf = leaves.find(candidate => candidate.key === path.join('.'))
  const off = leaf?.nullable ? ' or null' : ''
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeNames[issue.expected] ?? issue.expected}${off}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}${off}`
    case 'too_small':
      return issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}${off}`
    case 'too_big':
      return `must be at most ${issue.maximum}${off}`
    default:
      return issue.message
  }
}

const typeNames: { readonly [expected: string]: string } = {
  int: 'a whole number',
  number: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of settings',
}
