import type { Command } from 'commander'
import { type ApiKeyRow, addApiKey, listApiKeys, revokeApiKey } from '../control/api-keys.ts'
import { findTenant } from '../control/tenants.ts'
import { makeApiKey } from '../identity/api-keys.ts'
import type { Scope } from '../identity/principal.ts'
import { parseLogin, withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { parseDuration } from './duration.ts'
import { describeScopes, describeState, scopesOption } from './scopes.ts'

export function keyCommand(cli: Cli): Command {
  return describeCommand('key', 'API keys: what a program shows in place of a password', [
    'key add alice@acme --name "nightly report" --scopes data:read --expires 90d',
    'PGPASSWORD=pk_… psql "host=gate.example.com port=6432 user=alice+token@acme dbname=crm sslmode=verify-full"',
    'key list --tenant acme',
    'key revoke 0198c0de-…          # what is open with it ends within a second',
  ])
    .addCommand(add(cli))
    .addCommand(list(cli))
    .addCommand(revoke(cli))
}

interface AddOptions {
  readonly name?: string
  readonly scopes?: readonly Scope[]
  readonly expires?: number
}

function add(cli: Cli): Command {
  const command = describeCommand('add', 'make an API key of a user; it is shown once', [
    'key add alice@acme',
    'key add metabase@acme --name metabase --scopes data:read --expires 90d --json',
  ])
    .argument('<login@tenant>')
    .option('--name <text>', 'what it is for')
    .addOption(scopesOption())
    .option('--expires <duration>', 'such as 12h or 90d; else it does not', parseDuration)
  return command.action((name: string, options: AddOptions) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      await withStores(run, async (_, administration) => {
        const { id, text, hash } = makeApiKey()
        const expiresAt = options.expires === undefined ? null : new Date(Date.now() + options.expires)
        const scopes = options.scopes ?? null
        const row = await addApiKey(administration, { ...user, id, hash, name: options.name, scopes, expiresAt })
        run.terminal.answer({ ...row, key: text }, () => {
          run.terminal.say(`API key ${row.id} of ${row.login}@${row.tenantName} added`)
          run.terminal.say(`key: ${text}   (shown once)`)
        })
      })
    }),
  )
}

function list(cli: Cli): Command {
  const command = describeCommand('list', 'list API keys, without their secrets', [
    'key list',
    'key list --tenant acme --json',
  ]).option('--tenant <name>', 'of this tenant only')
  return command.action((options: { tenant?: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        if (options.tenant !== undefined) await findTenant(stores.control, options.tenant)
        const rows = await listApiKeys(stores.control, options.tenant)
        run.terminal.answer(rows, () =>
          run.terminal.table(['key', 'user', 'name', 'scopes', 'state', 'last used'], rows.map(describe)),
        )
      }),
    ),
  )
}

function describe(row: ApiKeyRow): string[] {
  const lastUsed = row.lastUsedAt === null ? 'never' : `${row.lastUsedAt.toISOString().slice(0, 16)}Z`
  const user = `${row.login}@${row.tenantName}`
  return [row.id, user, row.name, describeScopes(row.scopes), describeState(row), lastUsed]
}

function revoke(cli: Cli): Command {
  const command = describeCommand('revoke', 'revoke an API key; what is open with it, and no more, ends', [
    'key revoke 0198c0de-5ec2-7000-8000-000000000000',
  ]).argument('<id>', 'as "key list" shows it')
  return command.action((id: string) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        const row = await revokeApiKey(administration, id)
        run.terminal.answer(row, () => run.terminal.say(`API key ${row.id} of ${row.login}@${row.tenantName} revoked`))
      }),
    ),
  )
}
