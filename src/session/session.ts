/**
 * One caller's conversation, whichever door it came through: judge → checkout → run → count → audit. It takes frontend
 * messages and gives backend frames (manual, chapter 54); nothing else reaches a tenant database with a caller's SQL.
 *
 * A message is handled at once where nothing stands in its way; else it waits in the inbox, in order.
 */
import { SqlError, toSqlError } from '../errors.ts'
import type { UpstreamOwner } from '../upstream/connection.ts'
import { frontendType } from '../wire/message-types.ts'
import { encodeErrorResponse } from '../wire/reports.ts'
import { BackendScanner } from '../wire/scanner.ts'
import type { SessionOptions } from './context.ts'
import { cancelRunning } from './copy-in.ts'
import { endsItself, handleMessage, oversizeType } from './handle.ts'
import { Inbox } from './inbox.ts'
import { loginExpired } from './judging.ts'
import { canceledByUser } from './lease.ts'
import { checkClocks, loseUpstream, runsOf } from './losses.ts'
import { RefusedStatement } from './refused.ts'
import { Replies } from './replies.ts'
import { ReplyEffects } from './reply-effects.ts'
import { applyStartupSettings } from './startup-settings.ts'
import { SessionState, statusIdle } from './state.ts'
import type { Swept } from './sweep.ts'

const highWaterBytes = 256 * 1024
const emptyBody = Buffer.alloc(0)

/** @throws SqlError for startup settings that are refused or that the server does not take */
export async function openSession(options: SessionOptions): Promise<Session> {
  const session = new Session(options)
  try {
    await session.start()
    return session
  } catch (error) {
    await session.close()
    throw error
  }
}

export class Session implements UpstreamOwner, Swept {
  private readonly state: SessionState
  private readonly effects: ReplyEffects
  private readonly scanner: BackendScanner
  private readonly inbox = new Inbox()
  private busy = false
  /** Within the upstream's bytes. */
  private reading = false
  ended = false

  constructor(options: SessionOptions) {
    this.state = new SessionState(options, this)
    this.effects = new ReplyEffects(this.state)
    this.scanner = new BackendScanner(new Replies(this.effects))
    options.services.sweep.add(this)
  }

  /** Applies the startup packet's settings. @throws SqlError */
  async start(): Promise<void> {
    try {
      await applyStartupSettings(this.state)
    } catch (error) {
      throw this.record(toSqlError(error))
    }
  }

  /** ParameterStatus for the login, with the values in force. */
  parameterStatuses(): ReadonlyMap<string, string> {
    return this.state.parameters
  }

  /** No transaction open, nothing in flight, no Sync owed: an operator may end the session here without loss. */
  get idle(): boolean {
    const { seriesOpen, expectations, inTransaction } = this.state
    return !this.busy && !seriesOpen && expectations.length === 0 && !inTransaction
  }

  /** One frontend message after login. False: stop reading until `sink.readable()`. */
  receive(type: number, body: Buffer): boolean {
    if (this.ended) return false
    const { inbox } = this
    if (this.busy || inbox.length > 0 || this.congested) inbox.push({ type, body })
    else this.dispatch(type, body)
    return !inbox.isFull
  }

  /** A message over the length cap arrived; its body was discarded. As `receive`. */
  oversize(type: number): boolean {
    return this.receive(oversizeType(type), emptyBody)
  }

  private dispatch(type: number, body: Buffer): void {
    let pending: Promise<void> | undefined
    this.state.counted = false
    try {
      pending = handleMessage(this.state, type, body)
    } catch (error) {
      if (this.state.expectations.length === 0) return this.refuse(error, type, body)
      pending = Promise.reject(error)
    }
    if (pending === undefined) return
    this.busy = true
    pending
      .catch(error => this.handleDrained(error, type, body))
      .catch(error => this.refuse(error, type, body))
      .finally(() => {
        this.busy = false
        this.readInbox()
      })
  }

  /** What a refusal meets, and whether it is one, is known once all before it is answered: the message is handled again then. */
  private handleDrained(error: unknown, type: number, body: Buffer): Promise<void> | undefined {
    if (this.state.expectations.length === 0) throw error
    return this.state.whenDrained(() => handleMessage(this.state, type, body))
  }

  private readInbox(): void {
    const { inbox } = this
    const wasFull = inbox.isFull
    while (!this.busy && !this.ended && !this.congested) {
      const message = inbox.take()
      if (message === undefined) break
      this.dispatch(message.type, message.body)
    }
    if (wasFull && !inbox.isFull) this.state.options.sink.readable()
  }

  /** Refuses the message at hand in the way of its protocol. */
  private refuse(thrown: unknown, type: number, body: Buffer): void {
    const { state } = this
    // The series has failed meanwhile: this was to be skipped.
    if (state.skipping) return
    if (type === frontendType.parse && body[0] === 0) state.statements.delete('')
    const error = this.record(toSqlError(thrown))
    if (error.code === 'XX000')
      state.options.services.log.error(
        { err: error.cause ?? error, session: state.options.id },
        'a statement met a fault of ours',
      )
    if (error.severity === 'FATAL') return this.expire(error)
    if (this.ended) return
    if (endsItself(type)) {
      state.fail(error)
      state.localReady()
    } else state.failSeries(error)
  }

