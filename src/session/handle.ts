/** One frontend message: when its turn has come, and who handles it. */
import { SqlError } from '../errors.ts'
import { frontendType } from '../wire/message-types.ts'
import { decodeQuery } from '../wire/query.ts'
import { oversizeCopy, passCopy } from './copy-in.ts'
import { handleExtended } from './extended.ts'
import { refusalOf } from './refused.ts'
import { runQuery } from './simple.ts'
import type { SessionState } from './state.ts'

const oversizeQuery = -1
const oversizeOther = -2

/** What stands for a message of this type whose body was too long to be kept. */
export function oversizeType(type: number): number {
  if (type === frontendType.functionCall) return type
  if (type === frontendType.copyData || type === frontendType.copyDone || type === frontendType.copyFail)
    return oversizeCopy
  return type === frontendType.query ? oversizeQuery : oversizeOther
}

/** Messages that have a ReadyForQuery of their own, refused or not. */
export function endsItself(type: number): boolean {
  return type === frontendType.query || type === oversizeQuery || type === frontendType.functionCall
}

/** A message that runs something counts once, however often it is looked at. @throws RefusedStatement 53400 */
function countRequest(state: SessionState, type: number, body: Buffer): Promise<void> | undefined {
  const { admit } = state.options.services
  if (admit === undefined || state.counted || (type !== frontendType.query && type !== frontendType.execute))
    return undefined
  state.counted = true
  const refuse = (error: unknown): never => {
    // A refused message may be looked at again behind what came before it: then it is counted anew.
    state.counted = false
    throw refusalOf(type === frontendType.query ? decodeQuery(body) : '', error)
  }
  try {
    return admit(state.options.principal)?.catch(refuse)
  } catch (error) {
    return refuse(error)
  }
}

/** @returns a promise where the message has to wait for something. @throws SqlError for what is refused */
export function handleMessage(state: SessionState, type: number, body: Buffer): Promise<void> | undefined {
  const { stopping } = state.lease
  if (stopping !== undefined) return stopping.then(() => handleMessage(state, type, body))
  if (passCopy(state, type, body)) return undefined
  if (state.queriesPending > 0) return state.whenDrained(() => handleMessage(state, type, body))
  if (state.skipping && type !== frontendType.sync) return undefined
  if (state.requestSince === 0) {
    state.requestSince = state.options.services.now()
    state.records.nextRequest()
  }
  const counted = countRequest(state, type, body)
  if (counted !== undefined) return counted.then(() => handleMessage(state, type, body))
  switch (type) {
    case frontendType.query:
      if (state.expectations.length > 0) return state.whenDrained(() => handleMessage(state, type, body))
      return runQuery(state, body)
    case frontendType.functionCall:
      throw new SqlError({
        code: '0A000',
        message: 'the function call protocol is not available here',
        hint: 'Call the function in a SELECT.',
      })
    case oversizeQuery:
    case oversizeOther:
      throw new SqlError({ code: '54000', message: 'the message is longer than the limit', hint: 'Send less at once.' })
    default:
      return handleExtended(state, type, body)
  }
}
