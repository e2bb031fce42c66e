/** Settings of the startup packet: each is judged and run as the SET that it stands for, before the login is answered. */
import { SqlError } from '../errors.ts'
import { changesContext } from './effects.ts'
import { ownParameters } from './own-parameters.ts'
import { quoteValues, splitIdentifiers } from './settings.ts'
import { checkVerdict, planFor } from './simple.ts'
import type { SessionState } from './state.ts'

const verbatim: ReadonlySet<string> = new Set(['application_name', 'client_encoding'])

/** @throws SqlError for a setting that is refused, or that the server does not take */
export async function applyStartupSettings(state: SessionState): Promise<void> {
  const statements: string[] = []
  for (const [name, value] of state.options.startupSettings) {
    const setting = await judgeSetting(state, name.toLowerCase(), value)
    if (setting === undefined) continue
    statements.push(setting.text)
    for (const { name: changed, value: to } of setting.changes) state.settings.set(changed, to, false)
    if (name.toLowerCase() === 'application_name') state.parameters.set('application_name', value)
  }
  state.settings.settleStartup()
  if (statements.every(text => text === '')) return
  state.starting = true
  await state.hold(statements.join(';'))
  if (state.expectations.length > 0) await state.whenDrained(() => Promise.resolve())
  state.starting = false
  const { lost } = state
  state.lost = undefined
  if (lost !== undefined) throw lost
  reportSettings(state)
  state.requestDone()
}

/** The login's ParameterStatus says what is in force now; an upstream that had these settings already did not report them again. */
function reportSettings(state: SessionState): void {
  for (const [name, value] of state.lease.upstream?.parameters ?? []) {
    if (!ownParameters.has(name)) state.parameters.set(name, value)
  }
}

/** Its SQL (empty: valid as it stands, needs no trial) and what it changes; undefined: nothing. */
async function judgeSetting(
  state: SessionState,
  name: string,
  value: string,
): Promise<{ text: string; changes: readonly { name: string; value: string | null }[] } | undefined> {
  const values = name === 'search_path' ? (splitIdentifiers(value) ?? [value]) : [value]
  const text = `set ${/^[a-z_][a-z0-9_.]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`} to ${quoteValues(values)}`
  const judged = await state.judge.judge(text, [])
  const [only] = judged.statements
  if (judged.error !== undefined || only === undefined) {
    throw judged.error ?? new SqlError({ code: '42704', message: `unrecognized configuration parameter "${name}"` })
  }
  checkVerdict(state, text, only)
  const plan = planFor(state, only, false)
  if (plan.effect.type !== 'set' || !changesContext(plan.effect, state.settings)) return undefined
  return { text: verbatim.has(name) ? '' : plan.text, changes: plan.effect.changes }
}
