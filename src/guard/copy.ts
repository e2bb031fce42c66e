/** COPY (query) TO STDOUT and COPY table [(columns)] TO STDOUT. */
import { judgeCopyIn } from './builder-copy.ts'
import { type Judgement, refuse } from './judgement.ts'
import { lastLocation, pushLimit } from './limit.ts'
import { judgeReading, runVerdict } from './query.ts'
import { refuseInner, refuseStatement } from './refused-statements.ts'
import { openScope } from './scope.ts'
import { constantText, type Fields, isFields, listOf, locationOf, numberOf, textOf, unwrap } from './tree.ts'
import type { RunEffect, RunVerdict, Verdict } from './verdict.ts'

export function judgeCopy(judgement: Judgement, fields: Fields): Verdict {
  if (fields.is_from === true) {
    if (judgement.context.policy.builder !== undefined) return judgeCopyIn(judgement, fields)
    refuse(judgement, 'writes', { code: '25006', message: 'cannot execute COPY FROM in a read-only transaction' })
  }
  if (fields.is_program === true || fields.filename !== undefined) {
    refuse(judgement, 'copy', {
      code: '42501',
      message: `permission denied to COPY to ${fields.is_program === true ? 'or from an external program' : 'a file'}`,
      hint: "COPY … TO STDOUT gives the rows to you; psql's \\copy writes them to a file of yours.",
    })
  }
  for (const field in fields) {
    if (field !== 'relation' && field !== 'attlist' && field !== 'query' && field !== 'options') {
      return refuseStatement(judgement, `CopyStmt.${field}`, fields)
    }
  }
  const effect = judgeOptions(judgement, listOf(fields.options))
  const select = unwrap(fields.query, 'SelectStmt')
  if (select !== undefined) return judgeCopyQuery(judgement, fields, select, effect)
  if (isFields(fields.query)) return refuseInner(judgement, fields.query)
  if (!isFields(fields.relation)) return refuseStatement(judgement, 'CopyStmt', fields)
  return judgeCopyTable(judgement, fields.relation, effect)
}

function judgeCopyTable(judgement: Judgement, relation: Fields, effect: RunEffect): Verdict {
  const scope = openScope(undefined, undefined)
  judgement.walkFields('RangeVar', relation, scope)
  judgement.walk({ RangeVar: relation }, scope)
  if (judgement.splices.length > 0) {
    refuse(judgement, 'copy', {
      code: '0A000',
      message: `COPY of ${textOf(relation.relname)} is not supported`,
      hint: `Write COPY (SELECT * FROM ${textOf(relation.relname)}) TO STDOUT.`,
      at: locationOf(relation),
    })
  }
  return runVerdict(judgement, 'copy', effect, undefined)
}

/** The tree does not say where the query's parenthesis closes: each that could is tried, and the tree of the result decides. */
const closingsMax = 4

function judgeCopyQuery(judgement: Judgement, fields: Fields, select: Fields, effect: RunEffect): RunVerdict {
  judgeReading(judgement, select)
  const { text, offsets } = judgement.statement
  const from = offsets.toSlice(Math.max(0, lastLocation(select)))
  const option = unwrap(listOf(fields.options)[0], 'DefElem')
  let before = option === undefined ? text.length : offsets.toSlice(numberOf(option.location))
  for (let tries = 0; tries < closingsMax; tries += 1) {
    const closing = text.lastIndexOf(')', before - 1)
    if (closing < from || before <= 0) break
    const limit = pushLimit(judgement, select, closing)
    const verdict = runVerdict(judgement, 'copy', effect, limit)
    if (limit?.splice === undefined || verdict.limitPushed !== undefined) return verdict
    before = closing
  }
  return runVerdict(judgement, 'copy', effect, undefined)
}

const plainOptions: ReadonlySet<string> = new Set(['delimiter', 'null', 'quote', 'escape', 'force_quote'])

function judgeOptions(judgement: Judgement, options: readonly unknown[]): RunEffect {
  let header = false
  let binary = false
  for (const entry of options) {
    const option = unwrap(entry, 'DefElem')
    const name = textOf(option?.defname)
    const value = optionText(option?.arg)
    const isKnown =
      plainOptions.has(name) ||
      (name === 'format' && /^(?:text|csv|binary)$/.test(value ?? '')) ||
      (name === 'header' && isBoolean(value)) ||
      (name === 'encoding' && /^utf-?8$/i.test(value ?? ''))
    if (!isKnown) refuseOption(judgement, name, option)
    if (name === 'format') binary = value === 'binary'
    if (name === 'header') header = value === undefined || /^(?:true|on|1)$/i.test(value)
  }
  return { type: 'copy', header, binary }
}

function isBoolean(value: string | undefined): boolean {
  return value === undefined || /^(?:true|on|1|false|off|0)$/i.test(value)
}

function optionText(arg: unknown): string | undefined {
  const text = unwrap(arg, 'String')
  if (text !== undefined) return textOf(text.sval)
  const flag = unwrap(arg, 'Boolean')
  if (flag !== undefined) return flag.boolval === true ? 'true' : 'false'
  const number = unwrap(arg, 'Integer')
  if (number !== undefined) return String(numberOf(number.ival))
  return constantText(arg)
}

function refuseOption(judgement: Judgement, name: string, option: Fields | undefined): never {
  refuse(judgement, 'copy', {
    code: '0A000',
    message: `COPY option "${name}" is not supported here`,
    hint: 'FORMAT, HEADER, DELIMITER, NULL, QUOTE, ESCAPE, FORCE_QUOTE and ENCODING UTF8 are.',
    at: option === undefined ? undefined : locationOf(option),
  })
}
