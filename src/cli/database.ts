import type { Command } from 'commander'
import { type DatabaseRow, findDatabase, listDatabases } from '../control/database-rows.ts'
import { setDatabaseDisabled } from '../control/databases.ts'
import { findTenant } from '../control/tenants.ts'
import type { SuperuserTask } from '../provision/managed.ts'
import { doSuperuserTasks, embeddedServer } from '../serve/embedded-server.ts'
import { createManaged, dropRow } from '../serve/provisioning.ts'
import type { Stores } from '../serve/stores.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { shownDatabase, tellAdded, withTenant } from './database-answers.ts'
import { checkCommand } from './database-check.ts'
import { addExternal, type ExternalOptions, withExternal } from './database-external.ts'
import { refreshCommand } from './database-refresh.ts'
import { setCommand } from './database-set.ts'

export function databaseCommand(cli: Cli): Command {
  return describeCommand(
    'database',
    "tenants' databases: managed (made by Postern) or external (those that stand already)",
    [
      'database add crm --tenant acme',
      'database add sales --tenant acme --host db.internal --dbname sales --schema public --user admin',
      'database check crm --tenant acme',
    ],
  )
    .addCommand(add(cli))
    .addCommand(setCommand(cli))
    .addCommand(checkCommand(cli))
    .addCommand(refreshCommand(cli))
    .addCommand(list(cli))
    .addCommand(setDisabled(cli, true))
    .addCommand(setDisabled(cli, false))
    .addCommand(remove(cli))
}

function add(cli: Cli): Command {
  const command = withExternal(
    withTenant(
      describeCommand('add', 'add a database: a managed one, or with --host one that stands already', [
        'database add crm --tenant acme                                   # on the embedded server',
        'database add crm --tenant acme --server main --schema crm --schema finance',
        'database add sales --tenant acme --host db.internal --dbname sales --schema public --user admin',
        'database add sales --tenant acme --host db.internal --dbname sales --schema public --login reporting',
      ]),
    ),
  ).option('--server <name>', 'where to make a managed database', embeddedServer)
  return command.action(
    (alias: string, options: ExternalOptions & { tenant: string; server: string; schema: string[] }) =>
      runCommand(cli, command, async run => {
        if (options.host !== undefined) return await addExternal(run, alias, options)
        const schemas = options.schema.length > 0 ? options.schema : [alias]
        return await withStores(run, async (stores, administration) => {
          const managed = { tenant: options.tenant, alias, server: options.server, schemas }
          const tasks = await createManaged(administration, managed, run.config)
          tellAdded(
            run,
            await findDatabase(stores.control, options.tenant, alias),
            await finishTasks(stores, options.server, tasks),
          )
        })
      }),
  )
}

/** On our own server a superuser's tasks are done; elsewhere they are the operator's. Answers what is left. */
async function finishTasks(
  stores: Stores,
  server: string,
  tasks: readonly SuperuserTask[],
): Promise<readonly SuperuserTask[]> {
  if (stores.cluster === undefined || server !== embeddedServer) return tasks
  await doSuperuserTasks(stores.cluster, tasks)
  return []
}

function list(cli: Cli): Command {
  const command = describeCommand('list', 'list databases', [
    'database list',
    'database list --tenant acme --json',
  ]).option('--tenant <name>', 'of this tenant only')
  return command.action((options: { tenant?: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        if (options.tenant !== undefined) await findTenant(stores.control, options.tenant)
        const rows = await listDatabases(stores.control, options.tenant)
        const header = ['database', 'kind', 'real name', 'server', 'schemas', 'state']
        run.terminal.answer(rows.map(shownDatabase), () => run.terminal.table(header, rows.map(describe)))
      }),
    ),
  )
}

function describe(row: DatabaseRow): string[] {
  const unmade = row.kind === 'managed' && row.provisionedAt === null
  const state = row.disabledAt !== null ? 'disabled' : unmade ? 'not made yet' : 'active'
  return [`${row.tenantName}/${row.alias}`, row.kind, row.dbname, row.server.name, row.schemas.join(', '), state]
}

function setDisabled(cli: Cli, disabled: boolean): Command {
  const verb = disabled ? 'disable' : 'enable'
  const summary = disabled ? 'serve a database no more, reversibly' : 'serve a disabled database again'
  const command = withTenant(describeCommand(verb, summary, [`database ${verb} crm --tenant acme`]))
  return command.action((alias: string, { tenant }: { tenant: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        const row = await setDatabaseDisabled(administration, { tenant, alias }, disabled)
        run.terminal.answer(shownDatabase(row), () => run.terminal.say(`database ${tenant}/${alias} ${verb}d`))
      }),
    ),
  )
}

function remove(cli: Cli): Command {
  const command = withTenant(
    describeCommand('remove', 'forget a database; a managed one is dropped with all its data', [
      'database remove sales --tenant acme',
      'database remove crm --tenant acme --drop crm',
    ]),
  ).option('--drop <alias>', 'of a managed database: its alias, typed again')
  return command.action((alias: string, { tenant, drop }: { tenant: string; drop?: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async (stores, administration) => {
        const row = await findDatabase(stores.control, tenant, alias)
        await dropRow(administration, row, drop)
        run.terminal.answer({ ...shownDatabase(row), removed: true }, () =>
          run.terminal.say(`database ${tenant}/${alias} removed; its audit stays`),
        )
      }),
    ),
  )
}
