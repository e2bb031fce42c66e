/** EXPLAIN [ANALYZE] of a query. No LIMIT is pushed: the plan asked for is that of the text. */
import { type Judgement, refuse } from './judgement.ts'
import { judgeReading, runVerdict } from './query.ts'
import { refuseInner, refuseStatement } from './refused-statements.ts'
import { type Fields, listOf, locationOf, textOf, unwrap } from './tree.ts'
import type { Verdict } from './verdict.ts'

const options: ReadonlySet<string> = new Set([
  'analyze',
  'buffers',
  'costs',
  'format',
  'generic_plan',
  'memory',
  'serialize',
  'settings',
  'summary',
  'timing',
  'verbose',
  'wal',
])

export function judgeExplain(judgement: Judgement, fields: Fields): Verdict {
  for (const field in fields) {
    if (field !== 'query' && field !== 'options') refuseStatement(judgement, `ExplainStmt.${field}`, fields)
  }
  for (const entry of listOf(fields.options)) judgeOption(judgement, unwrap(entry, 'DefElem'))
  const select = unwrap(fields.query, 'SelectStmt')
  if (select === undefined) return refuseInner(judgement, fields.query)
  judgeReading(judgement, select)
  return runVerdict(judgement, 'explain', { type: 'rows' }, undefined)
}

function judgeOption(judgement: Judgement, option: Fields | undefined): void {
  const name = textOf(option?.defname).toLowerCase()
  if (options.has(name)) return
  refuse(judgement, 'statement', {
    code: '42601',
    message: `unrecognized EXPLAIN option "${name}"`,
    at: option === undefined ? undefined : locationOf(option),
  })
}
