/** The master keys that seal what is secret in the control database. */
import type { Command } from 'commander'
import { countSealed, resealAll } from '../control/sealed.ts'
import { SqlError } from '../errors.ts'
import { beginRotation, checkConfiguredRotation, forgetPreviousKey } from '../identity/key-ring.ts'
import type { KeyRing } from '../identity/sealing.ts'
import type { Stores } from '../serve/stores.ts'
import { administrationOf, withStores } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'

export function keysCommand(cli: Cli): Command {
  return describeCommand('keys', 'the master keys that seal stored secrets', [
    'keys list',
    'keys rotate     # may be interrupted, and run again',
    'keys forget     # when everything that was running has been restarted',
  ])
    .addCommand(list(cli))
    .addCommand(rotate(cli))
    .addCommand(forget(cli))
}

function list(cli: Cli): Command {
  const command = describeCommand('list', 'list the master keys and what they seal', ['keys list', 'keys list --json'])
  return command.action(() =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const rows = await asOwner(stores, owner => countSealed(owner.pool))
        const keys = rows.map(row => ({
          ...row,
          current: row.keyId === stores.keys.keyId,
          here: stores.keys.opens(row.keyId),
        }))
        run.terminal.answer(keys, () =>
          run.terminal.table(
            ['master key', 'secrets', ''],
            keys.map(key => [
              key.keyId,
              String(key.secrets),
              key.current ? 'current' : key.here ? 'older' : 'not here',
            ]),
          ),
        )
      }),
    ),
  )
}

function rotate(cli: Cli): Command {
  const command = describeCommand(
    'rotate',
    'seal everything by a new master key; where it was interrupted, the rest of it',
    ['keys rotate', 'POSTERN_MASTER_KEY=<new> POSTERN_MASTER_KEY_PREVIOUS=<old> postern keys rotate'],
  )
  return command.action(() =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const { masterKey, masterKeyPrevious } = run.config
        const isConfigured = masterKey !== null
        if (isConfigured) checkConfiguredRotation({ masterKey: '', previous: masterKeyPrevious?.reveal() ?? null })
        const rotation = isConfigured ? undefined : await beginRotation(run.config.dataDir)
        const ring = rotation?.ring ?? stores.keys
        const resealed = await reseal(stores, ring)
        await rotation?.finish()
        tell(run, ring.keyId, resealed, isConfigured)
        // Other machines may use it, whose files are their own.
        if (!isConfigured && stores.cluster === undefined)
          run.terminal.note(
            `other machines with this control database need the new ${run.config.dataDir}/master.key too`,
          )
      }),
    ),
  )
}

function tell({ terminal }: Run, keyId: string, resealed: number, isConfigured: boolean): void {
  terminal.answer({ keyId, resealed }, () => {
    terminal.say(`${resealed} secrets are sealed by the master key ${keyId} now`)
    if (isConfigured) terminal.say('next: take POSTERN_MASTER_KEY_PREVIOUS away')
    else terminal.say('next: restart what is running, then: postern keys forget')
  })
}

function forget(cli: Cli): Command {
  const command = describeCommand(
    'forget',
    'remove the file of the previous master key, after sealing anew what is still sealed by it',
    ['keys forget'],
  )
  return command.action(() =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        if (run.config.masterKey !== null) throw keysConfigured()
        const resealed = await reseal(stores, stores.keys)
        const forgotten = forgetPreviousKey(run.config.dataDir)
        run.terminal.answer({ forgotten, resealed }, () =>
          run.terminal.say(forgotten ? 'the previous master key is gone' : 'there is no previous master key'),
        )
      }),
    ),
  )
}

function reseal(stores: Stores, ring: KeyRing): Promise<number> {
  return asOwner(stores, owner => resealAll({ ...administrationOf(stores), pool: owner.pool }, ring))
}

async function asOwner<T>(
  stores: Stores,
  work: (owner: { pool: ReturnType<Stores['openOwner']> }) => Promise<T>,
): Promise<T> {
  const pool = stores.openOwner()
  try {
    return await work({ pool })
  } finally {
    await pool.end()
  }
}

function keysConfigured(): SqlError {
  return new SqlError({
    code: '55000',
    message: 'the master keys come from the settings',
    hint: 'Take POSTERN_MASTER_KEY_PREVIOUS away.',
  })
}
