import type { Command } from 'commander'
import { openStores } from '../serve/stores.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'

export function migrateCommand(cli: Cli): Command {
  const command = describeCommand('migrate', 'bring the control database up to date; safe while others do the same', [
    'migrate',
    'migrate --json',
  ])
  return command.action(() =>
    runCommand(cli, command, async run => {
      const stores = await openStores(run.config, run.log, { migrate: true })
      await stores.close()
      const { migrated } = stores
      run.terminal.answer({ migrated }, () => {
        for (const name of migrated) run.terminal.say(`applied ${name}`)
        if (migrated.length === 0) run.terminal.say('the control database is up to date')
      })
    }),
  )
}
