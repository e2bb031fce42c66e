/** Transaction control. It stays read only, whatever is asked for. */
import { type Judgement, refuse } from './judgement.ts'
import { refuseStatement } from './refused-statements.ts'
import { constantText, type Fields, listOf, locationOf, textOf, unwrap } from './tree.ts'
import type { TransactionAnswer } from './verdict.ts'

const ops: ReadonlyMap<string, TransactionAnswer['op']> = new Map([
  ['TRANS_STMT_BEGIN', 'begin'],
  ['TRANS_STMT_START', 'start'],
  ['TRANS_STMT_COMMIT', 'commit'],
  ['TRANS_STMT_ROLLBACK', 'rollback'],
  ['TRANS_STMT_SAVEPOINT', 'savepoint'],
  ['TRANS_STMT_RELEASE', 'release'],
  ['TRANS_STMT_ROLLBACK_TO', 'rollback-to'],
])

const fieldsKnown: ReadonlySet<string> = new Set(['kind', 'options', 'savepoint_name', 'chain', 'location'])

export function judgeTransaction(judgement: Judgement, fields: Fields): TransactionAnswer {
  const op = ops.get(textOf(fields.kind))
  if (op === undefined) {
    refuse(judgement, 'statement', { code: '0A000', message: 'two-phase commit is not supported' })
  }
  for (const field in fields) {
    if (!fieldsKnown.has(field)) refuseStatement(judgement, `TransactionStmt.${field}`, fields)
  }
  return {
    type: 'transaction',
    op,
    ...(typeof fields.savepoint_name === 'string' && { savepoint: fields.savepoint_name }),
    ...(fields.chain === true && { chain: true }),
    ...readModes(judgement, listOf(fields.options)),
  }
}

type Modes = Pick<TransactionAnswer, 'isolation' | 'deferrable' | 'readWrite'>

/** The modes of BEGIN, SET TRANSACTION and SET SESSION CHARACTERISTICS. */
export function readModes(judgement: Judgement, options: readonly unknown[]): Modes {
  let modes: Modes = {}
  for (const entry of options) {
    const option = unwrap(entry, 'DefElem')
    const value = constantText(option?.arg)
    modes = { ...modes, ...readMode(judgement, textOf(option?.defname), value ?? '', option) }
  }
  return modes
}

/** One mode as a setting's name and value; also the form in which `SET transaction_isolation = …` gives it. */
export function readMode(judgement: Judgement, name: string, value: string, at: Fields | undefined): Modes {
  switch (name) {
    case 'transaction_isolation': {
      const isolation = isolationOf(value)
      if (isolation !== undefined) return { isolation }
      break
    }
    case 'transaction_read_only':
      if (isFlag(value)) return isTrue(value) ? {} : { readWrite: true }
      break
    case 'transaction_deferrable':
      if (isFlag(value)) return { deferrable: isTrue(value) }
  }
  refuse(judgement, 'statement', {
    code: '22023',
    message: `invalid value for parameter "${name}": "${value}"`,
    at: at === undefined ? undefined : locationOf(at),
  })
}

function isolationOf(value: string): TransactionAnswer['isolation'] {
  const lower = value.toLowerCase()
  switch (lower) {
    case 'read uncommitted':
    case 'read committed':
    case 'repeatable read':
    case 'serializable':
      return lower
    default:
      return undefined
  }
}

function isTrue(value: string): boolean {
  return /^(?:1|t|true|y|yes|on)$/i.test(value)
}

function isFlag(value: string): boolean {
  return isTrue(value) || /^(?:0|f|false|n|no|off)$/i.test(value)
}
