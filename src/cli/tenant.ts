import type { Command } from 'commander'
import { addTenant, listTenants, removeTenant, setTenantDisabled, type TenantRow } from '../control/tenants.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'

export function tenantCommand(cli: Cli): Command {
  return describeCommand('tenant', 'customers, projects or teams whose data must stay apart', [
    'tenant add acme',
    'tenant disable acme    # nobody comes in, what is open ends; "tenant enable acme" undoes it',
    'tenant remove acme --drop acme',
  ])
    .addCommand(add(cli))
    .addCommand(list(cli))
    .addCommand(remove(cli))
    .addCommand(setDisabled(cli, true))
    .addCommand(setDisabled(cli, false))
}

function add(cli: Cli): Command {
  const command = describeCommand('add', 'add a tenant', [
    'tenant add acme',
    'tenant add acme --instructions "Amounts are in cents."',
  ])
    .argument('<name>', 'letters, digits, ".", "_" and "-"')
    .option('--instructions <text>', 'what agents are told about this tenant')
  return command.action((name: string, options: { instructions?: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        const row = await addTenant(administration, { name, ...options })
        run.terminal.answer(row, () =>
          run.terminal.say(`tenant ${row.name} added; next: postern user add <login>@${row.name}`),
        )
      }),
    ),
  )
}

function list(cli: Cli): Command {
  const command = describeCommand('list', 'list tenants', ['tenant list', 'tenant list --json'])
  return command.action(() =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const rows = await listTenants(stores.control)
        run.terminal.answer(rows, () => run.terminal.table(['tenant', 'state', 'since'], rows.map(describe)))
      }),
    ),
  )
}

function describe(row: TenantRow): string[] {
  return [
    row.name,
    row.disabledAt === null ? 'active' : 'disabled',
    (row.disabledAt ?? row.createdAt).toISOString().slice(0, 10),
  ]
}

function remove(cli: Cli): Command {
  const command = describeCommand('remove', 'remove a tenant', ['tenant remove acme', 'tenant remove acme --drop acme'])
    .argument('<name>')
    .option('--drop <name>', 'with its users and external databases: its name, typed again')
  return command.action((name: string, options: { drop?: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        const row = await removeTenant(administration, name, options.drop)
        run.terminal.answer(row, () => run.terminal.say(`tenant ${row.name} removed; its audit stays`))
      }),
    ),
  )
}

function setDisabled(cli: Cli, disabled: boolean): Command {
  const verb = disabled ? 'disable' : 'enable'
  const command = describeCommand(verb, disabled ? 'shut a tenant out, reversibly' : 'let a disabled tenant in again', [
    `tenant ${verb} acme`,
  ])
  return command.argument('<name>').action((name: string) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        const row = await setTenantDisabled(administration, name, disabled)
        run.terminal.answer(row, () => run.terminal.say(`tenant ${row.name} ${verb}d`))
      }),
    ),
  )
}
