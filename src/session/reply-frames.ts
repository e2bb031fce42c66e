/** Which of the server's frames a client may see as they stand, and what they belong to. */
import { backendType } from '../wire/message-types.ts'
import type { Expectation } from './expectation.ts'
import type { StatementRun } from './run.ts'

const headerBytes = 5

/** Whether the client may see the frame as it stands. `failed`: a refusal of ours has put its transaction in 'E'. */
export function isPlain(type: number, head: Expectation, failed: boolean): boolean {
  switch (type) {
    case backendType.parseComplete:
      return head.type === 'parse' && head.undo !== undefined
    case backendType.bindComplete:
    case backendType.parameterDescription:
      return head.type === 'bind' || head.type === 'describe'
    case backendType.closeComplete:
      return head.type === 'close' && !head.ours
    case backendType.noData:
      return head.type === 'describe'
    case backendType.rowDescription:
      return head.type === 'describe' || head.type === 'query'
    case backendType.commandComplete: {
      const run = runOf(head)
      return run !== undefined && isAsServed(run) && run.plan.tag === undefined && run.plan.notices.length === 0
    }
    case backendType.portalSuspended: {
      const run = runOf(head)
      return run !== undefined && isAsServed(run)
    }
    case backendType.emptyQueryResponse:
    case backendType.copyOutResponse:
    case backendType.copyDone:
      return runOf(head)?.refused === undefined && head.type !== 'replay'
    case backendType.copyInResponse:
      return runOf(head)?.plan.effect.type === 'copy-in'
    case backendType.noticeResponse:
      return head.type !== 'replay' && !failed
    default:
      return false
  }
}

/** Its answer ends as the server's does. */
function isAsServed(run: StatementRun): boolean {
  return run.truncated === undefined && run.refused === undefined && !run.plan.unseen
}

/** The execution that is at work; undefined: none. */
export function runOf(head: Expectation | undefined): StatementRun | undefined {
  if (head?.type === 'execute') return head.run
  return head?.type === 'query' ? head.runs[head.index] : undefined
}

export function isOurs(item: Expectation | undefined): boolean {
  return item?.type === 'local' || item?.type === 'ready'
}

export function readyFrame(status: number): Buffer {
  return Buffer.from([backendType.readyForQuery, 0, 0, 0, 5, status])
}

/** COMMIT of a failed transaction says ROLLBACK; what a COPY took stands nowhere else. */
export function tagOf(run: StatementRun, chunk: Buffer, start: number, end: number): string {
  const { type } = run.plan.effect
  return type === 'transaction' || type === 'copy-in' ? tagText(chunk, start, end) : ''
}

export function tagText(chunk: Buffer, start: number, end: number): string {
  return chunk[start] === backendType.commandComplete ? chunk.toString('latin1', start + headerBytes, end - 1) : ''
}
