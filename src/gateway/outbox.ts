import { type SqlError, toSqlError } from '../errors.ts'

/** Bytes that wait for the end of the turn. */
export interface OutboxWriter {
  /** The records are in the spool: hand the bytes to the socket. */
  writeOut(): void
  /** The spool cannot be written: nothing of this turn may leave. */
  abandon(error: SqlError): void
}

/**
 * Everything written in one turn of the event loop leaves after one `flush` of the audit spool, so that the record of a
 * statement is there before the first byte of its answer, for one system call a turn and not one a statement.
 *
 * The check phase (setImmediate) follows the poll phase in which sockets are read: it comes after all that this turn's
 * bytes caused, and before the loop sleeps.
 */
export class TurnOutbox {
  private readonly flush: () => void
  private waiting: OutboxWriter[] = []
  private readonly endTurn = (): void => this.settle()

  constructor(flush: () => void) {
    this.flush = flush
  }

  /** Called once per writer and turn: with the first bytes that it has for this turn. */
  add(writer: OutboxWriter): void {
    if (this.waiting.push(writer) === 1) setImmediate(this.endTurn)
  }

  private settle(): void {
    const writers = this.waiting
    this.waiting = []
    try {
      this.flush()
    } catch (thrown) {
      const error = toSqlError(thrown)
      for (const writer of writers) writer.abandon(error)
      return
    }
    for (const writer of writers) writer.writeOut()
  }
}
