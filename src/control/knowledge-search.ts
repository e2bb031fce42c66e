/** Finds words in everything that is known of a tenant's data: tables, general entries, learnings and the semantic rows. */
import type { Pool } from 'pg'
import { learningLimits } from './learnings.ts'

export interface FoundKnowledge {
  readonly kind: 'entry' | 'table' | 'learning'
  readonly id: string
  /** The entry's title, the table's name, the learning's description. */
  readonly title: string
  /** The first words of the text, at most 300 characters. */
  readonly excerpt: string
  /** Comparable within one search alone. */
  readonly rank: number
}

const wordsMax = 20
const textMaxBytes = 1024

/**
 * Those that hold words beginning as the text's words do, the best first. Learnings that are not active are left out.
 * A text without words finds nothing.
 */
export async function searchKnowledge(
  pool: Pool,
  tenantId: string,
  text: string,
  rowsMax: number,
): Promise<readonly FoundKnowledge[]> {
  const words = text.slice(0, textMaxBytes).match(/[\p{L}\p{N}]+/gu) ?? []
  if (words.length === 0) return []
  const found = await pool.query<FoundKnowledge>(searchSql, [
    tenantId,
    words
      .slice(0, wordsMax)
      .map(word => `${word}:*`)
      .join(' | '),
    rowsMax,
  ])
  return found.rows
}

const searchSql = `
with texts (kind, id, title, body) as (
  select 'entry', e.id, e.title, concat_ws(' ', array_to_string(e.tags, ' '), e.markdown)
    from postern.knowledge_entry e where e.tenant_id = $1
  union all
  select 'table', k.id, k.table_name, concat_ws(E'\\n', array_to_string(k.use_cases, E'\\n'), k.quality_notes,
      'owner: ' || k.owner, k.refresh_frequency, array_to_string(k.join_hints, E'\\n'),
      (select string_agg(n.key || ': ' || n.value, E'\\n' order by n.key) from json_each_text(k.column_notes) n))
    from postern.table_knowledge k where k.tenant_id = $1
  union all
  select 'learning', l.id, l.description, concat_ws(E'\\n', l.category, array_to_string(l.tables, ' '), l.corrected_sql, l.failing_sql)
    from postern.learning l where l.tenant_id = $1 and l.confidence >= ${learningLimits.confidenceFloor}
), ranked as (
  select t.*, ts_rank(setweight(to_tsvector('simple', translate(t.title, '_.', '  ')), 'A')
      || setweight(to_tsvector('simple', translate(t.body, '_.', '  ')), 'C'), to_tsquery('simple', $2)) as rank
  from texts t
)
select r.kind, r.id, r.title, left(r.body, 300) as excerpt, r.rank::float8 as rank
from ranked r where r.rank > 0 order by r.rank desc, r.kind, r.id limit $3`
