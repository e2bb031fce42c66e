/**
 * The server's answers on their way to the client: counted where they lie, passed on as they are wherever they are what the
 * client asked for, and put right where the session's doing shows (a LIMIT of ours, a statement of ours, a cut).
 */
import { SqlError, type SqlErrorFields } from '../errors.ts'
import { backendType } from '../wire/message-types.ts'
import { encodeCommandComplete } from '../wire/query.ts'
import { decodeReport, encodeErrorResponse, encodeNotice, type ServerReport } from '../wire/reports.ts'
import type { RowAction, ScanHandler } from '../wire/scanner.ts'
import { cellTooLarge, limitError, rowTooLarge, truncationNotice } from './cuts.ts'
import type { Expectation, Expectations } from './expectation.ts'
import { positionForClient } from './position.ts'
import { isOurs, isPlain, readyFrame, runOf, tagOf, tagText } from './reply-frames.ts'
import type { StatementRun } from './run.ts'
import type { ClientStatement } from './statements.ts'

/** The session, as far as its replies need it. */
export interface ReplyHost {
  readonly expectations: Expectations
  /** Transaction status as the client sees it: a refusal inside a transaction has put it in 'E'. */
  readonly failed: boolean
  /** The upstream was given up while its bytes were being read: the rest of them is nobody's. */
  readonly lost: boolean
  /** After an error of ours in an extended series: nothing passes until its ReadyForQuery. */
  readonly muted: boolean
  /** True where a statement may be cancelled without taking anything else with it. */
  mayCancel(): boolean
  cancelRun(): void
  emit(bytes: Buffer): void
  /** A ReadyForQuery of ours is due. */
  emitReady(refused: boolean): void
  /** A statement was ended by us in the middle of its answer. */
  cutShort(error: SqlError): void
  /** `unseen`: after an error of ours, of which the server does not know. */
  runCompleted(run: StatementRun, tag: string, unseen: boolean): void
  runFailed(run: StatementRun, error: SqlErrorFields): void
  /** Its Parse or its Bind failed. */
  statementFailed(statement: ClientStatement, error: SqlErrorFields): void
  /** The extended series failed: what was expected before its Sync will not come. */
  seriesFailed(): void
  /** A ParameterStatus; true: the client does not know this value yet. */
  parameterChanged(name: string, value: string): boolean
  replayed(item: Expectation & { type: 'replay' }): void
  replayFailed(report: ServerReport): void
  serverFatal(report: ServerReport): void
  /** ReadyForQuery; returns the status for the client, or undefined where the client must not see it. */
  ready(status: number, item: Expectation): number | undefined
}

const headerBytes = 5

export class Replies implements ScanHandler {
  private readonly host: ReplyHost
  private cut: 'too-many-rows' | 'too-many-bytes' | 'row-too-large' | undefined
  constructor(host: ReplyHost) {
    this.host = host
  }

  row(type: number, length: number): RowAction {
    const run = runOf(this.host.expectations.first)
    if (this.host.lost) return 'drop'
    if (run === undefined) throw outOfTurn()
    if (this.isUnseen(this.host.expectations.first)) return 'drop'
    const verdict = run.row(type, length)
    if (verdict === 'pass' || verdict === 'drop' || verdict === 'hold') return verdict
    this.cut = verdict
    return 'drop'
  }

  dropped(): void {
    const cut = this.cut
    const run = runOf(this.host.expectations.first)
    if (cut === undefined || run === undefined) return
    this.cut = undefined
    if (cut === 'row-too-large') this.refuse(run, rowTooLarge(run))
    else if (run.refusesAtLimit) this.refuse(run, limitError(run, cut))
    else {
      run.truncated = cut === 'too-many-rows' ? 'rows' : 'bytes'
      if (this.host.mayCancel() && (cut === 'too-many-bytes' || run.plan.limitPushed === undefined)) {
        run.cancelled = true
        this.host.cancelRun()
      }
    }
  }

  held(frame: Buffer): void {
    const run = runOf(this.host.expectations.first)
    if (run === undefined) return
    const error = cellTooLarge(run, frame)
    if (error !== undefined) return this.refuse(run, error)
    run.count(frame.length, true)
    this.host.emit(frame)
  }

  emit(bytes: Buffer): void {
    this.host.emit(bytes)
  }

  private refuse(run: StatementRun, error: SqlError): void {
    run.refused = error
    run.cancelled = true
    this.host.runFailed(run, error.fields())
    this.host.cutShort(error)
  }

  passes(type: number, chunk: Buffer, start: number, end: number): boolean {
    const head = this.host.expectations.first
    if (head === undefined || this.host.lost || isOurs(this.host.expectations.second)) return false
    if (this.isUnseen(head) || !isPlain(type, head, this.host.failed)) return false
    this.advance(type, head, chunk, start, end)
    return true
  }

  handle(type: number, frame: Buffer): void {
    if (this.host.lost) return
    const head = this.host.expectations.first
    if (type === backendType.parameterStatus) return this.parameterStatus(frame)
    if (type === backendType.readyForQuery) return this.readyForQuery(head, frame)
    if (type === backendType.errorResponse) return this.error(head, frame)
    if (head === undefined) {
      if (type === backendType.noticeResponse) return
      throw outOfTurn()
    }
    if (this.isUnseen(head)) this.advance(type, head, frame, 0, frame.length)
    else if (isPlain(type, head, this.host.failed)) {
      this.advance(type, head, frame, 0, frame.length)
      this.host.emit(frame)
    } else this.special(type, head, frame)
    this.emitLocals()
  }

