/** Confirmation by a person: through a host that can ask its user, else by a one-time code that has to come back. */
import { createHash, createHmac, randomInt, timingSafeEqual } from 'node:crypto'
import type { Pool } from 'pg'
import { askConfirmation, type ConfirmationSubject, takeConfirmation } from '../control/confirmations.ts'
import { makeId } from '../control/ids.ts'
import { CallError } from './codes.ts'
import type { Confirm } from './tool.ts'

const validMs = 10 * 60_000
/** Without letters and digits that look alike. */
const codeAlphabet = 'ABCDEFGHJKMNPQRSTVWXYZ23456789'
const codeLength = 8

/** The host must ask its user, and call again with the answer. Not a failure. */
export class Question extends Error {
  /** What is asked. */
  readonly subject: string
  /** Comes back with the answer. */
  readonly state: string

  constructor(message: string, subject: string, state: string) {
    super(message)
    this.subject = subject
    this.state = state
  }
}

/** What the host brought back. */
export interface Reply {
  readonly state: string
  readonly action: 'accept' | 'decline' | 'cancel'
  /** What the user typed. */
  readonly typed: string | undefined
}

export interface ConfirmParts {
  readonly control: Pool
  /** 32 bytes, the same on every instance. */
  readonly key: Buffer
}

export interface ConfirmCall {
  readonly tool: string
  readonly tenantId: string
  readonly principalId: string
  readonly args: Readonly<Record<string, unknown>>
  /** Whether the host can ask its user. */
  readonly canAsk: boolean
  readonly reply: Reply | undefined
}

export function confirmFor({ control, key }: ConfirmParts, call: ConfirmCall): Confirm {
  return async ({ message, subject, code }) => {
    const about: ConfirmationSubject = {
      principalId: call.principalId,
      tenantId: call.tenantId,
      tool: call.tool,
      argumentsHash: digestOf(call.args, subject),
    }
    if (call.reply !== undefined) return takeReply(control, key, about, call.reply, subject)
    if (code !== undefined) return takeCode(control, about, code)
    if (call.canAsk) {
      const id = makeId()
      await askConfirmation(control, id, about, null, validMs)
      throw new Question(message, subject, `${id}.${signatureOf(key, id, about)}`)
    }
    const fresh = makeCode()
    await askConfirmation(control, makeId(), about, hashOf(fresh), validMs)
    throw new CallError('confirmation', {
      code: '55000',
      message,
      hint: `Tell the user this and ask. Only when the user has agreed, call ${call.tool} again with the same arguments and confirmation_code "${fresh}" (good once, for ${validMs / 60_000} minutes).`,
    })
  }
}

async function takeReply(
  control: Pool,
  key: Buffer,
  about: ConfirmationSubject,
  reply: Reply,
  subject: string,
): Promise<void> {
  const [id = '', signature = ''] = reply.state.split('.')
  const expected = Buffer.from(signatureOf(key, id, about))
  const given = Buffer.from(signature)
  if (
    given.length !== expected.length ||
    !timingSafeEqual(given, expected) ||
    !(await takeConfirmation(control, { id }, about))
  )
    throw new CallError('confirmation', {
      code: '55000',
      message: 'this confirmation has been used, has expired, or is not of this call',
      hint: 'Call again without it, and confirm anew.',
    })
  if (reply.action !== 'accept') throw new CallError('cancelled', { code: '57014', message: 'the user did not agree' })
  if (reply.typed === subject) return
  throw new CallError('confirmation', {
    code: '55000',
    message: `the user typed another name than "${subject}": nothing was done`,
    hint: 'Call again to ask once more.',
  })
}

async function takeCode(control: Pool, about: ConfirmationSubject, code: string): Promise<void> {
  const plain = code.toUpperCase().replaceAll('-', '')
  if (await takeConfirmation(control, { codeHash: hashOf(plain) }, about)) return
  throw new CallError('confirmation', {
    code: '55000',
    message: 'confirmation_code is not good: it was used, has expired, or was given for other arguments',
    hint: 'Call again without confirmation_code to get a new one, and ask the user again.',
  })
}

function signatureOf(key: Buffer, id: string, about: ConfirmationSubject): string {
  const text = JSON.stringify([id, about.principalId, about.tenantId, about.tool, about.argumentsHash.toString('hex')])
  return createHmac('sha256', key).update(text).digest('base64url')
}

/** The code itself is no part of what is confirmed. */
function digestOf(args: Readonly<Record<string, unknown>>, subject: string): Buffer {
  const kept = Object.entries(args).filter(([name]) => name !== 'confirmation_code')
  kept.sort(([a], [b]) => (a < b ? -1 : 1))
  return hashOf(JSON.stringify([subject, kept]))
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function makeCode(): string {
  return Array.from({ length: codeLength }, () => codeAlphabet[randomInt(codeAlphabet.length)]).join('')
}
