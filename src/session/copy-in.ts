/** COPY … FROM STDIN: what the client sends on while its statement takes rows (manual, "COPY Operations"). */
import { SqlError } from '../errors.ts'
import { frontendType } from '../wire/message-types.ts'
import { encodeCopyFail } from '../wire/query.ts'
import type { StatementRun } from './run.ts'
import type { SessionState } from './state.ts'

/** A message of a COPY whose body was too long to be kept. */
export const oversizeCopy = -3

/** The COPY that takes rows now, or will once the server has come to it. */
function copyOf(state: SessionState): StatementRun | undefined {
  const { first } = state.expectations
  if (first?.type !== 'query') return undefined
  return first.runs.find((run, at) => at >= first.index && run.plan.effect.type === 'copy-in')
}

/**
 * Passes a message on that belongs to a COPY.
 * @returns true: it needs nothing else. An end of a COPY that an error ended is ignored, as Postgres does.
 */
export function passCopy(state: SessionState, type: number, body: Buffer): boolean {
  const isWhole = type === frontendType.copyData || type === frontendType.copyDone || type === frontendType.copyFail
  const isCopy = isWhole || type === oversizeCopy
  const run = state.isBuilder ? copyOf(state) : undefined
  if (run === undefined) return isCopy
  if (isWhole) {
    if (type === frontendType.copyData) run.bytes += body.length
    state.lease.write(headOf(type, body.length))
    if (body.length > 0) state.lease.write(body)
    return true
  }
  // Within COPY both mean nothing. Anything else ends it: the server would end the connection.
  if (type === frontendType.flush || type === frontendType.sync) return true
  const reason = isCopy ? 'a message was longer than the limit' : 'another message came within COPY FROM STDIN'
  state.lease.write(encodeCopyFail(reason))
  return isCopy
}

/** Cancels what runs. A server that waits for rows does not hear of it before the next message comes: the COPY's end. */
export async function cancelRunning(state: SessionState): Promise<void> {
  const run = state.isBuilder ? copyOf(state) : undefined
  await state.lease.cancel()
  if (run !== undefined && run === copyOf(state)) state.lease.write(encodeCopyFail('its caller gave up'))
}

function headOf(type: number, bytes: number): Buffer {
  const head = Buffer.allocUnsafe(5)
  head[0] = type
  head.writeInt32BE(4 + bytes, 1)
  return head
}

/** The extended protocol says too little of where its Sync belongs. @throws SqlError 0A000 */
export function refuseExtendedCopy(effect: string): void {
  if (effect !== 'copy-in') return
  throw new SqlError({
    code: '0A000',
    message: 'COPY FROM STDIN is not supported as a prepared statement',
    hint: 'Send it as a simple Query.',
  })
}
