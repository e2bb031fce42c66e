/** A tool's arguments, checked; what is wrong with them is said so that a model can mend all of it at once. */
import type { z } from 'zod'
import { nearest } from '../nearest.ts'
import { CallError } from './codes.ts'

const shownMaxChars = 60

/** @throws CallError 22023 that names every fault */
export function parseArguments<Input extends z.ZodObject>(tool: string, input: Input, raw: unknown): z.output<Input> {
  const parsed = input.safeParse(raw ?? {})
  if (parsed.success) return parsed.data
  const known = Object.keys(input.shape)
  const faults = parsed.error.issues.flatMap(issue => faultsOf(issue, raw, known))
  throw new CallError('arguments', {
    code: '22023',
    message: `${tool}: ${faults.join('; ')}`,
    hint: `Call it again with ${known.map(name => signatureOf(name, input.shape[name])).join(', ')}.`,
  })
}

function faultsOf(issue: z.core.$ZodIssue, raw: unknown, known: readonly string[]): string[] {
  const name = issue.path.map(String).join('.')
  const place = name === '' ? 'the arguments' : `"${name}"`
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => {
        const meant = nearest(key, known)
        return `there is no argument "${shown(key)}"${meant === undefined ? '' : `, did you mean "${meant}"?`}`
      })
    case 'invalid_type':
      return valueAt(raw, issue.path) === undefined && name !== ''
        ? [`"${name}" is missing: ${articled(issue.expected)}`]
        : [`${place} must be ${articled(issue.expected)}`]
    case 'invalid_value':
      return [`${place} must be one of ${issue.values.map(value => JSON.stringify(value)).join(', ')}`]
    case 'too_small':
      return [
        `${place} must ${issue.origin === 'string' ? 'have at least' : 'be at least'} ${unitOf(issue.minimum, issue.origin)}`,
      ]
    case 'too_big':
      return [
        `${place} must ${issue.origin === 'string' ? 'have at most' : 'be at most'} ${unitOf(issue.maximum, issue.origin)}`,
      ]
    default:
      return [`${place}: ${issue.message}`]
  }
}

function unitOf(limit: number | bigint, origin: string): string {
  if (origin === 'string') return `${limit} characters`
  return origin === 'array' ? `${limit} long` : `${limit}`
}

function articled(type: string): string {
  if (type === 'int') return 'a whole number'
  return /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`
}

function shown(text: string): string {
  return text.length <= shownMaxChars ? text : `${text.slice(0, shownMaxChars)}…`
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Reflect.get(value, key)
  }
  return value
}

function signatureOf(name: string, schema: z.core.$ZodType | undefined): string {
  const type = schema?._zod.def.type
  return type === 'optional' || type === 'default' || type === 'nullable' ? `${name} (optional)` : name
}
