import type { Command } from 'commander'
import { plainSettings, printSettings, settingsTable } from '../config/print.ts'
import { settings } from '../config.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'

export function configCommand(cli: Cli): Command {
  const print = describeCommand('print', 'print the effective settings, without secrets, and where each comes from', [
    'config print',
    'config print --json',
    'config print --markdown   # the table of the README',
  ]).option('--markdown', 'as a table of every setting, its environment variable and its default')
  print.action((options: { markdown?: boolean }) =>
    runCommand(cli, print, async ({ terminal, config, said }) => {
      terminal.answer(plainSettings(config, settings), () =>
        terminal.say(
          options.markdown === true ? settingsTable(config, settings) : printSettings(config, settings, said),
        ),
      )
      return true
    }),
  )
  return describeCommand('config', 'show the settings', []).addCommand(print)
}
