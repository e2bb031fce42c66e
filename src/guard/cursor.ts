/** DECLARE, FETCH, MOVE and CLOSE. */
import { type Judgement, refuse } from './judgement.ts'
import { pushLimit } from './limit.ts'
import { judgeReading, runVerdict } from './query.ts'
import { refuseStatement } from './refused-statements.ts'
import { type Fields, numberOf, textOf, unwrap } from './tree.ts'
import type { Answer, Verdict } from './verdict.ts'

/** parsenodes.h: CURSOR_OPT_… */
const holdOption = 0x20
const allowedOptions = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x100

export function judgeDeclare(judgement: Judgement, fields: Fields): Verdict {
  const select = unwrap(fields.query, 'SelectStmt')
  const given = numberOf(fields.options)
  for (const field in fields) {
    if (field !== 'portalname' && field !== 'options' && field !== 'query')
      return refuseStatement(judgement, field, fields)
  }
  if ((given & holdOption) !== 0) {
    refuse(judgement, 'cursor', {
      code: '0A000',
      message: 'DECLARE CURSOR WITH HOLD is not supported',
      hint: 'Read the cursor inside its transaction.',
    })
  }
  if (select === undefined || (given & ~allowedOptions) !== 0)
    return refuseStatement(judgement, 'DeclareCursorStmt', fields)
  judgeReading(judgement, select)
  const limit = pushLimit(judgement, select, judgement.statement.text.length)
  return runVerdict(judgement, 'declare', { type: 'declare', cursor: textOf(fields.portalname) }, limit)
}

/** What FETCH ALL carries: the largest long of the parser's machine. */
const fetchAll = 2_147_483_647

export function judgeFetch(judgement: Judgement, fields: Fields): Answer {
  for (const field in fields) {
    if (!fetchFields.has(field)) refuseStatement(judgement, `FetchStmt.${field}`, fields)
  }
  const howMany = numberOf(fields.howMany)
  return {
    type: 'fetch',
    cursor: textOf(fields.portalname),
    direction: directionOf(textOf(fields.direction)),
    count: howMany >= fetchAll ? null : howMany,
    move: fields.ismove === true,
  }
}

const fetchFields: ReadonlySet<string> = new Set([
  'direction',
  'howMany',
  'portalname',
  'ismove',
  'direction_keyword',
  'location',
])

function directionOf(direction: string): 'forward' | 'backward' | 'absolute' | 'relative' {
  switch (direction) {
    case 'FETCH_BACKWARD':
      return 'backward'
    case 'FETCH_ABSOLUTE':
      return 'absolute'
    case 'FETCH_RELATIVE':
      return 'relative'
    default:
      return 'forward'
  }
}

export function judgeCloseCursor(fields: Fields): Answer {
  return { type: 'close-cursor', cursor: typeof fields.portalname === 'string' ? fields.portalname : null }
}
