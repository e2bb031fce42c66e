/** What is tried, as data: the same shapes go through the gateway in every way and disguise, and straight at the database. */

export type Shape = CallShape | TextShape

interface Common {
  readonly name: string
  /** The roles alone must refuse it too: tried once more without the guard. */
  readonly rolesHold?: true
  /** Let through on purpose: why it does no harm. */
  readonly harmless?: string
  /** A Query of the same session before it; RESET ALL follows. */
  readonly setup?: string
  /** First and last major that know it. */
  readonly since?: number
  readonly until?: number
  /** Its letter is the point: no disguises. */
  readonly verbatim?: true
}

/** A function that must not be called, in whatever place and spelling. */
export interface CallShape extends Common {
  readonly kind: 'call'
  readonly fn: string
  readonly args: string
}

export interface TextShape extends Common {
  /** A scalar expression; a query that may stand wherever one may; any other statement, or several. */
  readonly kind: 'expression' | 'query' | 'statement'
  readonly sql: string
}

type Options = Omit<Common, 'name'>

export function call(fn: string, args = '', options: Options = {}): CallShape {
  return { kind: 'call', name: `${fn}(${args})`, fn, args, ...options }
}

export function expression(sql: string, options: Options = {}): TextShape {
  return { kind: 'expression', name: sql, sql, ...options }
}

export function query(sql: string, options: Options = {}): TextShape {
  return { kind: 'query', name: sql, sql, ...options }
}

export function statement(sql: string, options: Options = {}): TextShape {
  return { kind: 'statement', name: sql, sql, ...options }
}

export function isKnownTo(shape: Shape, major: number): boolean {
  return major >= (shape.since ?? 0) && major <= (shape.until ?? 99)
}

/** The plainest statement that does it. */
export function plainText(shape: Shape): string {
  switch (shape.kind) {
    case 'call':
      return `select ${shape.fn}(${shape.args})`
    case 'expression':
      return `select ${shape.sql}`
    case 'query':
    case 'statement':
      return shape.sql
  }
}
