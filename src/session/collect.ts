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
  /** CommandComplete's tag; '' for an empty statement. */
  readonly tag: string
  readonly notices: readonly ServerReport[]
}

const frameMaxBytes = 1024 * 1024 * 1024
const headerBytes = 5

/** Decodes what a session answers. One statement at a time. */
export class CollectingSink implements Sink {
  private readonly reader = new FrameReader(frameMaxBytes)
  private columns: readonly Required<Column>[] = []
  private rows: (string | null)[][] = []
  private tag = ''
  private notices: ServerReport[] = []
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
        this.columns = decodeRowDescription(body)
        return
      case backendType.dataRow:
        this.rows.push(decodeDataRow(body).map(value => value?.toString('utf8') ?? null))
        return
      case backendType.copyData:
        this.rows.push([body.toString('utf8')])
        return
      case backendType.commandComplete:
        this.tag = decodeCommandComplete(body)
        return
      case backendType.noticeResponse:
        this.notices.push(decodeReport(body))
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

  private settle(): void {
    const { columns, rows, tag, notices, error, done } = this
    this.columns = []
    this.rows = []
    this.tag = ''
    this.notices = []
    this.error = undefined
    this.done = undefined
    done?.(error ?? { columns, rows, tag, notices })
  }

  pendingBytes(): number {
    return 0
  }

  readable(): void {}

  end(): void {
    this.ended = true
    this.done?.(this.error ?? new SqlError({ code: '57P01', message: 'the session has ended' }))
  }
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
