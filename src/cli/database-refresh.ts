/** `database refresh`: what agents are told of a database's tables, read anew. */
import type { Command } from 'commander'
import { findDatabase } from '../control/database-rows.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { withTenant } from './database-answers.ts'

export function refreshCommand(cli: Cli): Command {
  const command = withTenant(
    describeCommand(
      'refresh',
      "read a database's tables, keys and sizes anew; running instances take it over at once",
      ['database refresh crm --tenant acme', 'database refresh crm --tenant acme --json'],
    ),
  )
  return command.action((alias: string, { tenant }: { tenant: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const { readLiveSchemas } = await import('../serve/live-schemas.ts')
        const row = await findDatabase(stores.control, tenant, alias)
        const schemas = await readLiveSchemas(run.config, stores, run.log, row)
        const told = schemas.map(({ schema, tables, relationships, generatedAt, version }) => ({
          ...{ schema, tables: tables.length, relationships: relationships.length, generatedAt, version },
        }))
        run.terminal.answer(told, () =>
          run.terminal.table(
            ['schema', 'tables', 'relationships'],
            told.map(({ schema, tables, relationships }) => [schema, String(tables), String(relationships)]),
          ),
        )
      }),
    ),
  )
}
