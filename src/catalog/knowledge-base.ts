/**
 * What is known of a tenant's data, as its principals read and write it. Every method touches the principal's own
 * tenant alone: what is another's is missing. Texts come back as they were given; SQL among them is parsed when it is
 * written down, and never run from here.
 */
import type { Pool } from 'pg'
import type { Administration } from '../control/administration.ts'
import { findKnowledgeEntry, type KnowledgeEntry, listKnowledgeEntries } from '../control/knowledge-entries.ts'
import { type FoundKnowledge, searchKnowledge } from '../control/knowledge-search.ts'
import { addLearning, findLearning, judgeLearning, type Learning, listLearnings } from '../control/learnings.ts'
import { findTableKnowledge, type TableKnowledgeRow } from '../control/table-knowledge.ts'
import { SqlError } from '../errors.ts'
import type { Parser } from '../guard/parse.ts'
import type { Principal, Scope } from '../identity/principal.ts'
import { checkStatement } from './semantic-sql.ts'

export interface KnowledgeBaseOptions {
  readonly control: Pool
  /** Who writes, for the audit record of what he writes. */
  readonly administrationOf: (principal: Principal) => Administration
  readonly parser: Pick<Parser, 'parse'>
}

export interface SaidLearning {
  readonly description: string
  readonly category: string
  /** `table` or `schema.table`; left out: it holds everywhere. */
  readonly tables?: readonly string[] | undefined
  readonly failingSql?: string | undefined
  readonly correctedSql: string
  /** A database's alias; left out: any of the tenant's. */
  readonly database?: string | undefined
}

export type KnowledgeItem =
  | ({ readonly kind: 'entry' } & KnowledgeEntry)
  | ({ readonly kind: 'table' } & TableKnowledgeRow)
  | ({ readonly kind: 'learning' } & Learning)

const foundMax = 50

export class KnowledgeBase {
  readonly #control: Pool
  readonly #administrationOf: KnowledgeBaseOptions['administrationOf']
  readonly #parser: KnowledgeBaseOptions['parser']

  constructor(options: KnowledgeBaseOptions) {
    this.#control = options.control
    this.#administrationOf = options.administrationOf
    this.#parser = options.parser
  }

  /** General entries, the last changed first. @throws SqlError 42501 without data:read */
  async entries(principal: Principal, o: { readonly tag?: string } = {}): Promise<readonly KnowledgeEntry[]> {
    const entries = await listKnowledgeEntries(this.#control, readerOf(principal))
    return o.tag === undefined ? entries : entries.filter(entry => entry.tags.includes(o.tag!))
  }

  /** @throws SqlError 42501 without data:read, 42704 */
  async entry(principal: Principal, id: string): Promise<KnowledgeEntry> {
    return await findKnowledgeEntry(this.#control, readerOf(principal), id)
  }

  /** The surest first; those below the floor only where they are asked for. @throws SqlError 42501 without data:read */
  async learnings(principal: Principal, o: { readonly inactive?: boolean } = {}): Promise<readonly Learning[]> {
    return await listLearnings(this.#control, readerOf(principal), { active: o.inactive !== true })
  }

  /** @throws SqlError 42501 without data:read, 42704 */
  async learning(principal: Principal, id: string): Promise<Learning> {
    return await findLearning(this.#control, readerOf(principal), id)
  }

  /** Whichever kind the id is of. @throws SqlError 42501 without data:read, 42704 */
  async item(principal: Principal, id: string): Promise<KnowledgeItem> {
    return await findKnowledge(this.#control, readerOf(principal), id)
  }

  /** Words anywhere in entries, table knowledge and active learnings, the best first. @throws SqlError 42501 */
  async search(
    principal: Principal,
    text: string,
    o: { readonly rowsMax?: number } = {},
  ): Promise<readonly FoundKnowledge[]> {
    return await searchKnowledge(this.#control, readerOf(principal), text, Math.min(o.rowsMax ?? 20, foundMax))
  }

  /**
   * Writes down what was learned from a statement that was wrong. Said again word by word it is the one that is there.
   * @throws SqlError 42501 without knowledge:write, 22023 for a text, 42601 and kin with the position for corrected
   * SQL that does not parse, 54000 where the tenant has as many as are kept
   */
  async saveLearning(
    principal: Principal,
    said: SaidLearning,
  ): Promise<{ readonly learning: Learning; readonly created: boolean }> {
    const tenant = writerOf(principal)
    await checkStatement(this.#parser, said.correctedSql)
    return await addLearning(this.#administrationOf(principal), tenant, {
      database: said.database ?? '*',
      description: said.description,
      category: said.category,
      tables: said.tables ?? [],
      failingSql: said.failingSql ?? null,
      correctedSql: said.correctedSql,
    })
  }

  /** It was used and was right. @throws SqlError 42501 without knowledge:write, 42704 */
  async confirm(principal: Principal, id: string): Promise<Learning> {
    return await judgeLearning(this.#administrationOf(principal), writerOf(principal), id, true)
  }

  /** It was used and was wrong. @throws SqlError 42501 without knowledge:write, 42704 */
  async contradict(principal: Principal, id: string): Promise<Learning> {
    return await judgeLearning(this.#administrationOf(principal), writerOf(principal), id, false)
  }
}

/** @throws SqlError 42704 */
export async function findKnowledge(control: Pool, tenantId: string, id: string): Promise<KnowledgeItem> {
  const looks: (() => Promise<KnowledgeItem>)[] = [
    async () => ({ kind: 'entry', ...(await findKnowledgeEntry(control, tenantId, id)) }),
    async () => ({ kind: 'table', ...(await findTableKnowledge(control, tenantId, id)) }),
  ]
  for (const look of looks) {
    try {
      return await look()
    } catch (error) {
      if (!(error instanceof SqlError) || error.code !== '42704') throw error
    }
  }
  return { kind: 'learning', ...(await findLearning(control, tenantId, id)) }
}

function readerOf(principal: Principal): string {
  demand(principal, 'data:read')
  return principal.tenant
}

function writerOf(principal: Principal): { id: string; name: string } {
  demand(principal, 'knowledge:write')
  return { id: principal.tenant, name: principal.tenantName }
}

function demand(principal: Principal, scope: Scope): void {
  if (principal.scopes.has(scope)) return
  throw new SqlError({
    code: '42501',
    message: `this needs the scope ${scope}, which ${principal.login} does not have`,
  })
}
