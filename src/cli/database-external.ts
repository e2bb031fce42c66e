/** `database add --host …`: a database that stands already. */
import type { Command } from 'commander'
import { findDatabase } from '../control/database-rows.ts'
import { addDatabase } from '../control/databases.ts'
import { setReader } from '../control/readers.ts'
import type { TlsMode } from '../control/servers.ts'
import { SqlError } from '../errors.ts'
import { provisionRow } from '../serve/provisioning.ts'
import { parsePort, withStores } from './administer.ts'
import type { Run } from './command.ts'
import { tellAdded } from './database-answers.ts'
import { addressOf, tlsOptions } from './server.ts'

export interface ExternalOptions {
  readonly host?: string
  readonly port: number
  readonly dbname?: string
  readonly user?: string
  readonly login?: string
  readonly readerRole?: string
  readonly tls?: TlsMode
  readonly tlsCa?: string
}

const collect = (value: string, before: string[]) => [...before, value]

export function withExternal(command: Command): Command {
  return tlsOptions(command)
    .option('--schema <name>', 'schema to serve, the first the default; may be repeated', collect, [])
    .option('--host <host>', 'of a database that stands already: name, address, or folder of a Unix socket')
    .option('--port <port>', 'its port', parsePort, 5432)
    .option('--dbname <name>', 'its name on the server; default the alias')
    .option(
      '--user <login>',
      'its administrator, with whose credentials Postern makes its own roles; the password is asked for',
    )
    .option('--login <login>', 'or the login to use as it is; the password is asked for')
    .option('--reader-role <role>', 'role that --login switches to; default itself')
}

export async function addExternal(
  run: Run,
  alias: string,
  options: ExternalOptions & { readonly tenant: string; readonly schema: readonly string[] },
): Promise<void> {
  const { tenant, host, login, user } = options
  if (host === undefined || (login === undefined) === (user === undefined)) {
    throw new SqlError({
      code: '22023',
      message: 'a database that stands already needs either --user (its administrator) or --login',
    })
  }
  const address = await addressOf(run, { ...options, host })
  const password = login === undefined ? '' : await run.terminal.readPassword(`Password of ${login}: `)
  const schemas = options.schema.length > 0 ? options.schema : ['public']
  await withStores(run, async (stores, administration) => {
    const name = { tenant, alias }
    await addDatabase(administration, {
      ...name,
      kind: 'external',
      server: address,
      dbname: options.dbname ?? alias,
      schemas,
    })
    if (login !== undefined) {
      await setReader(administration, name, {
        gateLogin: login,
        gatePassword: password,
        readerRole: options.readerRole ?? null,
      })
    }
    const row = await findDatabase(stores.control, tenant, alias)
    const tasks = login === undefined ? await provisionRow(administration, row, run.config) : []
    tellAdded(run, await findDatabase(stores.control, tenant, alias), tasks)
    run.terminal.say(`next: postern database check ${alias} --tenant ${tenant}`)
  })
}
