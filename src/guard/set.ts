/** SET, RESET and SHOW. */
import { type Judgement, refuse } from './judgement.ts'
import { judgeSetting, judgeShow } from './settings.ts'
import { readMode, readModes } from './transaction.ts'
import { constantText, type Fields, isFields, listOf, namesOf, textOf, unwrap } from './tree.ts'
import type { Answer } from './verdict.ts'

export function judgeSet(judgement: Judgement, fields: Fields): Answer {
  const name = textOf(fields.name)
  const lower = name.toLowerCase()
  const local = fields.is_local === true
  switch (fields.kind) {
    case 'VAR_RESET_ALL':
      return { type: 'reset-all' }
    case 'VAR_SET_MULTI':
      return judgeMulti(judgement, name, listOf(fields.args))
    case 'VAR_RESET':
      return judgeDefault(judgement, lower, false, 'RESET')
    case 'VAR_SET_DEFAULT':
      return judgeDefault(judgement, lower, local, 'SET')
    case 'VAR_SET_VALUE': {
      const values = listOf(fields.args).map(arg => readValue(judgement, arg, name))
      return modeAnswer(judgement, lower, values, local, fields) ?? judgeValues(judgement, lower, values, local)
    }
    default:
      refuse(judgement, 'setting', { code: '0A000', message: 'SET … FROM CURRENT is not supported' })
  }
}

function judgeMulti(judgement: Judgement, name: string, args: readonly unknown[]): Answer {
  if (name === 'TRANSACTION') return { type: 'transaction', op: 'set-transaction', ...readModes(judgement, args) }
  if (name === 'SESSION CHARACTERISTICS') {
    return { type: 'transaction', op: 'set-characteristics', ...readModes(judgement, args) }
  }
  refuse(judgement, 'statement', { code: '0A000', message: `SET ${name} is not supported` })
}

/** Back to what the connection started with: also where nothing else could be set. */
function judgeDefault(judgement: Judgement, name: string, local: boolean, tag: 'SET' | 'RESET'): Answer {
  if (name === 'role' || name === 'session_authorization') return { type: 'role-default', tag }
  refuseIf(judgement, judgeSetting(judgement.context, name, undefined))
  return { type: 'set', name, values: null, local, tag }
}

function judgeValues(judgement: Judgement, name: string, values: readonly string[], local: boolean): Answer {
  if (values.length !== 1 && name !== 'search_path' && name !== 'datestyle') {
    refuse(judgement, 'setting', { code: '22023', message: `SET ${name} takes only one argument` })
  }
  refuseIf(judgement, judgeSetting(judgement.context, name, values))
  const list = name === 'datestyle' ? [values.join(', ')] : values
  return { type: 'set', name, values: list, local, tag: 'SET' }
}

/** `SET transaction_isolation = …` and its kin are SET TRANSACTION and SET SESSION CHARACTERISTICS by another name. */
function modeAnswer(
  judgement: Judgement,
  name: string,
  values: readonly string[],
  local: boolean,
  fields: Fields,
): Answer | undefined {
  const mode = /^(default_)?(transaction_(?:isolation|read_only|deferrable))$/.exec(name)
  const [value] = values
  if (mode === null || value === undefined) return undefined
  const isDefault = mode[1] !== undefined
  if (local && isDefault) {
    refuse(judgement, 'setting', { code: '0A000', message: `SET LOCAL ${name} is not supported` })
  }
  const modes = readMode(judgement, mode[2] ?? '', value, fields)
  return { type: 'transaction', op: isDefault ? 'set-characteristics' : 'set-transaction', ...modes }
}

function readValue(judgement: Judgement, arg: unknown, name: string): string {
  const text = constantText(arg) ?? intervalText(unwrap(arg, 'TypeCast'))
  if (text !== undefined) return text
  refuse(judgement, 'setting', { code: '22023', message: `invalid value for parameter "${name}"` })
}

/** SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE: the setting itself takes it as text. */
function intervalText(cast: Fields | undefined): string | undefined {
  if (cast === undefined || !isFields(cast.typeName) || namesOf(cast.typeName.names).at(-1) !== 'interval')
    return undefined
  const text = constantText(cast.arg)
  return text !== undefined && /^[+-]?[0-9:. ]+$/.test(text) ? `INTERVAL '${text}'` : undefined
}

export function judgeShowStatement(judgement: Judgement, fields: Fields): Answer {
  const name = textOf(fields.name)
  if (name === 'all') return { type: 'show-all' }
  refuseIf(judgement, judgeShow(name))
  return { type: 'show', name: name.toLowerCase() }
}

function refuseIf(judgement: Judgement, refusal: ReturnType<typeof judgeSetting>): void {
  if (refusal !== undefined) refuse(judgement, refusal.reason, refusal.error)
}
