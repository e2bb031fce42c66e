import { SqlError } from '../errors.ts'
import type { Frame } from '../wire/framing.ts'
import { backendType } from '../wire/message-types.ts'
import { decodeReport } from '../wire/reports.ts'
import { decodeDataRow } from '../wire/rows.ts'
import { decodeParameterStatus, type ParameterStatus } from '../wire/session-start.ts'

/** Most that an answer to our own SQL may hold: catalogs are large, memory is not endless. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024

/** The answer to a simple query of our own, collected frame by frame; rows of several statements follow one another. */
export class OwnQuery {
  readonly rows: (string | null)[][] = []
  error: SqlError | undefined
  readonly #report: (status: ParameterStatus) => void
  #bytes = 0

  constructor(report: (status: ParameterStatus) => void) {
    this.#report = report
  }

  /**
   * @returns true when the answer is complete
   * @throws SqlError 08P01 or 54000 where the connection cannot be used any more
   */
  take({ type, body, oversize }: Frame): boolean {
    this.#bytes += body.length
    if (oversize || this.#bytes > ANSWER_BYTES_MAX) {
      throw new SqlError({ code: '54000', message: 'the database answered a query of the gateway with too many bytes' })
    }
    switch (type) {
      case backendType.dataRow:
        this.rows.push(decodeDataRow(body).map(value => value?.toString('utf8') ?? null))
        return false
      case backendType.errorResponse:
        this.error ??= new SqlError({ ...decodeReport(body), severity: 'ERROR' })
        return false
      case backendType.parameterStatus:
        this.#report(decodeParameterStatus(body))
        return false
      case backendType.readyForQuery:
        return true
      case backendType.rowDescription:
      case backendType.commandComplete:
      case backendType.emptyQueryResponse:
      case backendType.noticeResponse:
        return false
      default:
        throw new SqlError({
          code: '08P01',
          message: 'the database answered a query of the gateway with an unexpected message',
        })
    }
  }
}