  /** A refusal is on record before the client hears of it; where it cannot be, the client hears that. */
  private record(error: SqlError): SqlError {
    if (!(error instanceof RefusedStatement)) return error
    try {
      this.state.records.refused(error.text, error, error.verdict)
      return error
    } catch (fault) {
      return toSqlError(fault)
    }
  }

  /** From upstream. */
  data(chunk: Buffer): void {
    const { state } = this
    this.read(chunk)
    if (this.isClientSlow) state.lease.pause()
    this.goOn()
  }

  private read(chunk: Buffer): void {
    const { state } = this
    const { upstream } = state.lease
    this.reading = true
    try {
      this.scanner.push(chunk)
      const { first } = state.expectations
      const [run] = first === undefined ? [] : runsOf([first])
      if (run !== undefined && run.bytes > 0 && !run.recorded) state.records.started(run)
    } catch (thrown) {
      const error = toSqlError(thrown)
      const log = { err: thrown, session: state.options.id }
      // An audit that cannot be written is in the log already.
      if (error.code !== '57P03')
        state.options.services.log.error(log, 'the server broke the protocol, or a fault of ours')
      state.lease.discard(error.message)
      // It may have been given back before.
      upstream?.destroy(error.message)
      this.lose(error)
    } finally {
      this.reading = false
      if (upstream !== state.lease.upstream && !this.scanner.isBetweenFrames) {
        upstream?.destroy('it was given back in the middle of a message')
        this.effects.lost = true
      }
      if (this.effects.lost) this.scanner.reset()
      this.effects.lost = false
    }
  }

  /** The client takes less than it asked for: nothing more is read for it, nor asked by it. */
  private get isClientSlow(): boolean {
    return this.state.options.sink.pendingBytes() > highWaterBytes
  }

  /** One side takes less than the other gives. */
  private get congested(): boolean {
    return this.state.lease.isFull || this.isClientSlow
  }

  /** What waited for an answer, or for room, may have it now. */
  private goOn(): void {
    this.state.wakeDrained()
    if (this.inbox.length > 0 && !this.busy) this.readInbox()
  }

  private lose(error: SqlError): void {
    const isWithinRow = this.scanner.isWithinRow
    this.effects.muted = false
    if (this.reading) this.effects.lost = true
    else this.scanner.reset()
    if (isWithinRow) this.breakOff(error)
    else loseUpstream(this.state, error)
  }

  /** The client has a part of a row: nothing that is said now would be understood. */
  private breakOff(error: SqlError): void {
    const { records, expectations, options } = this.state
    for (const run of runsOf(expectations.clear())) records.lost(run, error)
    options.sink.end()
    void this.close()
  }

  /** The sink's reader has caught up. */
  drained(): void {
    this.state.lease.resume()
    this.goOn()
  }

  /** The upstream has taken what was written. */
  drain(): void {
    this.state.lease.isFull = false
    this.goOn()
  }

  /** The upstream connection ended by itself. */
  closed(error: SqlError): void {
    const { fatal } = this.effects
    this.effects.fatal = undefined
    this.state.lease.discard('closed')
    const hint = 'The connection to the database was lost: try again.'
    this.lose(fatal === undefined ? error : new SqlError({ code: fatal.code, message: fatal.message, hint }))
    this.goOn()
  }

  /** A cancel request of the client's. */
  async cancel(): Promise<void> {
    const { lease, expectations } = this.state
    lease.stopWaiting(canceledByUser())
    if (expectations.length > 0) await cancelRunning(this.state)
  }

  tick(nowMs: number): void {
    const { expiresAt } = this.state.options.principal
    if (expiresAt !== null && nowMs >= expiresAt) return this.expire(loginExpired())
    const error = checkClocks(this.state, nowMs)
    if (error !== undefined) this.giveUp(error)
  }

  /** Ends what runs, and the open transaction, behind the client's back: it learns so at once where it waits, else at its next statement. */
  private giveUp(error: SqlError): void {
    const { lease } = this.state
    void lease.cancel()
    lease.discard(error.message)
    this.lose(error)
    this.goOn()
  }

  /** Ends the session with a FATAL. */
  expire(error: SqlError): void {
    if (this.ended) return
    if (!this.scanner.isWithinRow) this.state.emit(encodeErrorResponse(error.fatal().fields()))
    this.state.options.sink.end()
    void this.close()
  }

  /** The client is gone: what runs is stopped, what it holds is given up. */
  async close(): Promise<void> {
    if (this.ended) return
    this.ended = true
    this.inbox.clear()
    const { lease, expectations, records, options, status } = this.state
    options.services.sweep.delete(this)
    lease.closed = true
    lease.stopWaiting(canceledByUser())
    const pending = expectations.clear()
    for (const run of runsOf(pending)) records.lost(run, canceledByUser())
    if (pending.length === 0 && status === statusIdle && !this.state.seriesSent) return this.state.release()
    const cancelled = pending.length > 0 ? lease.cancel() : undefined
    lease.discard('its client left in the middle')
    await cancelled
  }
}
