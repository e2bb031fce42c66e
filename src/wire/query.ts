/** Simple query and the frontend's words without content. Manual: "Simple Query". */
import { BodyReader, malformed } from './body-reader.ts'
import { backendType, frontendType } from './message-types.ts'
import { beginMessage } from './message-writer.ts'

/** The text of a Query (Q), which may hold several statements or none. */
export function decodeQuery(body: Buffer): string {
  const reader = new BodyReader(body, 'Query')
  const text = reader.text()
  reader.end()
  return text
}

export function encodeQuery(text: string): Buffer {
  return beginMessage(frontendType.query).text(text).end()
}

export const sync = beginMessage(frontendType.sync).end()
export const flush = beginMessage(frontendType.flush).end()
export const terminate = beginMessage(frontendType.terminate).end()

/** CopyFail (f): the COPY fails, with this message among the reasons. */
export function encodeCopyFail(message: string): Buffer {
  return beginMessage(frontendType.copyFail).text(message).end()
}

export const emptyQueryResponse = beginMessage(backendType.emptyQueryResponse).end()

/** The tag of a CommandComplete (C), such as `SELECT 5`. */
export function decodeCommandComplete(body: Buffer): string {
  const reader = new BodyReader(body, 'CommandComplete')
  const tag = reader.text()
  reader.end()
  return tag
}

export function encodeCommandComplete(tag: string): Buffer {
  return beginMessage(backendType.commandComplete).text(tag).end()
}

export type TransactionStatus = 'I' | 'T' | 'E'

const readyForQuery = {
  I: beginMessage(backendType.readyForQuery).uint8(0x49).end(),
  T: beginMessage(backendType.readyForQuery).uint8(0x54).end(),
  E: beginMessage(backendType.readyForQuery).uint8(0x45).end(),
} as const

/** ReadyForQuery (Z): idle, in a transaction, in a failed transaction. The buffers are shared: do not write into them. */
export function encodeReadyForQuery(status: TransactionStatus): Buffer {
  return readyForQuery[status]
}

export function decodeReadyForQuery(body: Buffer): TransactionStatus {
  const reader = new BodyReader(body, 'ReadyForQuery')
  const status = String.fromCharCode(reader.uint8())
  reader.end()
  if (status === 'I' || status === 'T' || status === 'E') return status
  throw malformed('ReadyForQuery', 'unknown transaction status')
}
