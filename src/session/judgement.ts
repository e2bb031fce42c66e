/**
 * From a text to what a session may do with it: parsed and judged once, kept in the verdict cache under everything that the
 * verdict depends on.
 */
import { type SqlError, toSqlError } from '../errors.ts'
import type { CatalogSnapshot } from '../guard/catalog.ts'
import { judge } from '../guard/judge.ts'
import type { ParsedText, Parser } from '../guard/parse.ts'
import type { Policy } from '../guard/policy.ts'
import type { Verdict } from '../guard/verdict.ts'

/** One statement of a text. */
export interface JudgedStatement {
  /** The client's own text of it, and where it begins in the whole (UTF-16). */
  readonly text: string
  readonly start: number
  readonly verdict: Verdict
}

/** A whole text: its statements, or why it is refused as a whole. Shared between sessions; never changed. */
export interface Judged {
  readonly statements: readonly JudgedStatement[]
  readonly error: SqlError | undefined
  /** Names under which upstreams know this text, by the settings that parsing reads. */
  readonly upstreamKeys: Map<string, string>
}

export interface JudgementContext {
  /** Of the database: catalogs of two may have one name and one version. */
  readonly databaseId: string
  readonly policy: Policy
  readonly catalog: CatalogSnapshot
  readonly searchPath: readonly string[]
  readonly login: string
}

/** What {@link Judgement} keeps verdicts in: guard's VerdictCache. */
export interface JudgementCache {
  get(key: string): Judged | undefined
  set(key: string, value: Judged, bytes: number): void
}

const verdictOverheadBytes = 1_024

export class Judgement {
  private readonly parser: Parser
  private readonly cache: JudgementCache

  constructor(parser: Parser, cache: JudgementCache) {
    this.parser = parser
    this.cache = cache
  }

  /** Synchronous on a hit and for short texts; never throws or rejects: what cannot be judged carries its error. */
  judge(text: string, parameterTypes: readonly number[], context: JudgementContext): Judged | Promise<Judged> {
    const key = cacheKey(text, parameterTypes, context)
    const hit = this.cache.get(key)
    if (hit !== undefined) return hit
    try {
      const parsed = this.parser.parse(text, context.policy.limits.statementTextMaxBytes)
      if (parsed instanceof Promise) return parsed.then(done => this.keep(key, text, done, context), refused)
      return this.keep(key, text, parsed, context)
    } catch (error) {
      return refused(error)
    }
  }

  private keep(key: string, text: string, parsed: ParsedText, context: JudgementContext): Judged {
    const parse = (spliced: string): ParsedText =>
      this.parser.parseNow(spliced, context.policy.limits.statementTextMaxBytes * 2)
    const judged: Judged = {
      statements: parsed.statements.map(statement => ({
        text: statement.text,
        start: statement.start,
        verdict: judge(statement, {
          policy: context.policy,
          catalog: context.catalog,
          searchPath: context.searchPath,
          user: context.login,
          parse,
        }),
      })),
      error: undefined,
      upstreamKeys: new Map(),
    }
    this.cache.set(key, judged, text.length * 4 + verdictOverheadBytes * (1 + judged.statements.length))
    return judged
  }
}

function refused(error: unknown): Judged {
  return { statements: [], error: toSqlError(error), upstreamKeys: new Map() }
}

function cacheKey(text: string, parameterTypes: readonly number[], context: JudgementContext): string {
  const { policy, catalog, searchPath, databaseId } = context
  return `${policy.version}\u0000${databaseId}\u0000${catalog.version}\u0000${catalog.major}\u0000${policy.role}\u0000${JSON.stringify(searchPath)}\u0000${parameterTypes.join(',')}\u0000${text}`
}

let upstreamKeysMade = 0
/** A text is known by more names where clients' settings, or their virtual pids in it, differ. */
const upstreamKeysMax = 100

/** The name by which upstreams know `judged`'s only statement under these settings: unique in this process. */
export function upstreamKeyOf(judged: Judged, text: string, parseKey: string): string {
  const by = `${parseKey}\u0000${text === judged.statements[0]?.text ? '' : text}`
  let key = judged.upstreamKeys.get(by)
  if (key === undefined) {
    if (judged.upstreamKeys.size >= upstreamKeysMax) judged.upstreamKeys.clear()
    key = `postern_${++upstreamKeysMade}`
    judged.upstreamKeys.set(by, key)
  }
  return key
}
