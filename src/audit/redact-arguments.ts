/** A second net below the doors': secrets by their names, and constants in arguments that are SQL. */
import type { StatementTexts } from './statement-texts.ts'

const secretName = /passw|passphrase|secret|token|api_?key|private_?key|credential|authorization|cookie/i
const sqlName = /(^|_)(sql|query|statement)$/i
/** Of what cannot be looked into any further nothing is kept. */
const depthMax = 16

/** The same `detail`, its `arguments` without secrets. SQL among them is treated as statements are. */
export function redactArguments(detail: unknown, texts: StatementTexts): unknown {
  if (typeof detail !== 'object' || detail === null || !('arguments' in detail)) return detail
  return { ...detail, arguments: redact(detail.arguments, texts, 0) }
}

function redact(value: unknown, texts: StatementTexts, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth === depthMax) return '[redacted]'
  if (Array.isArray(value)) return value.map(item => redact(item, texts, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]): [string, unknown] => {
      if (secretName.test(name) && mayBeSecret(inner)) return [name, '[redacted]']
      if (sqlName.test(name)) return [name, redactSql(inner, texts, depth)]
      return [name, redact(inner, texts, depth + 1)]
    }),
  )
}

/** A number or a boolean of such a name is a budget, a count, a switch. */
function mayBeSecret(value: unknown): boolean {
  return typeof value !== 'number' && typeof value !== 'boolean' && value !== null
}

/** A text, or a list of texts, is SQL here; what cannot be redacted leaves hash and length. */
function redactSql(value: unknown, texts: StatementTexts, depth: number): unknown {
  if (Array.isArray(value)) return value.map(item => redactSql(item, texts, depth + 1))
  if (typeof value !== 'string') return redact(value, texts, depth + 1)
  const { shown, hash, bytes } = texts.of(value)
  return shown ?? { hash, bytes }
}
