import { randomBytes } from 'node:crypto'
import { Argument, type Command, Option } from 'commander'
import { findTenant } from '../control/tenants.ts'
import {
  addUser,
  listUsers,
  type MembershipRole,
  removeUser,
  setPassword,
  setUserDisabled,
  setUserRole,
  type UserRow,
} from '../control/users.ts'
import { makeVerifier } from '../wire/scram.ts'
import { parseLogin, withStores } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'
import { emailCommand, joinCommand, linkCommand, showCommand, unlinkCommand } from './user-identity.ts'

interface PasswordOptions {
  readonly prompt?: boolean
  readonly passwordStdin?: boolean
}

export function userCommand(cli: Cli): Command {
  return describeCommand('user', 'people and services of a tenant', [
    'user add alice@acme                          # prints a generated password, once',
    'user add alice@acme --role admin --prompt    # asks for one, unseen',
    'user passwd alice@acme --password-stdin < password.txt',
    'user link alice@acme --issuer https://login.example.com --subject 248289761001',
  ])
    .addCommand(add(cli))
    .addCommand(passwd(cli))
    .addCommand(role(cli))
    .addCommand(setDisabled(cli, true))
    .addCommand(setDisabled(cli, false))
    .addCommand(list(cli))
    .addCommand(remove(cli))
    .addCommand(emailCommand(cli))
    .addCommand(linkCommand(cli))
    .addCommand(unlinkCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(joinCommand(cli))
}

function add(cli: Cli): Command {
  const command = withPassword(
    describeCommand('add', 'add a user', ['user add alice@acme', 'user add metabase@acme --service --role viewer']),
  )
    .addOption(new Option('--role <role>', 'what he may do').choices(['viewer', 'analyst', 'admin']).default('viewer'))
    .option('--service', 'a program rather than a person')
  return command.action((name: string, options: PasswordOptions & { role: MembershipRole; service?: boolean }) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      const { password, generated } = await newPassword(run, options)
      await withStores(run, async (_, administration) => {
        const kind = options.service === true ? 'service' : 'person'
        const row = await addUser(administration, {
          ...user,
          role: options.role,
          kind,
          verifier: await makeVerifier(password),
        })
        tell(run, row, 'added', generated ? password : undefined)
      })
    }),
  )
}

function passwd(cli: Cli): Command {
  const command = withPassword(
    describeCommand('passwd', 'give a user a new password', [
      'user passwd alice@acme',
      'user passwd alice@acme --prompt',
    ]),
  )
  return command.action((name: string, options: PasswordOptions) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      const { password, generated } = await newPassword(run, options)
      await withStores(run, async (_, administration) => {
        const row = await setPassword(administration, { ...user, verifier: await makeVerifier(password) })
        tell(run, row, 'has a new password', generated ? password : undefined)
      })
    }),
  )
}

function list(cli: Cli): Command {
  const command = describeCommand('list', 'list users', ['user list', 'user list --tenant acme --json']).option(
    '--tenant <name>',
    'of this tenant only',
  )
  return command.action((options: { tenant?: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        if (options.tenant !== undefined) await findTenant(stores.control, options.tenant)
        const rows = await listUsers(stores.control, options.tenant)
        run.terminal.answer(rows, () => run.terminal.table(['user', 'role', 'kind', 'state'], rows.map(describe)))
      }),
    ),
  )
}

function describe(row: UserRow): string[] {
  const state = row.disabledAt !== null ? 'disabled' : row.hasPassword ? 'active' : 'no password'
  return [`${row.login}@${row.tenantName}`, row.role, row.kind, state]
}

function remove(cli: Cli): Command {
  const command = describeCommand('remove', 'remove a user; what he has open ends', [
    'user remove alice@acme',
  ]).argument('<login@tenant>')
  return command.action((name: string) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      await withStores(run, async (_, administration) =>
        tell(run, await removeUser(administration, user), 'removed', undefined),
      )
    }),
  )
}

function role(cli: Cli): Command {
  const command = describeCommand('role', 'give a user another role', ['user role alice@acme admin'])
    .argument('<login@tenant>')
    .addArgument(new Argument('<role>').choices(['viewer', 'analyst', 'admin']))
  return command.action((name: string, wanted: MembershipRole) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      await withStores(run, async (_, administration) =>
        tell(run, await setUserRole(administration, { ...user, role: wanted }), `is ${wanted}`, undefined),
      )
    }),
  )
}

function setDisabled(cli: Cli, disabled: boolean): Command {
  const verb = disabled ? 'disable' : 'enable'
  const command = describeCommand(
    verb,
    disabled ? 'shut a user out of every tenant, reversibly' : 'let a disabled user in again',
    [`user ${verb} alice@acme`],
  ).argument('<login@tenant>')
  return command.action((name: string) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      await withStores(run, async (_, administration) =>
        tell(run, await setUserDisabled(administration, user, disabled), `${verb}d`, undefined),
      )
    }),
  )
}

function withPassword(command: Command): Command {
  return command
    .argument('<login@tenant>')
    .addOption(new Option('--prompt', 'ask for the password, unseen').conflicts('passwordStdin'))
    .option('--password-stdin', "take the password from standard input's first line")
}

async function newPassword(run: Run, options: PasswordOptions): Promise<{ password: string; generated: boolean }> {
  if (options.prompt === true || options.passwordStdin === true)
    return { password: await run.terminal.readPassword('Password: '), generated: false }
  return { password: generatePassword(), generated: true }
}

/** 144 bits, in letters that need no quoting in a shell or an address. */
export function generatePassword(): string {
  return randomBytes(18).toString('base64url')
}

function tell(run: Run, row: UserRow, what: string, password: string | undefined): void {
  run.terminal.answer(password === undefined ? row : { ...row, password }, () => {
    run.terminal.say(`user ${row.login}@${row.tenantName} ${what}`)
    if (password !== undefined) run.terminal.say(`password: ${password}   (shown once)`)
  })
}
