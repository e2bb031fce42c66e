/** Functions of the session: settings, its pid, its locks. */
import { type Judgement, refuse } from './judgement.ts'
import { comesFromCatalog } from './provenance.ts'
import type { Scope } from './scope.ts'
import { isShown, judgeSetting, mayHoldValue, splitIdentifierList } from './settings.ts'
import { spliceVirtualPid } from './splice-calls.ts'
import { constantOf, type Fields, isFields, listOf, locationOf, namesOf, numberOf, uncastText, unwrap } from './tree.ts'
import type { SetConfigCall } from './verdict.ts'

export function judgeSpecialFunction(
  judgement: Judgement,
  name: string,
  call: Fields,
  scope: Scope,
  node: Fields,
): void {
  switch (name) {
    case 'pg_backend_pid':
      return spliceVirtualPid(judgement, call, node)
    case 'current_setting':
      return judgeCurrentSetting(judgement, call, scope)
    case 'set_config':
      return judgeSetConfig(judgement, call, node)
    default:
      refuse(judgement, 'function', {
        code: '42501',
        message: `permission denied for function ${name}`,
        ...(name === 'pg_advisory_unlock_all' && { hint: 'It is answered alone: select pg_advisory_unlock_all().' }),
        at: locationOf(call),
      })
  }
}

/** A stored definition's own settings (`current_setting('app.tenant')` in row security) are the owner's affair. */
function judgeCurrentSetting(judgement: Judgement, call: Fields, scope: Scope): void {
  if (judgement.stored) return
  const [name] = listOf(call.args)
  const setting = readString(judgement, name)
  if (setting !== undefined && isShown(setting)) return
  if (comesFromCatalog(name, 'setting', scope)) return
  const parameter = readParameter(judgement, name)
  if (parameter !== undefined) {
    judgement.examines.add(parameter)
    return
  }
  refuse(judgement, 'setting', {
    code: '42501',
    message:
      setting === undefined
        ? 'permission denied to examine a setting that is not named by a constant'
        : `permission denied to examine "${setting}"`,
    hint: 'SHOW ALL lists the settings that can be examined.',
    at: locationOf(call),
  })
}

/** Runs upstream as it is, so it must run exactly once and leave what the session can keep track of. */
function judgeSetConfig(judgement: Judgement, call: Fields, node: Fields): void {
  const args = listOf(call.args)
  const name = readString(judgement, args[0])?.toLowerCase()
  const local = isFlag(args[2])
  const value = readValue(judgement, args[1])
  const isTarget = judgement.topTargets.some(target => unwrap(target, 'ResTarget')?.val === node)
  if (name === undefined || local === undefined || value === undefined || args.length !== 3) {
    refuseSetConfig(
      judgement,
      call,
      'Write its name and is_local as constants, its value as a constant or a parameter.',
    )
  }
  const values = valuesOf(name, value)
  if (values === undefined && 'constant' in value)
    refuseSetConfig(judgement, call, 'Write the schemas as plain or "quoted" names, with commas between.')
  const refusal = judgeSetting(judgement.context, name, values)
  if (refusal !== undefined) refuse(judgement, refusal.reason, { ...refusal.error, at: locationOf(call) })
  if (!isTarget || !judgement.runsOnce) {
    refuseSetConfig(judgement, call, 'It may stand in the select list of a SELECT without FROM. Or use SET.')
  }
  if (!mayHoldValue(judgement.context, name, value))
    refuseSetConfig(judgement, call, `Use SET ${name}, which is clamped to what is allowed.`)
  judgement.sets.push({ name, value, local })
}

function valuesOf(name: string, value: SetConfigCall['value']): readonly string[] | undefined {
  if ('parameter' in value) return undefined
  return name === 'search_path' ? splitIdentifierList(value.constant) : [value.constant]
}

function refuseSetConfig(judgement: Judgement, call: Fields, hint: string): never {
  refuse(judgement, 'setting', {
    code: '42501',
    message: 'permission denied for function set_config',
    hint,
    at: locationOf(call),
  })
}

function readValue(judgement: Judgement, node: unknown): SetConfigCall['value'] | undefined {
  const parameter = readParameter(judgement, node)
  if (parameter !== undefined) return { parameter }
  const constant = readString(judgement, node)
  return constant === undefined ? undefined : { constant }
}

function readParameter(judgement: Judgement, node: unknown): number | undefined {
  const parameter = unwrap(uncast(judgement, node), 'ParamRef')
  return parameter === undefined ? undefined : numberOf(parameter.number)
}

function readString(judgement: Judgement, node: unknown): string | undefined {
  const constant = constantOf(uncast(judgement, node))
  return constant?.type === 'string' ? constant.value : undefined
}

/** A type of the database that goes by the name of text could make something else of the value. */
function uncast(judgement: Judgement, node: unknown): unknown {
  const { types } = judgement.context.catalog
  const isHidden = judgement.path.some(schema => types.get(schema)?.has('text') === true)
  const [name, ...more] = namesOf(typeNameOf(node))
  return isHidden && name === 'text' && more.length === 0 ? node : uncastText(node)
}

function typeNameOf(node: unknown): unknown {
  const type = unwrap(node, 'TypeCast')?.typeName
  return isFields(type) ? type.names : undefined
}

function isFlag(node: unknown): boolean | undefined {
  const constant = constantOf(node)
  if (constant?.type === 'boolean') return constant.value
  if (constant?.type !== 'string') return undefined
  if (/^(?:t|true|on|yes|y|1)$/i.test(constant.value)) return true
  return /^(?:f|false|off|no|n|0)$/i.test(constant.value) ? false : undefined
}
