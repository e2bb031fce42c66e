/** One reader before the guard: `said('select 1')` is its verdict. */
import type { RawCatalog } from '../../src/guard/catalog.ts'
import { judge } from '../../src/guard/judge.ts'
import type { JudgeContext } from '../../src/guard/judgement.ts'
import { createParser, type Parser } from '../../src/guard/parse.ts'
import type { Limits, Policy } from '../../src/guard/policy.ts'
import { reviewCatalog } from '../../src/guard/review.ts'
import type { Verdict } from '../../src/guard/verdict.ts'
import { emptyCatalog, readerPolicy, relation } from './fixtures.ts'

export interface Setting {
  readonly catalog?: Partial<RawCatalog>
  readonly policy?: Partial<Policy>
  readonly limits?: Partial<Limits>
  readonly searchPath?: readonly string[]
  readonly major?: number
  readonly parameterTypes?: readonly number[]
}

export type Said = (text: string) => Verdict

let parser: Parser | undefined

/** Two small tables, one large, one excluded, one of another schema. */
export const tables = [
  relation('app', 'users', ['id', 'email', 'total'], { oid: 20001 }),
  relation('app', 'orders', ['id', 'user_id', 'total'], { oid: 20002, rowsEstimate: 5_000_000 }),
  relation('app', 'hidden', ['secret'], { oid: 20003 }),
  relation('other', 'notes', ['text'], { oid: 20004 }),
]

/** The reader that these tests are about: may read app but for app.hidden. */
export async function judging(setting: Setting = {}): Promise<Said> {
  parser ??= await createParser()
  const { parseNow } = parser
  const parse = (text: string) => parseNow(text)
  const raw: RawCatalog = {
    ...emptyCatalog(setting.major ?? 18),
    schemas: ['app', 'public', 'other'],
    relations: tables,
    ...setting.catalog,
  }
  const policy: Policy = {
    ...readerPolicy,
    excludedTables: ['app.hidden'],
    ...setting.policy,
    limits: { ...readerPolicy.limits, ...setting.limits },
  }
  const context: JudgeContext = {
    policy,
    catalog: reviewCatalog(raw, parse),
    searchPath: setting.searchPath ?? ['app', 'public'],
    user: 'alice@acme',
    parse,
    parameterTypes: setting.parameterTypes ?? [],
  }
  return text => {
    const [statement] = parse(text).statements
    if (statement === undefined) throw new Error(`nothing to judge: ${text}`)
    return judge(statement, context)
  }
}

/** `25006`, `run`, or what is answered: a verdict in a word. */
export function word(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'run':
      return 'run'
    case 'answer':
      return verdict.answer.type
    case 'refuse':
      return verdict.error.code
  }
}

/** The text that goes upstream; for a refusal, why not. */
export function upstream(verdict: Verdict): string {
  if (verdict.kind === 'run') return verdict.text
  return verdict.kind === 'refuse' ? `${verdict.error.code} ${verdict.error.message}` : verdict.answer.type
}
