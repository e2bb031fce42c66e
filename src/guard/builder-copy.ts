/** COPY table [(columns)] FROM STDIN, into a run's own table. */
import { requireFields, requireOptions, requireOwn } from './builder-targets.ts'
import { type Judgement, refuse } from './judgement.ts'
import { runVerdict } from './query.ts'
import { constantText, type Fields, listOf, textOf, unwrap } from './tree.ts'
import type { Verdict } from './verdict.ts'

const options: ReadonlySet<string> = new Set([
  'default',
  'delimiter',
  'encoding',
  'escape',
  'format',
  'header',
  'null',
  'quote',
])

export function judgeCopyIn(judgement: Judgement, fields: Fields): Verdict {
  if (fields.is_program === true || fields.filename !== undefined) {
    refuse(judgement, 'copy', {
      code: '42501',
      message: `permission denied to COPY from ${fields.is_program === true ? 'an external program' : 'a file'}`,
      hint: "COPY … FROM STDIN takes the rows from you; psql's \\copy reads them from a file of yours.",
    })
  }
  requireFields(judgement, 'CopyStmt', fields, 'relation attlist is_from options')
  requireOwn(judgement, fields.relation)
  requireOptions(judgement, fields.options, options)
  for (const entry of listOf(fields.options)) {
    const option = unwrap(entry, 'DefElem')
    const value = textOf(unwrap(option?.arg, 'String')?.sval) || constantText(option?.arg) || ''
    if (option?.defname !== 'encoding' || /^utf-?8$/i.test(value)) continue
    refuse(judgement, 'copy', { code: '0A000', message: 'COPY takes UTF8 here', hint: 'Leave ENCODING out.' })
  }
  return runVerdict(judgement, 'copy', { type: 'copy-in' }, undefined)
}
