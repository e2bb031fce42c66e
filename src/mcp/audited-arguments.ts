/** A call's arguments as the audit log may hold them. */
import type { Tool } from './tool.ts'

const auditedTextMaxChars = 64 * 1024
const depthMax = 16

/** What must not be kept is left out, and so is what nobody could have meant. */
export function auditedArguments(tool: Tool | undefined, args: unknown): unknown {
  if (typeof args !== 'object' || args === null) return undefined
  const secrets = new Set([...(tool?.secretArguments ?? []), 'confirmation_code'])
  const kept = Object.entries(args).map(([name, value]) => [
    name,
    secrets.has(name)
      ? '***'
      : typeof value === 'string' && value.length > auditedTextMaxChars
        ? `${value.slice(0, auditedTextMaxChars)}…`
        : shallow(value, depthMax),
  ])
  const text = JSON.stringify(kept)
  return text.length > 2 * auditedTextMaxChars ? { bytes: text.length } : Object.fromEntries(kept)
}

/** What lies deeper is left out: to write it as JSON takes a stack as deep, and a call without a record would be the end of it. */
function shallow(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth === 0) return '…'
  if (Array.isArray(value)) return value.map(item => shallow(item, depth - 1))
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shallow(inner, depth - 1)]))
}
