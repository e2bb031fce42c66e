/** What every call answers with: the same facts as structure and as text, since hosts show their model one or the other. */
import { oneLine } from '../catalog/sql-text.ts'
import type { SqlError } from '../errors.ts'
import { type ToolError, toolErrorOf } from './codes.ts'
import type { ToolAnswer } from './tool.ts'

export interface CallAbout {
  readonly tenant: string | undefined
  readonly requestId: string
  readonly timingMs: number
}

/** As it goes out, apart from the protocol. */
export interface Envelope {
  readonly structured: Record<string, unknown>
  readonly text: string
  readonly isError: boolean
  readonly meta: Record<string, unknown>
}

export function successEnvelope(answer: ToolAnswer<unknown>, about: CallAbout): Envelope {
  const { data, database, schema, warnings = [], untrusted = false } = answer
  const text = answer.text ?? JSON.stringify(data)
  return {
    structured: {
      success: true,
      data,
      tenant_id: about.tenant ?? null,
      database: database ?? null,
      schema: schema ?? null,
      warnings,
      timing_ms: about.timingMs,
      request_id: about.requestId,
    },
    text: [
      untrusted ? fence(text, about.requestId) : text,
      ...warnings.map(warning => `warning: ${warning}`),
      footer([
        database === undefined ? '' : `${database}${schema === undefined ? '' : `.${schema}`}`,
        `${about.timingMs} ms`,
        `request ${about.requestId}`,
      ]),
    ].join('\n'),
    isError: false,
    meta: { 'postern/request_id': about.requestId, ...(untrusted ? { 'postern/untrusted': true } : {}) },
  }
}

export function failureEnvelope(error: SqlError, cancelled: boolean, about: CallAbout): Envelope {
  const told = toolErrorOf(error, cancelled)
  return {
    structured: {
      success: false,
      error: told,
      tenant_id: about.tenant ?? null,
      timing_ms: about.timingMs,
      request_id: about.requestId,
    },
    text: [...linesOf(told), footer([`${about.timingMs} ms`, `request ${about.requestId}`])].join('\n'),
    isError: true,
    // Errors quote values and names.
    meta: { 'postern/request_id': about.requestId, 'postern/untrusted': true },
  }
}

function linesOf({ code, sqlstate, message, detail, hint, retry_after_s }: ToolError): string[] {
  return [
    `${code} (SQLSTATE ${sqlstate}): ${onItsLine(message)}`,
    ...(detail === undefined ? [] : [`detail: ${onItsLine(detail)}`]),
    ...(hint === undefined ? [] : [`hint: ${onItsLine(hint)}`]),
    ...(retry_after_s === undefined ? [] : [`retry after ${retry_after_s} s`]),
  ]
}

/** What is quoted in it cannot pass for a line of ours. */
function onItsLine(text: string): string {
  return oneLine(text, text.length)
}

function footer(parts: readonly string[]): string {
  return `[${parts.filter(part => part !== '').join(' · ')}]`
}

const markLength = 12

/** Marks that nothing in the text can have foreseen: the request's id is random. */
export function fence(text: string, requestId: string): string {
  const mark = `data-${requestId.replaceAll('-', '').slice(-markLength)}`
  return `<${mark}>\n${text}\n</${mark}>`
}
