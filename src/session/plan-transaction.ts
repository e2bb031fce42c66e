/** Transaction control in our own words: read only but for builders, and never SERIALIZABLE where a reader could abort an application. */
import type { SqlErrorFields } from '../errors.ts'
import type { TransactionAnswer } from '../guard/verdict.ts'
import { type Effect, type Plan, plain, quoteName, type SettingChange } from './plan.ts'

export function planTransaction(answer: TransactionAnswer, writes: boolean): Plan {
  const savepoint = answer.savepoint ?? ''
  const chain = answer.chain === true
  const effect: Effect = { type: 'transaction', op: answer.op, savepoint, chain }
  const base = { ...plain, kind: 'transaction' as const, effect, notices: transactionNotices(answer, writes) }
  const modes = transactionModes(answer, writes)
  switch (answer.op) {
    case 'begin':
      return { ...base, text: `begin ${modes}` }
    case 'start':
      return { ...base, text: `start transaction ${modes}` }
    case 'commit':
      return { ...base, text: chain ? 'commit and chain' : 'commit', exits: true }
    case 'rollback':
      return { ...base, text: chain ? 'rollback and chain' : 'rollback', exits: true }
    case 'savepoint':
      return { ...base, text: `savepoint ${quoteName(savepoint)}` }
    case 'release':
      return { ...base, text: `release savepoint ${quoteName(savepoint)}` }
    case 'rollback-to':
      return { ...base, text: `rollback to savepoint ${quoteName(savepoint)}`, exits: true }
    case 'set-transaction':
      return { ...base, text: `set transaction ${modes}`, effect: { type: 'none' } }
    case 'set-characteristics':
      return {
        ...base,
        text: `set session characteristics as transaction ${modes}`,
        effect: { type: 'set', changes: characteristics(answer, writes), local: false },
      }
  }
}

/** A read-only SERIALIZABLE reader can abort an application's write; DEFERRABLE ones cannot. */
function effectiveIsolation(answer: TransactionAnswer, writes: boolean): string | undefined {
  return !writes && answer.isolation === 'serializable' && answer.deferrable !== true
    ? 'repeatable read'
    : answer.isolation
}

function transactionModes(answer: TransactionAnswer, writes: boolean): string {
  const isolation = effectiveIsolation(answer, writes)
  const deferrable = answer.deferrable === undefined ? '' : answer.deferrable ? ' deferrable' : ' not deferrable'
  return `${isolation === undefined ? '' : `isolation level ${isolation} `}read ${writes ? 'write' : 'only'}${deferrable}`
}

function characteristics(answer: TransactionAnswer, writes: boolean): SettingChange[] {
  const isolation = effectiveIsolation(answer, writes)
  const changes: SettingChange[] = []
  if (isolation !== undefined) changes.push({ name: 'default_transaction_isolation', value: `'${isolation}'` })
  if (answer.deferrable !== undefined)
    changes.push({ name: 'default_transaction_deferrable', value: answer.deferrable ? "'on'" : "'off'" })
  return changes
}

function transactionNotices(answer: TransactionAnswer, writes: boolean): SqlErrorFields[] {
  if (answer.isolation === undefined || answer.isolation === effectiveIsolation(answer, writes)) return []
  return [
    {
      code: '01000',
      message: 'SERIALIZABLE runs as REPEATABLE READ here',
      hint: 'SERIALIZABLE READ ONLY DEFERRABLE runs as written.',
    },
  ]
}
