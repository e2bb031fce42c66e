import { SqlError } from '../errors.ts'
import type { CallKind } from './rates.ts'

export interface RateDenial {
  readonly what: CallKind
  /** Calls in the window. */
  readonly limit: number
  readonly span: 'minute' | 'hour' | 'day'
  readonly of: 'principal' | 'tenant'
  /** The principal's name, or undefined for the tenant's window. */
  readonly name: string
  /** Until the window ends, at least 1. */
  readonly retryAfterMs: number
}

const words: { readonly [Kind in CallKind]: string } = { query: 'queries', call: 'tool calls', statement: 'statements' }

/** 53400: a window is full. It empties in `retryAfterMs`. */
export class RateLimited extends SqlError {
  readonly retryAfterMs: number

  constructor({ what, limit, span, of, name, retryAfterMs }: RateDenial) {
    const whose = of === 'principal' ? `"${name}"` : 'the tenant'
    super({
      code: '53400',
      message: `${whose} has no ${words[what]} left this ${span}; the limit is ${limit}`,
      hint: `Wait ${Math.ceil(retryAfterMs / 1000)} s, then try again; fewer calls that ask for more at once count less.`,
    })
    this.retryAfterMs = retryAfterMs
  }
}
