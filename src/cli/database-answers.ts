/** What the database commands share: whose database is meant, and how it is told. */
import type { Command } from 'commander'
import type { DatabaseRow } from '../control/database-rows.ts'
import type { SuperuserTask } from '../provision/managed.ts'
import type { Run } from './command.ts'
import { shown as shownServer } from './server.ts'

export function withTenant(command: Command): Command {
  return command.argument('<alias>').requiredOption('--tenant <name>', 'whose it is')
}

export function tellAdded(run: Run, row: DatabaseRow, tasks: readonly SuperuserTask[]): void {
  run.terminal.answer({ ...shownDatabase(row), superuserTasks: tasks }, () => {
    run.terminal.say(`database ${row.tenantName}/${row.alias} added; its real name is ${row.dbname}`)
    tellTasks(run, tasks)
  })
}

export function tellTasks(run: Run, tasks: readonly SuperuserTask[]): void {
  if (tasks.length > 0) run.terminal.say('\nA superuser of that server should run once:')
  for (const { reason, database, sql } of tasks) run.terminal.say(`  ${sql};   -- in ${database}: ${reason}`)
}

/** Without what is sealed. */
export function shownDatabase(row: DatabaseRow): object {
  const readers = row.readers.map(({ gatePasswordSealed: _, ...reader }) => reader)
  return { ...row, server: shownServer(row.server), readers }
}
