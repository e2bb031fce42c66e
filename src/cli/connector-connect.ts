/** `connector connect`: a person allows the access in his browser. */
import type { Command } from 'commander'
import { findConnector, setConnector } from '../control/connectors.ts'
import { SqlError } from '../errors.ts'
import { encodeStored } from '../materialize/connector-auth.ts'
import { connectByBrowser } from '../materialize/connector-connect.ts'
import { parsePort, withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { findType, readRegistry, type TenantOption, tellConnector } from './connector-answers.ts'
import { readSecret } from './connector-secret.ts'

export function connectCommand(cli: Cli): Command {
  const command = describeCommand(
    'connect',
    'let a person allow the access in his browser (OAuth), and keep the tokens sealed',
    ['connector connect hq --tenant acme --client-id abc --client-secret env:HQ_CLIENT_SECRET'],
  )
    .requiredOption('--tenant <name>', 'whose it is')
    .argument('<name>')
    .requiredOption('--client-id <id>', 'of the application as it is registered with the provider')
    .option('--client-secret <from>', 'env:NAME, or - for standard input; left out: the application has none')
    .option(
      '--port <port>',
      'of the redirect address http://127.0.0.1:<port>/callback; else any free one',
      parsePort,
      0,
    )
  return command.action(
    (name: string, options: TenantOption & { clientId: string; clientSecret?: string; port: number }) =>
      runCommand(cli, command, run =>
        withStores(run, async (stores, administration) => {
          const { tenant } = options
          const row = await findConnector(stores.control, tenant, name)
          const type = findType(await readRegistry(run), row.type)
          const auth = type.auth.oauth
          if (auth === undefined)
            throw new SqlError({
              code: '22023',
              message: `connector type "${type.name}" takes no OAuth`,
              hint: 'postern connector set gives it other credentials.',
            })
          const from = options.clientSecret
          const secret = from === undefined ? null : await readSecret(run.terminal, 'Client secret', from)
          const tokens = await connectByBrowser({
            auth,
            knobs: row.knobs,
            client: { id: options.clientId, secret },
            port: options.port,
            signal: run.signal,
            onAddress: (address, redirect) => {
              run.terminal.note(`Open this address in a browser, and allow the access:\n\n  ${address}\n`)
              run.terminal.note(`The provider has to know the redirect address ${redirect}`)
            },
          })
          const credential = encodeStored(tokens)
          tellConnector(run, await setConnector(administration, { tenant, name, credential }), type, 'connected')
        }),
      ),
  )
}
