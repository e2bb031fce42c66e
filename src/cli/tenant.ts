import { type Command, Option } from 'commander'
import {
  addTenant,
  findTenant,
  listTenants,
  removeTenant,
  setTenantDisabled,
  setTenantInstructions,
  type TenantRow,
} from '../control/tenants.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { readText } from './knowledge-fields.ts'

export function tenantCommand(cli: Cli): Command {
  return describeCommand('tenant', 'customers, projects or teams whose data must stay apart', [
    'tenant add acme',
    'tenant disable acme    # nobody comes in, what is open ends; "tenant enable acme" undoes it',
    'tenant instructions acme --file instructions.md    # what agents are told',
    'tenant remove acme --drop acme',
  ])
    .addCommand(add(cli))
    .addCommand(list(cli))
    .addCommand(instructions(cli))
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

function instructions(cli: Cli): Command {
  const command = describeCommand('instructions', 'what agents are told about a tenant: shown, set or cleared', [
    'tenant instructions acme',
    'tenant instructions acme --text "Amounts are in cents."',
    'tenant instructions acme --file instructions.md',
    'tenant instructions acme --clear',
  ])
    .argument('<name>')
    .addOption(new Option('--file <path>', 'set them from a file').conflicts(['text', 'clear']))
    .addOption(new Option('--text <text>', 'set them').conflicts(['file', 'clear']))
    .addOption(new Option('--clear', 'tell agents nothing').conflicts(['file', 'text']))
  return command.action((name: string, options: { file?: string; text?: string; clear?: boolean }) =>
    runCommand(cli, command, run =>
      withStores(run, async (stores, administration) => {
        const text = options.file === undefined ? options.text : await readText(options.file)
        const isChange = text !== undefined || options.clear === true
        const row = isChange
          ? await setTenantInstructions(administration, name, text ?? null)
          : await findTenant(stores.control, name)
        run.terminal.answer({ tenant: row.name, instructions: row.instructions }, () =>
          run.terminal.say(row.instructions ?? `tenant ${row.name} has no instructions for agents`),
        )
      }),
    ),
  )
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
