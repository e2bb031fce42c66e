import type { Command } from 'commander'
import { makeId } from '../control/ids.ts'
import { renewSigningKey } from '../control/signing-keys.ts'
import { findTenant } from '../control/tenants.ts'
import { addUserToken, listUserTokens, revokeUserToken, type UserTokenRow } from '../control/user-tokens.ts'
import { makeSigningPair, signUserToken } from '../identity/own-tokens.ts'
import type { Scope } from '../identity/principal.ts'
import { parseLogin, withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { parseDuration } from './duration.ts'
import { describeScopes, describeState, scopesOption } from './scopes.ts'

const defaultMs = 3_600_000

export function tokenCommand(cli: Cli): Command {
  return describeCommand('token', 'short-lived tokens that Postern signs for a user', [
    'token issue alice@acme --scopes data:read --expires 15m',
    'token list --tenant acme',
    'token revoke 0198c0de-…        # what is open with it ends within a second',
  ])
    .addCommand(issue(cli))
    .addCommand(list(cli))
    .addCommand(revoke(cli))
    .addCommand(renewKey(cli))
}

function renewKey(cli: Cli): Command {
  const command = describeCommand('renew-key', 'sign by a new key from now on', [
    'token renew-key',
    'token renew-key --retire       # tokens of the older keys are over, all of them',
  ]).option('--retire', 'the older keys verify no more')
  return command.action((options: { retire?: boolean }) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        const renewed = await renewSigningKey(administration, await makeSigningPair(), options.retire === true)
        run.terminal.answer(renewed, () =>
          run.terminal.say(`tokens are signed by ${renewed.id} now; ${renewed.retired} older keys retired`),
        )
      }),
    ),
  )
}

interface IssueOptions {
  readonly scopes?: readonly Scope[]
  readonly expires?: number
}

function issue(cli: Cli): Command {
  const command = describeCommand('issue', 'sign a token for a user; it is shown once', [
    'token issue alice@acme',
    'token issue alice@acme --scopes data:read --expires 15m --json',
  ])
    .argument('<login@tenant>')
    .addOption(scopesOption())
    .option('--expires <duration>', 'such as 15m or 8h; else an hour', parseDuration)
  return command.action((name: string, options: IssueOptions) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      await withStores(run, async (_, administration) => {
        const id = makeId()
        const expiresAt = new Date(Date.now() + (options.expires ?? defaultMs))
        const wanted = { ...user, id, scopes: options.scopes ?? null, expiresAt }
        const { row, text } = await addUserToken(administration, wanted, ({ principalId, tenantId }, client) =>
          signUserToken(client, administration.sealer, { id, principalId, tenantId, expiresAt }),
        )
        run.terminal.answer({ ...row, token: text }, () => {
          run.terminal.say(`token ${row.id} for ${row.login}@${row.tenantName}, ${describeState(row)}   (shown once)`)
          run.terminal.say(text)
        })
      })
    }),
  )
}

function list(cli: Cli): Command {
  const command = describeCommand('list', 'list the tokens that were issued, without themselves', [
    'token list',
    'token list --tenant acme --json',
  ]).option('--tenant <name>', 'of this tenant only')
  return command.action((options: { tenant?: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        if (options.tenant !== undefined) await findTenant(stores.control, options.tenant)
        const rows = await listUserTokens(stores.control, options.tenant)
        run.terminal.answer(rows, () => run.terminal.table(['token', 'user', 'scopes', 'state'], rows.map(describe)))
      }),
    ),
  )
}

function describe(row: UserTokenRow): string[] {
  return [row.id, `${row.login}@${row.tenantName}`, describeScopes(row.scopes), describeState(row)]
}

function revoke(cli: Cli): Command {
  const command = describeCommand('revoke', 'revoke a token; what is open with it, and no more, ends', [
    'token revoke 0198c0de-5ec2-7000-8000-000000000000',
  ]).argument('<id>', 'as "token list" shows it')
  return command.action((id: string) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        const row = await revokeUserToken(administration, id)
        run.terminal.answer(row, () => run.terminal.say(`token ${row.id} of ${row.login}@${row.tenantName} revoked`))
      }),
    ),
  )
}
