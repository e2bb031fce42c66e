/** What a statement's completion changes in its client's state. */
import type { SetConfigCall } from '../guard/verdict.ts'
import type { Effect } from './plan.ts'
import { type ClientSettings, quoteValues, splitIdentifiers } from './settings.ts'
import type { ClientCursor, ClientPortal, ClientStatement } from './statements.ts'

/** The state that effects touch. */
export interface ClientState {
  readonly settings: ClientSettings
  readonly statements: Map<string, ClientStatement>
  readonly portals: Map<string, ClientPortal>
  readonly cursors: Map<string, ClientCursor>
  /** A refusal or a lost upstream put the open transaction in 'E', of which the server knows nothing. */
  failed: boolean
  /** A transaction block is open (as far as completed statements tell). */
  explicitTransaction: boolean
  /** The upstream may have settings that are not on record: it is not lent on. */
  settingsInDoubt: boolean
  /** The client's settings were reset without the upstream: it is brought to them before it is used again. */
  settingsReset: boolean
}

/** @param tag CommandComplete's, for transaction control. @param parameters of the portal, as text */
export function applyEffect(
  state: ClientState,
  effect: Effect,
  tag: string,
  parameters: readonly (string | null)[],
): void {
  switch (effect.type) {
    case 'none':
    case 'copy':
    case 'copy-in':
    case 'create-schema':
    case 'fetch':
      return
    case 'rows':
      for (const call of effect.sets) applySetConfig(state, call, parameters)
      return
    case 'declare':
      state.cursors.set(effect.cursor, { rows: 0, bytes: 0 })
      return
    case 'close-cursor':
      if (effect.cursor === null) state.cursors.clear()
      else state.cursors.delete(effect.cursor)
      return
    case 'set':
      for (const { name, value } of effect.changes) state.settings.set(name, value, effect.local)
      return
    case 'reset-all':
      state.settings.resetAll()
      state.settings.commit()
      state.settingsReset = true
      if (effect.discard) state.statements.clear()
      return
    case 'deallocate':
      if (effect.name === null) state.statements.clear()
      else state.statements.delete(effect.name)
      return
    case 'transaction':
      applyTransaction(state, effect, tag)
  }
}

function applyTransaction(state: ClientState, effect: Effect & { type: 'transaction' }, tag: string): void {
  const { settings } = state
  switch (effect.op) {
    case 'commit':
    case 'rollback':
      if (tag === 'COMMIT') settings.commit()
      else settings.rollback()
      state.failed = false
      state.explicitTransaction = effect.chain
      state.cursors.clear()
      return
    case 'savepoint':
      return settings.savepoint(effect.savepoint)
    case 'release':
      return settings.release(effect.savepoint)
    case 'rollback-to':
      settings.rollbackTo(effect.savepoint)
      state.failed = false
      return
    case 'begin':
    case 'start':
      state.explicitTransaction = true
      return
    case 'set-transaction':
    case 'set-characteristics':
      return
  }
}

/** What set_config did upstream is what the client's setting is now. */
function applySetConfig(state: ClientState, call: SetConfigCall, parameters: readonly (string | null)[]): void {
  const value = 'constant' in call.value ? call.value.constant : parameters[call.value.parameter - 1]
  if (value === null || value === undefined) {
    // NULL is the connection's own default, where a reset is the client's.
    state.settings.set(call.name, null, call.local)
    state.settingsInDoubt = true
    return
  }
  const values = call.name === 'search_path' ? (splitIdentifiers(value) ?? []) : [value]
  state.settings.set(call.name, quoteValues(values), call.local)
  if (call.name.endsWith('_timeout')) state.settingsInDoubt = true
}

/** Whether what comes after must be judged anew: it has to wait until the effect is known. */
export function changesContext(effect: Effect, settings: ClientSettings): boolean {
  switch (effect.type) {
    case 'set':
    case 'reset-all':
    case 'deallocate':
      return true
    case 'rows':
      return effect.sets.length > 0
    case 'transaction':
      return settings.inFlux && (effect.op === 'commit' || effect.op === 'rollback' || effect.op === 'rollback-to')
    case 'none':
    case 'copy':
    case 'copy-in':
    case 'create-schema':
    case 'fetch':
    case 'declare':
    case 'close-cursor':
      return false
  }
}
