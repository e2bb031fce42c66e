/** ErrorResponse (E) and NoticeResponse (N). Manual: "Error and Notice Message Fields". */
import type { SqlErrorFields } from '../errors.ts'
import { BodyReader } from './body-reader.ts'
import { backendType } from './message-types.ts'
import { beginMessage } from './message-writer.ts'

/** The fields that only a server fills, by the letter that each has on the wire. */
const serverLetters = {
  where: 'W',
  internalPosition: 'p',
  internalQuery: 'q',
  schema: 's',
  table: 't',
  column: 'c',
  dataType: 'd',
  constraint: 'n',
  file: 'F',
  line: 'L',
  routine: 'R',
} as const

type ServerField = keyof typeof serverLetters
const serverFields: readonly ServerField[] = [
  'where',
  'internalPosition',
  'internalQuery',
  'schema',
  'table',
  'column',
  'dataType',
  'constraint',
  'file',
  'line',
  'routine',
]

export type ServerFields = { readonly [field in ServerField]?: string | undefined }

/** A report as a server sent it. Code and message are always there: where the server left them out, XX000 and a text of ours. */
export interface ServerReport extends ServerFields {
  /** ERROR, FATAL, PANIC, WARNING, NOTICE, DEBUG, INFO or LOG, never translated where the server is 9.6 or newer. */
  readonly severity: string
  readonly code: string
  readonly message: string
  readonly detail?: string | undefined
  readonly hint?: string | undefined
  /** 1-based, in characters. */
  readonly position?: number | undefined
}

type ErrorFields = Omit<SqlErrorFields, 'severity'> & { readonly severity?: string | undefined } & ServerFields
type NoticeFields = ErrorFields & { readonly severity: string }

/** Never throws over its texts: what cannot be sent (NUL, half a character) is replaced. */
export function encodeErrorResponse(fields: ErrorFields): Buffer {
  return encodeReport(backendType.errorResponse, fields, fields.severity ?? 'ERROR')
}

export function encodeNotice(fields: NoticeFields): Buffer {
  return encodeReport(backendType.noticeResponse, fields, fields.severity)
}

function encodeReport(type: number, fields: ErrorFields, severity: string): Buffer {
  const message = beginMessage(type)
  const put = (letter: string, value: string | undefined) => {
    if (value !== undefined) message.uint8(letter.charCodeAt(0)).text(value.toWellFormed().replaceAll('\0', '\ufffd'))
  }
  put('S', severity)
  put('V', severity)
  put('C', fields.code)
  put('M', fields.message)
  put('D', fields.detail)
  put('H', fields.hint)
  put('P', fields.position?.toString())
  for (const field of serverFields) put(serverLetters[field], fields[field])
  return message.uint8(0).end()
}

/** Body of an ErrorResponse or NoticeResponse. Texts are taken as they are: before login their encoding is not agreed. */
export function decodeReport(body: Buffer): ServerReport {
  const reader = new BodyReader(body, 'ErrorResponse')
  const texts = new Map<string, string>()
  for (let letter = reader.uint8(); letter !== 0; letter = reader.uint8()) {
    texts.set(String.fromCharCode(letter), reader.lossyText())
  }
  reader.end()
  const code = texts.get('C') ?? ''
  const position = Number(texts.get('P'))
  const server: { [field in ServerField]?: string | undefined } = {}
  for (const field of serverFields) {
    const text = texts.get(serverLetters[field])
    if (text !== undefined) server[field] = text
  }
  return {
    severity: texts.get('V') ?? texts.get('S') ?? 'ERROR',
    code: /^[0-9A-Z]{5}$/.test(code) ? code : 'XX000',
    message: texts.get('M') ?? 'the server gave no message',
    detail: texts.get('D'),
    hint: texts.get('H'),
    position: Number.isSafeInteger(position) && position > 0 ? position : undefined,
    ...server,
  }
}
