/** COPY. Manual: "COPY Operations". */
import { BodyReader } from './body-reader.ts'
import { backendType, frontendType } from './message-types.ts'
import { beginMessage } from './message-writer.ts'

export interface CopyOutResponse {
  /** 0 text or CSV, 1 binary. */
  readonly format: number
  readonly columnFormats: readonly number[]
}

export function decodeCopyOutResponse(body: Buffer): CopyOutResponse {
  const reader = new BodyReader(body, 'CopyOutResponse')
  const format = reader.uint8()
  const columnFormats: number[] = []
  for (let count = reader.uint16(); count > 0; count--) columnFormats.push(reader.int16())
  reader.end()
  return { format, columnFormats }
}

export function encodeCopyOutResponse({ format, columnFormats }: CopyOutResponse): Buffer {
  const message = beginMessage(backendType.copyOutResponse).uint8(format).uint16(columnFormats.length)
  for (const columnFormat of columnFormats) message.int16(columnFormat)
  return message.end()
}

/** CopyData is the same in both directions; its body is the data. */
export function encodeCopyData(data: Uint8Array): Buffer {
  return beginMessage(backendType.copyData).bytes(data).end()
}

/** CopyDone, the same in both directions. */
export const copyDone = beginMessage(backendType.copyDone).end()

/** The reason that the client gives in CopyFail (f). */
export function decodeCopyFail(body: Buffer): string {
  const reader = new BodyReader(body, 'CopyFail')
  const reason = reader.text()
  reader.end()
  return reason
}

export function encodeCopyFail(reason: string): Buffer {
  return beginMessage(frontendType.copyFail).text(reason).end()
}
