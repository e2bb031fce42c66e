import { SqlError } from '../errors.ts'
import type { Claim } from './claim.ts'
import type { Room } from './fair-queue.ts'

export function poolClosed(): SqlError {
  return new SqlError({ code: '57P01', message: 'the gateway is shutting down' })
}

export function waitAborted(signal: AbortSignal): SqlError {
  const cause: unknown = signal.reason
  if (cause instanceof SqlError) return cause
  return new SqlError({ code: '57014', message: 'canceled while waiting for a database connection', cause })
}

export function serverDown(cause: unknown): SqlError {
  return new SqlError({
    code: '08001',
    message: 'the database server cannot be reached',
    hint: 'Try again later.',
    cause,
  })
}

/** Says which limit stands in the way: one's own can be mended by oneself. */
export function tooBusy(message: string, claim: Claim, room: Room): SqlError {
  return new SqlError({ code: '53300', message, hint: adviseOn(claim, room) })
}

function adviseOn(claim: Claim, room: Room): string {
  if (room.ofPrincipal(claim) <= 0) {
    return `You hold all of your ${claim.upstreamsPerPrincipal} database connections: end open transactions, or run less at once.`
  }
  if (room.ofTenant(claim) <= 0) {
    return `Your tenant holds all of its ${claim.upstreamsPerTenant} database connections: try again, or run less at once.`
  }
  return 'All connections to this database are busy: try again, or ask the operator for more.'
}
