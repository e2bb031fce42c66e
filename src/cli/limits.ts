import { type Command, Option } from 'commander'
import type { Administration } from '../control/administration.ts'
import { listDatabases } from '../control/database-rows.ts'
import { type LimitScope, readLimitOverrides, readLimits, setLimit } from '../control/limits.ts'
import { SqlError } from '../errors.ts'
import { pinsFor } from '../serve/pins.ts'
import { repairGate } from '../serve/provisioning.ts'
import type { Stores } from '../serve/stores.ts'
import { parseLogin, withStores } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'

interface ScopeOptions {
  readonly tenant?: string
  readonly database?: string
  readonly user?: string
}

export function limitsCommand(cli: Cli): Command {
  return describeCommand(
    'limits',
    "limits of a tenant, one of its databases or one of its users; a user's win over a database's, those over the tenant's",
    [
      'limits set rowsMax 50000 --tenant acme',
      'limits set statementTimeoutMs 120000 --tenant acme --database crm',
      'limits set bytesMax 1000000 --user alice@acme',
      'limits unset rowsMax --tenant acme',
    ],
  )
    .addCommand(set(cli))
    .addCommand(unset(cli))
    .addCommand(list(cli))
}

function set(cli: Cli): Command {
  const command = withScope(
    describeCommand('set', 'set a limit; it is in force within a second', ['limits set rowsMax 50000 --tenant acme']),
  )
  return command
    .argument('<name>', 'as in "postern config print": rowsMax, statementTimeoutMs …')
    .argument('<value>', 'a number or a word')
    .action((name: string, value: string, options: ScopeOptions) =>
      runCommand(cli, command, async run => {
        const scope = scopeOf(options)
        const parsed = /^\d+$/.test(value) ? Number(value) : value
        await withStores(run, (stores, administration) => change(run, stores, administration, scope, name, parsed))
        run.terminal.answer({ ...scope, name, value: parsed }, () => run.terminal.say(`${name} is ${value}`))
      }),
    )
}

function unset(cli: Cli): Command {
  const command = withScope(
    describeCommand('unset', 'take a limit back to what is set above it', ['limits unset rowsMax --tenant acme']),
  ).argument('<name>')
  return command.action((name: string, options: ScopeOptions) =>
    runCommand(cli, command, async run => {
      const scope = scopeOf(options)
      await withStores(run, (stores, administration) => change(run, stores, administration, scope, name, undefined))
      run.terminal.answer({ ...scope, name, value: null }, () => run.terminal.say(`${name} is taken back`))
    }),
  )
}

function list(cli: Cli): Command {
  const command = withScope(
    describeCommand('list', 'list what is set', ['limits list --tenant acme', 'limits list --user alice@acme --json']),
  )
  return command.action((options: ScopeOptions) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const values = await readLimits(stores.control, scopeOf(options))
        const rows = Object.entries(values).map(([name, value]) => [name, String(value)])
        run.terminal.answer(values, () => run.terminal.table(['limit', 'value'], rows))
      }),
    ),
  )
}

/** Sets it, and brings what Postgres enforces by itself to it where that is of the same kind. */
async function change(
  run: Run,
  stores: Stores,
  administration: Administration,
  scope: LimitScope,
  name: string,
  value: unknown,
): Promise<void> {
  await setLimit(administration, scope, name, value)
  if (!name.endsWith('TimeoutMs')) return
  const overrides = await readLimitOverrides(stores.control)
  for (const row of await listDatabases(stores.control, scope.tenant)) {
    if (row.ownerRole !== null) await repairGate(row, stores.keys, pinsFor(run.config, row, overrides))
  }
}

function withScope(command: Command): Command {
  return command
    .option('--tenant <name>', 'for all of this tenant')
    .option('--database <alias>', 'for one database of --tenant')
    .addOption(new Option('--user <login@tenant>', 'for one user').conflicts(['tenant', 'database']))
}

function scopeOf({ tenant, database, user }: ScopeOptions): LimitScope {
  if (user !== undefined) return { scope: 'principal', ...parseLogin(user) }
  if (tenant === undefined)
    throw new SqlError({
      code: '22023',
      message: 'for whom?',
      hint: 'Say --tenant <name>, with --database <alias>, or --user <login>@<tenant>.',
    })
  return database === undefined ? { scope: 'tenant', tenant } : { scope: 'database', tenant, alias: database }
}
