import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Administration } from '../control/administration.ts'
import {
  addServer,
  listServers,
  removeServer,
  type ServerAddress,
  type ServerRow,
  setServerAddress,
  type TlsMode,
} from '../control/servers.ts'
import { tryAdministrator } from '../serve/provisioning.ts'
import { parsePort, withStores } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'

interface AddressOptions {
  readonly host: string
  readonly port: number
  readonly tls?: TlsMode
  readonly tlsCa?: string
  readonly user?: string
  readonly maintenanceDatabase?: string
}

export function serverCommand(cli: Cli): Command {
  return describeCommand(
    'server',
    'Postgres clusters, with the credentials of an administrator for managed databases',
    [
      'server add main --host db.internal --user postern_admin --tls verify-full   # asks for the password',
      'server set main --host db2.internal',
    ],
  )
    .addCommand(add(cli))
    .addCommand(set(cli))
    .addCommand(list(cli))
    .addCommand(remove(cli))
}

function add(cli: Cli): Command {
  const command = withAddress(
    describeCommand('add', 'add a server', ['server add main --host db.internal --user postern_admin < password.txt']),
  ).argument('<name>')
  return command.action((name: string, options: AddressOptions) =>
    runCommand(cli, command, async run => {
      const address = await addressOf(run, options)
      await withStores(run, async (_, administration) =>
        tell(run, await addServer(administration, name, address), 'added', administration),
      )
    }),
  )
}

function set(cli: Cli): Command {
  const command = withAddress(
    describeCommand('set', 'give a server another address or other credentials', [
      'server set main --host db2.internal',
    ]),
  ).argument('<name>')
  return command.action((name: string, options: AddressOptions) =>
    runCommand(cli, command, async run => {
      const address = await addressOf(run, options)
      await withStores(run, async (_, administration) =>
        tell(run, await setServerAddress(administration, name, address), 'set', administration),
      )
    }),
  )
}

function list(cli: Cli): Command {
  const command = describeCommand('list', 'list servers', ['server list'])
  return command.action(() =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const rows = (await listServers(stores.control)).filter(row => !row.private)
        const lines = rows.map(row => [row.name, `${row.host}:${row.port}`, row.tlsMode, row.provisionerLogin ?? '-'])
        run.terminal.answer(rows.map(shown), () =>
          run.terminal.table(['server', 'address', 'tls', 'administrator'], lines),
        )
      }),
    ),
  )
}

function remove(cli: Cli): Command {
  const command = describeCommand('remove', 'forget a server that has no databases', ['server remove main']).argument(
    '<name>',
  )
  return command.action((name: string) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        await removeServer(administration, name)
        run.terminal.answer({ name, removed: true }, () => run.terminal.say(`server ${name} removed`))
      }),
    ),
  )
}

/** How a server is reached; `--user` is its administrator, whose password is asked for or read from standard input. */
function withAddress(command: Command): Command {
  return tlsOptions(command)
    .requiredOption('--host <host>', 'name, address, or folder of a Unix socket')
    .option('--port <port>', 'port', parsePort, 5432)
    .option(
      '--user <login>',
      'administrator (CREATEROLE and CREATEDB will do); his password is asked for, or read from standard input',
    )
    .option('--maintenance-database <name>', 'where roles and databases are made from; default postgres')
}

export function tlsOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--tls <mode>', 'as sslmode; default verify-full, on this machine disable').choices([
        'disable',
        'prefer',
        'require',
        'verify-ca',
        'verify-full',
      ]),
    )
    .option('--tls-ca <file>', "PEM file of the authorities; default the system's")
}

export async function addressOf(run: Run, options: AddressOptions): Promise<ServerAddress> {
  const local = options.host.startsWith('/') || /^(localhost|127\.|::1$)/.test(options.host)
  const provisioner =
    options.user === undefined
      ? undefined
      : { login: options.user, password: await run.terminal.readPassword(`Password of ${options.user}: `) }
  return {
    host: options.host,
    port: options.port,
    tlsMode: options.tls ?? (local ? 'disable' : 'verify-full'),
    tlsCa: options.tlsCa === undefined ? undefined : readFileSync(options.tlsCa, 'utf8'),
    maintenanceDatabase: options.maintenanceDatabase,
    provisioner,
  }
}

/** It is written down even where nobody answers yet; that is said. */
async function tell(run: Run, row: ServerRow, what: string, { sealer }: Administration): Promise<void> {
  const unreachable = await tryAdministrator(row, sealer)
  run.terminal.answer({ ...shown(row), unreachable: unreachable?.message ?? null }, () => {
    run.terminal.say(`server ${row.name} ${what}`)
    if (unreachable === null) return
    run.terminal.say(`! ${row.provisionerLogin} cannot get in now: ${unreachable.message}`)
    run.terminal.say(
      `    Other credentials: postern server set ${row.name} --host ${row.host} --port ${row.port} --user …`,
    )
  })
}

/** Without what is sealed. */
export function shown(row: ServerRow): object {
  const { provisionerPasswordSealed, ...rest } = row
  return { ...rest, hasProvisionerPassword: provisionerPasswordSealed !== null }
}
