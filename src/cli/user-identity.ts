/** Whom another party's tokens mean, and in which tenants somebody is. */
import { type Command, Option } from 'commander'
import { listApiKeys } from '../control/api-keys.ts'
import { linkIdentity, listIdentities, unlinkIdentity } from '../control/identities.ts'
import { addMembership, findUser, type MembershipRole, setUserEmail } from '../control/users.ts'
import { scopesOfRole } from '../identity/principal.ts'
import { parseLogin, withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'

interface SubjectOptions {
  readonly issuer: string
  readonly subject: string
}

export function linkCommand(cli: Cli): Command {
  return subjectCommand(cli, 'link', "say that an issuer's subject is this user", linkIdentity)
}

export function unlinkCommand(cli: Cli): Command {
  return subjectCommand(
    cli,
    'unlink',
    "take back that an issuer's subject is this user; what it has open ends",
    unlinkIdentity,
  )
}

function subjectCommand(cli: Cli, verb: 'link' | 'unlink', summary: string, work: typeof linkIdentity): Command {
  const command = describeCommand(verb, summary, [
    `user ${verb} alice@acme --issuer https://login.example.com --subject 248289761001`,
  ])
    .argument('<login@tenant>')
    .requiredOption('--issuer <name>', 'as in identity.issuers')
    .requiredOption('--subject <text>', "the token's sub, or the profile's id")
  return command.action((name: string, { issuer, subject }: SubjectOptions) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      await withStores(run, async (_, administration) => {
        const row = await work(administration, user, { issuer, subject })
        run.terminal.answer(row, () => run.terminal.say(`user ${name}: ${subject} of ${issuer} ${verb}ed`))
      })
    }),
  )
}

export function showCommand(cli: Cli): Command {
  const command = describeCommand('show', 'what a user may do, and how he shows himself', [
    'user show alice@acme',
    'user show alice@acme --json',
  ]).argument('<login@tenant>')
  return command.action((name: string) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      await withStores(run, async ({ control }) => {
        const row = await findUser(control, user)
        const [identities, keys] = [
          await listIdentities(control, row.principalId),
          await listApiKeys(control, user.tenant),
        ]
        const own = keys.filter(key => key.login === row.login && key.revokedAt === null)
        const scopes = [...scopesOfRole(row.role)]
        const subjects = identities.map(({ issuer, subject }) => ({ issuer, subject }))
        run.terminal.answer({ ...row, scopes, identities: subjects, apiKeys: own.map(({ id }) => id) }, () =>
          run.terminal.table(
            ['user', name],
            [
              ['role', row.role],
              ['scopes', scopes.join(' ')],
              ['state', row.disabledAt === null ? 'active' : 'disabled'],
              ['password', row.hasPassword ? 'yes' : 'none'],
              ['address', row.email ?? 'none'],
              ...subjects.map(({ issuer, subject }) => [`at ${issuer}`, subject]),
              ...own.map(({ id, name: purpose }) => [`API key ${id}`, purpose]),
            ],
          ),
        )
      })
    }),
  )
}

export function emailCommand(cli: Cli): Command {
  const command = describeCommand(
    'email',
    'the verified address by which tokens of other issuers are linked to a user',
    ['user email alice@acme alice@example.com', 'user email alice@acme          # none'],
  )
    .argument('<login@tenant>')
    .argument('[address]')
  return command.action((name: string, address: string | undefined) =>
    runCommand(cli, command, async run => {
      const user = parseLogin(name)
      await withStores(run, async (_, administration) => {
        const row = await setUserEmail(administration, user, address ?? null)
        run.terminal.answer(row, () => run.terminal.say(`user ${name}: ${row.email ?? 'no address'}`))
      })
    }),
  )
}

export function joinCommand(cli: Cli): Command {
  const command = describeCommand('join', 'make a user of one tenant a user of another, too', [
    'user join alice@acme alice@globex --role viewer',
  ])
    .argument('<login@tenant>', 'who it is')
    .argument('<login@other>', 'what he is called there')
    .addOption(
      new Option('--role <role>', 'what he may do there').choices(['viewer', 'analyst', 'admin']).default('viewer'),
    )
  return command.action((name: string, there: string, options: { role: MembershipRole }) =>
    runCommand(cli, command, async run => {
      const [user, other] = [parseLogin(name), parseLogin(there)]
      await withStores(run, async (_, administration) => {
        const row = await addMembership(administration, user, { ...other, role: options.role })
        run.terminal.answer(row, () => run.terminal.say(`user ${name} is ${there} too (${row.role})`))
      })
    }),
  )
}
