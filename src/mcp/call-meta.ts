/** `_meta` of a request, as far as it is ours to read. */
import { z } from 'zod'
import { nearest } from '../nearest.ts'
import { CallError } from './codes.ts'

const nameMaxLength = 200
const tokenMaxLength = 16 * 1024

export interface CallMeta {
  readonly tenant: string | undefined
  readonly database: string | undefined
  readonly schema: string | undefined
  /** W3C trace id, 32 hex digits. */
  readonly traceId: string | undefined
  /** The token of the user for whom a trusted host asks. */
  readonly authorization: string | undefined
}

const name = z.string().min(1).max(nameMaxLength).optional()
const keys = ['postern/tenant', 'postern/database', 'postern/schema'] as const

const metaSchema = z.looseObject({
  'postern/tenant': name,
  'postern/database': name,
  'postern/schema': name,
  traceparent: z.unknown().optional(),
  authorization: z.string().min(1).max(tokenMaxLength).optional(),
})

const traceparent = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}$/

/** @throws CallError 22023 for what is not understood among the keys that are ours */
export function readCallMeta(raw: unknown): CallMeta {
  const parsed = metaSchema.safeParse(raw ?? {})
  if (!parsed.success) {
    const where = parsed.error.issues.map(issue => issue.path.join('.') || 'it').join(', ')
    throw new CallError('arguments', {
      code: '22023',
      message: `_meta: ${where} must be a text of at most ${nameMaxLength} characters`,
    })
  }
  const meta = parsed.data
  for (const key of Object.keys(meta)) {
    if (!key.startsWith('postern/') || keys.some(known => known === key)) continue
    const meant = nearest(key, keys)
    throw new CallError('arguments', {
      code: '22023',
      message: `_meta: there is no "${key.slice(0, nameMaxLength)}"${meant === undefined ? '' : `, did you mean "${meant}"?`}`,
      hint: `It takes ${keys.join(', ')}.`,
    })
  }
  return {
    tenant: meta['postern/tenant'],
    database: meta['postern/database'],
    schema: meta['postern/schema'],
    traceId: typeof meta.traceparent === 'string' ? traceparent.exec(meta.traceparent)?.[1] : undefined,
    authorization: meta.authorization?.replace(/^Bearer /i, ''),
  }
}
