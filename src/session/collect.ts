/** A session for doors that want values, not frames: one statement at a time, its answer decoded. */
import { SqlError } from '../errors.ts'
import { encodeBind, encodeDescribe, encodeExecute, encodeParse } from '../wire/extended-query.ts'
import { FrameReader } from '../wire/framing.ts'
import { backendType, frontendType } from '../wire/message-types.ts'
import { decodeCommandComplete } from '../wire/query.ts'
import { decodeReport, type ServerReport } from '../wire/reports.ts'
import { type Column, decodeDataRow, decodeRowDescription } from '../wire/rows.ts'
import type { Session } from './session.ts'
import type { Sink } from './sink.ts'

/** One statement's answer. Values are Postgres's text forms. */
export interface Collected {
  readonly columns: readonly Required<Column>[]
  readonly rows: readonly (readonly (string | null)[])[]
  /** Values of which only the beginning was kept, with their whole length in bytes. */
  readonly cuts: readonly Cut[]
  /** Rows that came and were not kept: `keepBytes` was reached. */
  readonly rowsLeftOut: number
  /** CommandComplete's tag; '' for an empty statement. */
  readonly tag: string
  /** The first ones. */
  readonly notices: readonly ServerReport[]
  readonly noticesLeftOut: number
}

export interface Cut {
  /** Index into `rows`. */
  readonly row: number
  readonly column: number
  readonly bytes: number
}

/** What is kept of an answer. */
export interface Keep {
  /** Of one value; what is longer is cut there. */
  readonly cellBytes: number
  /** Of all values together; whole rows only, but for the first: where it alone is larger, all its values are cut alike. */
  readonly bytes: number
}

const frameMaxBytes = 1024 * 1024 * 1024
const headerBytes = 5
/** A statement can raise one for each row that it reads. */
const noticesMax = 20
const everything: Keep = { cellBytes: frameMaxBytes, bytes: Number.MAX_SAFE_INTEGER }

/** Decodes what a session answers. One statement at a time. */
export class CollectingSink implements Sink {
  /** Of the statement that is asked next. */
  keep: Keep = everything
  /** A COPY FROM STDIN takes rows now. */
  onCopyIn: (() => void) | undefined
  /** The session takes messages again. */
  onReadable: (() => void) | undefined
  private readonly reader = new FrameReader(frameMaxBytes)
  private columns: readonly Required<Column>[] = []
  private rows: (string | null)[][] = []
  private cuts: Cut[] = []
  private keptBytes = 0
  private rowsLeftOut = 0
  private tag = ''
  private notices: ServerReport[] = []
  private noticesLeftOut = 0
  private error: SqlError | undefined
  private done: ((result: Collected | SqlError) => void) | undefined
  private ended = false

  /** Resolves at the next ReadyForQuery. @throws SqlError that the statement ended with */
  async next(): Promise<Collected> {
    if (this.ended) throw this.error ?? new SqlError({ code: '57P01', message: 'the session has ended' })
    const result = await new Promise<Collected | SqlError>(resolve => {
      this.done = resolve
    })
    if (result instanceof SqlError) throw result
    return result
  }

  write(bytes: Buffer): void {
    this.reader.push(bytes)
    for (let frame = this.reader.next(); frame !== undefined; frame = this.reader.next())
      this.take(frame.type, frame.body)
  }

  private take(type: number, body: Buffer): void {
    switch (type) {
      case backendType.rowDescription:
        this.forgetRows()
        this.columns = decodeRowDescription(body)
        return
      case backendType.copyInResponse:
        this.onCopyIn?.()
        return
      case backendType.dataRow:
        this.takeRow(decodeDataRow(body))
        return
      case backendType.copyData:
        this.takeRow([body])
        return
      case backendType.commandComplete:
        this.tag = decodeCommandComplete(body)
        return
      case backendType.noticeResponse:
        if (this.notices.length < noticesMax) this.notices.push(decodeReport(body))
        else this.noticesLeftOut++
        return
      case backendType.errorResponse: {
        const { code, message, detail, hint, position } = decodeReport(body)
        this.error ??= new SqlError({ code, message, detail, hint, position })
        return
      }
      case backendType.readyForQuery:
        this.settle()
    }
  }

  private takeRow(values: readonly (Buffer | null)[]): void {
    const { bytes } = this.keep
    let { cellBytes } = this.keep
    let size = 0
    for (const value of values) size += Math.min(value?.length ?? 0, cellBytes)
    const row = this.rows.length
    if (this.rowsLeftOut > 0 || (this.keptBytes + size > bytes && row > 0)) {
      this.rowsLeftOut++
      return
    }
    if (size > bytes) cellBytes = Math.min(cellBytes, Math.floor(bytes / values.length))
    this.keptBytes += size
    this.rows.push(
      values.map((value, column) => {
        if (value === null) return null
        if (value.length <= cellBytes) return value.toString('utf8')
        this.cuts.push({ row, column, bytes: value.length })
        return value.toString('utf8', 0, characterStart(value, cellBytes))
      }),
    )
  }

  private settle(): void {
    const { columns, rows, cuts, rowsLeftOut, tag, notices, noticesLeftOut, error, done } = this
    this.forgetRows()
    this.columns = []
    this.tag = ''
    this.notices = []
    this.noticesLeftOut = 0
    this.error = undefined
    this.done = undefined
    done?.(error ?? { columns, rows, cuts, rowsLeftOut, tag, notices, noticesLeftOut })
  }

  /** Of several results the last is kept. */
  private forgetRows(): void {
    this.rows = []
    this.cuts = []
    this.keptBytes = 0
    this.rowsLeftOut = 0
  }

  pendingBytes(): number {
    return 0
  }

  readable(): void {
    this.onReadable?.()
  }

  end(): void {
    this.ended = true
    this.done?.(this.error ?? new SqlError({ code: '57P01', message: 'the session has ended' }))
  }
}

/** The first byte at or before `at` that begins a character. */
function characterStart(value: Buffer, at: number): number {
  let start = at
  while (start > 0 && (value[start]! & 0xc0) === 0x80) start--
  return start
}

/** Runs one statement with text parameters. @throws SqlError */
export async function collect(
  session: Session,
  sink: CollectingSink,
  text: string,
  parameters: readonly (string | null)[],
): Promise<Collected> {
  const answer = sink.next()
  const values = parameters.map(value => (value === null ? null : Buffer.from(value, 'utf8')))
  const send = (message: Buffer) => session.receive(message[0]!, message.subarray(headerBytes))
  send(encodeParse({ name: '', text, parameterTypes: [] }))
  send(encodeBind({ portal: '', statement: '', parameterFormats: [], parameters: values, resultFormats: [] }))
  send(encodeDescribe({ kind: 'P', name: '' }))
  send(encodeExecute({ portal: '', rowsMax: 0 }))
  session.receive(frontendType.sync, Buffer.alloc(0))
  return answer
}
