/** Cursors of pages: a position, signed over whom and what it is for. Nothing is kept between the calls. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { CallError } from './codes.ts'
import type { ToolCursors } from './tool.ts'

const validMs = 60 * 60_000
const macBytes = 16
/** They shape one page and do not change what is paged through. */
const pageArguments = new Set(['cursor', 'max_rows', 'format', 'limit', 'token_budget'])

const bodySchema = z.tuple([z.number(), z.string()])

export interface CursorBinding {
  readonly tool: string
  readonly tenant: string
  readonly principal: string
  readonly target: { readonly database: string | undefined; readonly schema: string | undefined }
  readonly args: Readonly<Record<string, unknown>>
}

/** @param key 32 bytes, the same on every instance */
export function cursorsFor(key: Buffer, binding: CursorBinding, now: () => number): ToolCursors {
  const mac = (body: string) =>
    createHmac('sha256', key).update(digestOf(binding)).update(body).digest().subarray(0, macBytes)
  return {
    seal(position) {
      const body = Buffer.from(JSON.stringify([now() + validMs, position])).toString('base64url')
      return `${body}.${mac(body).toString('base64url')}`
    },
    open(cursor) {
      const [body = '', signature = '', more] = cursor.split('.')
      const given = Buffer.from(signature, 'base64url')
      if (more !== undefined || given.length !== macBytes || !timingSafeEqual(given, mac(body)))
        throw notGood('it is not one of this statement, these arguments and this caller')
      const [expiresAt, position] = bodySchema.parse(JSON.parse(Buffer.from(body, 'base64url').toString()))
      if (expiresAt < now()) throw notGood('it has expired')
      return position
    },
  }
}

function digestOf({ tool, tenant, principal, target, args }: CursorBinding): Buffer {
  const kept = Object.entries(args).filter(([name]) => !pageArguments.has(name))
  kept.sort(([a], [b]) => (a < b ? -1 : 1))
  const about = JSON.stringify([tool, tenant, principal, target.database, target.schema, kept])
  return createHash('sha256').update(about).digest()
}

function notGood(why: string): CallError {
  return new CallError('arguments', {
    code: '22023',
    message: `cursor: ${why}`,
    hint: 'Repeat the call with the arguments it came from, or leave the cursor out to begin anew.',
  })
}
