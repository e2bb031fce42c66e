import { SqlError } from '../../src/errors.ts'
import type { ConversationSession } from '../../src/gateway/conversation.ts'
import type { SessionRequest } from '../../src/gateway/handshake.ts'
import { bindComplete, decodeParse, noData, parseComplete } from '../../src/wire/extended-query.ts'
import { decodeQuery, encodeCommandComplete, encodeReadyForQuery } from '../../src/wire/query.ts'
import { encodeErrorResponse } from '../../src/wire/reports.ts'
import { encodeDataRow, encodeRowDescription } from '../../src/wire/rows.ts'

/**
 * A session without a database. It knows `select 1`, `begin`, `commit`, `sleep` (until it is cancelled), `flood n` (n rows
 * of 1 KB as fast as the client takes them), `lag` (reads nothing more for 50 ms), `crash`, and the extended `select 1`.
 */
export class FakeSession implements ConversationSession {
  readonly request: SessionRequest
  readonly received: string[] = []
  idle = true
  cancels = 0
  closes = 0
  private inTransaction = false
  private sleeping = false
  private text = ''
  private rowsLeft = 0

  constructor(request: SessionRequest) {
    this.request = request
  }

  parameterStatuses(): ReadonlyMap<string, string> {
    return new Map([
      ['server_version', '18.1'],
      ['client_encoding', 'UTF8'],
      ['session_authorization', this.request.principal.login],
    ])
  }

  receive(type: number, body: Buffer): boolean {
    const letter = String.fromCharCode(type)
    this.received.push(letter)
    switch (letter) {
      case 'Q':
        return this.query(decodeQuery(body))
      case 'P':
        this.text = decodeParse(body).text
        this.say(parseComplete)
        return true
      case 'B':
        this.say(bindComplete)
        return true
      case 'D':
        this.say(this.text === 'select 1' ? oneColumn : noData)
        return true
      case 'E':
        this.say(encodeDataRow(['1']), encodeCommandComplete('SELECT 1'))
        return true
      case 'S':
        this.ready()
        return true
      default:
        throw new SqlError({ code: '08P01', message: `invalid frontend message type ${type}` })
    }
  }

  oversize(type: number): boolean {
    this.received.push(`oversize ${String.fromCharCode(type)}`)
    this.say(encodeErrorResponse({ code: '54000', message: 'the message is too long' }))
    this.ready()
    return true
  }

  drained(): void {
    this.flood()
  }

  cancel(): Promise<void> {
    this.cancels += 1
    if (this.sleeping) {
      this.sleeping = false
      this.say(encodeErrorResponse({ code: '57014', message: 'canceling statement due to user request' }))
      this.ready()
    }
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.closes += 1
    this.rowsLeft = 0
    return Promise.resolve()
  }

  expire(error: SqlError): void {
    this.say(encodeErrorResponse(error.fields()))
  }

  private query(text: string): boolean {
    this.idle = false
    const [word, argument] = text.replace(';', '').trim().split(' ')
    switch (word) {
      case 'select':
        this.say(oneColumn, encodeDataRow(['1']), encodeCommandComplete('SELECT 1'))
        break
      case 'begin':
      case 'commit':
        this.inTransaction = word === 'begin'
        this.say(encodeCommandComplete(word.toUpperCase()))
        break
      case 'sleep':
        this.sleeping = true
        return true
      case 'flood':
        this.rowsLeft = Number(argument)
        this.say(oneColumn)
        this.flood()
        return true
      case 'lag':
        setTimeout(() => {
          this.say(encodeCommandComplete('LAG'))
          this.ready()
          this.request.sink.readable()
        }, 50)
        return false
      case 'crash':
        throw new Error('a fault of ours with secrets in it')
      default:
        this.say(encodeErrorResponse({ code: '42601', message: 'unknown' }))
    }
    this.ready()
    return true
  }

  private flood(): void {
    const { sink } = this.request
    while (this.rowsLeft > 0) {
      if (sink.pendingBytes() > 256 * 1024) return
      this.rowsLeft -= 1
      sink.write(kilobyteRow)
      if (this.rowsLeft > 0) continue
      sink.write(encodeCommandComplete('SELECT'))
      this.ready()
    }
  }

  private ready(): void {
    this.idle = !this.inTransaction
    this.say(encodeReadyForQuery(this.inTransaction ? 'T' : 'I'))
  }

  private say(...frames: Buffer[]): void {
    for (const frame of frames) this.request.sink.write(frame)
  }
}

const oneColumn = encodeRowDescription([{ name: '?column?', typeOid: 23, typeSize: 4 }])
const kilobyteRow = encodeDataRow(['x'.repeat(1024)])
