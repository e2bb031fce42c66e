/** Judging on behalf of one session: under its policy, its search_path and the newest catalog. */
import { SqlError } from '../errors.ts'
import type { Policy } from '../guard/policy.ts'
import type { NarrowLimits, SessionOptions } from './context.ts'
import type { Judged, JudgementContext } from './judgement.ts'
import { type ClientSettings, unquoteValues } from './settings.ts'

export class SessionJudge {
  private readonly options: SessionOptions
  private readonly settings: ClientSettings
  private narrowedFrom: Policy | undefined
  private narrowed: Policy | undefined
  private known: JudgementContext | undefined
  private knownParseKey = ''
  private knownKey = ''

  constructor(options: SessionOptions, settings: ClientSettings) {
    this.options = options
    this.settings = settings
  }

  get policy(): Policy {
    const { database, principal, limits } = this.options
    const policy = database.policyOf(principal)
    if (limits === undefined) return policy
    if (this.narrowedFrom !== policy || this.narrowed === undefined) {
      this.narrowedFrom = policy
      this.narrowed = narrowPolicy(policy, limits)
    }
    return this.narrowed
  }

  /** Changes whenever a verdict might: under which policy, catalog and settings a text is judged now. */
  get contextKey(): string {
    this.context()
    return this.knownKey
  }

  private context(): JudgementContext {
    const { policy } = this
    const catalog = this.options.database.catalog()
    const { parseKey } = this.settings
    const { known } = this
    if (known?.policy === policy && known.catalog === catalog && this.knownParseKey === parseKey) return known
    const path = unquoteValues(this.settings.get('search_path') ?? '')
    this.knownParseKey = parseKey
    this.knownKey = `${policy.version}\u0000${catalog.version}\u0000${parseKey}`
    this.known = {
      databaseId: this.options.database.id,
      policy,
      catalog,
      searchPath: path.filter(name => name !== '' && name !== '$user'),
      login: this.options.principal.login,
    }
    return this.known
  }

  /** Names that the catalog snapshot does not know are looked for in the database once. @throws SqlError where the login has expired */
  judge(text: string, parameterTypes: readonly number[]): Judged | Promise<Judged> {
    const { principal, services } = this.options
    if (principal.expiresAt !== null && services.now() >= principal.expiresAt) throw loginExpired()
    const judged = services.judgement.judge(text, parameterTypes, this.context())
    if (judged instanceof Promise)
      return judged.then(known => (missesName(known) ? this.judgeAgain(text, parameterTypes) : known))
    return missesName(judged) ? this.judgeAgain(text, parameterTypes) : judged
  }

  private async judgeAgain(text: string, parameterTypes: readonly number[]): Promise<Judged> {
    await this.options.database.refreshCatalog()
    return this.options.services.judgement.judge(text, parameterTypes, this.context())
  }
}

/** The lesser of each limit. Verdicts depend on limits: the version tells them apart. */
export function narrowPolicy(policy: Policy, limits: NarrowLimits): Policy {
  const own = policy.limits
  const least = (given: number | undefined, most: number) => Math.min(given ?? most, most)
  const narrowed = {
    ...own,
    rowsMax: least(limits.rowsMax, own.rowsMax),
    bytesMax: least(limits.bytesMax, own.bytesMax),
    statementTimeoutMs: least(limits.statementTimeoutMs, own.statementTimeoutMs),
    wallClockMs: least(limits.wallClockMs, own.wallClockMs),
    atRowLimit: limits.atRowLimit === 'refuse' ? limits.atRowLimit : own.atRowLimit,
  }
  const { rowsMax, bytesMax, statementTimeoutMs, wallClockMs, atRowLimit } = narrowed
  const version = `${policy.version}/${rowsMax}/${bytesMax}/${statementTimeoutMs}/${wallClockMs}/${atRowLimit}`
  return { ...policy, version, limits: narrowed }
}

const unknownNames: ReadonlySet<string> = new Set(['unknown-relation', 'unknown-function'])

function missesName(judged: Judged): boolean {
  return judged.statements.some(({ verdict }) => verdict.kind === 'refuse' && unknownNames.has(verdict.reason))
}

export function loginExpired(): SqlError {
  return new SqlError({ code: '28000', message: 'the login has expired', hint: 'Log in again.', severity: 'FATAL' })
}