  /** We ended the series or the message with an error: what else comes of it is not the client's. */
  private isUnseen(head: Expectation | undefined): boolean {
    return this.host.muted || (head?.type === 'query' && head.refused)
  }

  /** Answers of ours whose turn it is. */
  emitLocals(): void {
    const { expectations } = this.host
    for (let head = expectations.first; head?.type === 'local' || head?.type === 'ready'; head = expectations.first) {
      expectations.take()
      if (head.type === 'ready') this.host.emitReady(head.refused)
      else if (!this.host.muted) this.host.emit(head.bytes)
    }
  }

  private advance(type: number, head: Expectation, chunk: Buffer, start: number, end: number): void {
    const expectations = this.host.expectations
    switch (type) {
      case backendType.parseComplete:
      case backendType.bindComplete:
      case backendType.closeComplete:
      case backendType.noData:
        expectations.take()
        return
      case backendType.rowDescription:
        if (head.type === 'describe') expectations.take()
        return
      case backendType.portalSuspended:
      case backendType.commandComplete:
      case backendType.emptyQueryResponse: {
        const run = runOf(head)
        if (run !== undefined)
          this.completed(head, run, type === backendType.commandComplete ? tagOf(run, chunk, start, end) : '')
      }
    }
  }

  private completed(head: Expectation, run: StatementRun, tag: string): void {
    if (run.refused === undefined) this.host.runCompleted(run, tag, this.isUnseen(head))
    if (head.type === 'query') head.index++
    else this.host.expectations.take()
  }

  /** Frames that the client sees changed, or not at all. */
  private special(type: number, head: Expectation, frame: Buffer): void {
    switch (type) {
      case backendType.parseComplete:
      case backendType.closeComplete:
      case backendType.bindComplete:
        if (head.type !== 'query') this.host.expectations.take()
        return
      case backendType.commandComplete:
      case backendType.portalSuspended:
        return this.finish(head, tagText(frame, 0, frame.length))
      case backendType.noData:
      case backendType.noticeResponse:
      case backendType.copyOutResponse:
      case backendType.copyDone:
      case backendType.emptyQueryResponse:
        return
      default:
        throw outOfTurn()
    }
  }

  /** CommandComplete where the count or the tag is ours, with what the client should know about it. */
  private finish(head: Expectation, serverTag: string): void {
    const run = runOf(head)
    if (run === undefined) return
    if (run.refused !== undefined || run.plan.unseen) return this.completed(head, run, serverTag)
    for (const notice of run.plan.notices) this.host.emit(encodeNotice({ ...notice, severity: 'NOTICE' }))
    if (run.truncated !== undefined) this.host.emit(encodeNotice(truncationNotice(run)))
    const tag =
      run.plan.tag ?? (run.truncated === undefined ? serverTag : `${serverTag.split(' ')[0] || 'SELECT'} ${run.rows}`)
    this.completed(head, run, serverTag)
    this.host.emit(encodeCommandComplete(tag))
  }

  private parameterStatus(frame: Buffer): void {
    const end = frame.indexOf(0, 5)
    const name = frame.toString('utf8', 5, end)
    const value = frame.toString('utf8', end + 1, frame.length - 1)
    if (this.host.parameterChanged(name, value)) this.host.emit(frame)
  }

  private readyForQuery(head: Expectation | undefined, frame: Buffer): void {
    if (head?.type === 'replay') {
      this.host.expectations.take()
      this.host.replayed(head)
    } else if (head?.type === 'sync' || (head?.type === 'query' && (head.failed || runOf(head) === undefined))) {
      this.host.expectations.take()
      const status = this.host.ready(frame[5]!, head)
      if (status !== undefined) this.host.emit(status === frame[5] ? frame : readyFrame(status))
    } else throw outOfTurn()
    this.emitLocals()
  }

  private error(head: Expectation | undefined, frame: Buffer): void {
    const report = decodeReport(frame.subarray(headerBytes))
    if (report.severity === 'FATAL' || report.severity === 'PANIC') return this.host.serverFatal(report)
    if (head?.type === 'replay') return this.host.replayFailed(report)
    if (head === undefined) throw outOfTurn()
    const run = runOf(head)
    if (run?.truncated !== undefined && run.cancelled && report.code === '57014') return this.finish(head, '')
    const position = positionForClient(report.position, head)
    const shown = { ...report, message: messageForClient(report.message, head), position }
    const fields = { ...shown, severity: 'ERROR' as const }
    const isSeen = !this.isUnseen(head)
    if (run !== undefined) this.host.runFailed(run, fields)
    else if (isSeen && head.type === 'parse') this.host.statementFailed(head.statement, fields)
    else if (isSeen && head.type === 'bind') this.host.statementFailed(head.portal.statement, fields)
    if (head.type === 'query') head.failed = true
    else this.host.seriesFailed()
    if (!isSeen) return
    const isSame = position === report.position && shown.message === report.message
    this.host.emit(isSame ? frame : encodeErrorResponse(shown))
  }
}

function outOfTurn(): SqlError {
  return new SqlError({ code: '08P01', message: 'the database server sent a message out of turn' })
}

/** Statements go by names of ours upstream. */
function messageForClient(message: string, head: Expectation | undefined): string {
  if (head?.type !== 'bind' && head?.type !== 'describe') return message
  const { name } = head.type === 'bind' ? head.portal.statement : head.statement
  return message.replace(/prepared statement "(?:postern_\d+)?"/, () => `prepared statement "${name}"`)
}
