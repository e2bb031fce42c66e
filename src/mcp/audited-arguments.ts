/** A call's arguments as the audit log may hold them. */
import type { Tool } from './tool.ts'

const auditedTextMaxChars = 64 * 1024

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
        : value,
  ])
  const text = JSON.stringify(kept)
  return text.length > 2 * auditedTextMaxChars ? { bytes: text.length } : Object.fromEntries(kept)
}
