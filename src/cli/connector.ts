/** `connector`: a tenant's connections to the sources that his pipelines load from. */
import type { Command } from 'commander'
import { addConnector, findConnector, listConnectors, removeConnector, setConnector } from '../control/connectors.ts'
import { findTenant } from '../control/tenants.ts'
import { SqlError } from '../errors.ts'
import { type AuthFailure, ConnectorAuth } from '../materialize/connector-auth.ts'
import { ConnectorCredentials } from '../materialize/connector-credentials.ts'
import type { ConnectorType } from '../materialize/connector-types.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { checkSettings, findType, readRegistry, type TenantOption, tellConnector } from './connector-answers.ts'
import { connectCommand } from './connector-connect.ts'
import { readCredential, type SecretOptions, withSecret } from './connector-secret.ts'
import { changeKnobs, type KnobOptions, withKnobs } from './knob-options.ts'

export function connectorCommand(cli: Cli): Command {
  return describeCommand('connector', 'connections of a tenant to the sources that pipelines load from', [
    'connector types                                      # what can be connected to',
    'connector add crm --tenant acme --type rest --set base_url=https://api.crm.example/v1 --auth bearer --secret env:CRM_TOKEN',
    'connector connect hq --tenant acme --client-id abc   # OAuth: a person allows it in the browser',
    'connector show hq --tenant acme --check',
  ])
    .addCommand(types(cli))
    .addCommand(add(cli))
    .addCommand(list(cli))
    .addCommand(show(cli))
    .addCommand(set(cli))
    .addCommand(connectCommand(cli))
    .addCommand(remove(cli))
}

function types(cli: Cli): Command {
  const command = describeCommand('types', 'list connector types, with what may be set for each', [
    'connector types',
    'connector types commcare --json',
  ]).argument('[name]', 'this one, with its knobs')
  return command.action((name: string | undefined) =>
    runCommand(cli, command, async run => {
      const registry = await readRegistry(run)
      const { terminal } = run
      if (name !== undefined) {
        const type = findType(registry, name)
        terminal.answer(factsOf(type), () =>
          terminal.table(['knob', 'type', 'set with', 'description'], knobLines(type)),
        )
        return
      }
      const all = registry.connectorTypes()
      terminal.answer(
        all.map(type => ('fault' in type ? type : factsOf(type))),
        () =>
          terminal.table(
            ['type', 'credentials', 'description'],
            all.map(type =>
              'fault' in type
                ? [type.name, '-', `! ${type.fault}`]
                : [type.name, Object.keys(type.auth).join(', '), type.description ?? ''],
            ),
          ),
      )
    }),
  )
}

function factsOf({ folder, entities, ...type }: ConnectorType): object {
  return { ...type, entities: [...entities.keys()] }
}

function knobLines({ knobs, fixed }: ConnectorType): string[][] {
  return Object.entries(knobs.properties).map(([knob, { type, description }]) => [
    knob,
    knobs.required.includes(knob) ? `${type}, required` : type,
    fixed.includes(knob) ? 'connector' : 'connector or pipeline',
    description ?? '',
  ])
}

function add(cli: Cli): Command {
  const command = withTenant(
    withSecret(
      withKnobs(
        describeCommand('add', 'add a connector', [
          'connector add crm --tenant acme --type rest --set base_url=https://api.crm.example/v1 --auth header --header X-Api-Key --secret -',
        ]),
      ),
    ),
  )
    .argument('<name>')
    .requiredOption('--type <name>', 'as "connector types" lists them')
  return command.action((name: string, options: TenantOption & KnobOptions & SecretOptions & { type: string }) =>
    runCommand(cli, command, async run => {
      const type = findType(await readRegistry(run), options.type)
      const knobs = checkSettings(type, changeKnobs({}, type.knobs, options))
      const credential = await readCredential(run.terminal, type, options)
      await withStores(run, async (_, administration) => {
        const row = await addConnector(administration, {
          tenant: options.tenant,
          name,
          type: type.name,
          knobs,
          credential,
        })
        tellConnector(run, row, type, 'added')
      })
    }),
  )
}

function set(cli: Cli): Command {
  const command = withTenant(
    withSecret(
      withKnobs(
        describeCommand('set', 'change what a connector is set to, or its credentials', [
          'connector set hq --tenant acme --set modified_since=2026-01-01',
          'connector set crm --tenant acme --auth bearer --secret env:CRM_TOKEN',
        ]),
      ),
    ),
  ).argument('<name>')
  return command.action((name: string, options: TenantOption & KnobOptions & SecretOptions) =>
    runCommand(cli, command, run =>
      withStores(run, async (stores, administration) => {
        const before = await findConnector(stores.control, options.tenant, name)
        const type = findType(await readRegistry(run), before.type)
        const changed = options.set.length + options.unset.length > 0
        const knobs = changed ? checkSettings(type, changeKnobs(before.knobs, type.knobs, options)) : undefined
        const credential = await readCredential(run.terminal, type, options)
        if (knobs === undefined && credential === undefined)
          throw new SqlError({ code: '22023', message: 'say what to set: --set, --unset or --auth' })
        const row = await setConnector(administration, { tenant: options.tenant, name, knobs, credential })
        tellConnector(run, row, type, 'set')
      }),
    ),
  )
}

function list(cli: Cli): Command {
  const command = withTenant(describeCommand('list', 'list connectors', ['connector list --tenant acme']))
  return command.action((options: TenantOption) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const { id } = await findTenant(stores.control, options.tenant)
        const rows = await listConnectors(stores.control, id)
        run.terminal.answer(rows, () =>
          run.terminal.table(
            ['connector', 'type', 'state', 'credentials', 'knobs'],
            rows.map(row => [row.name, row.type, row.state, row.auth ?? '-', JSON.stringify(row.knobs)]),
          ),
        )
      }),
    ),
  )
}

function show(cli: Cli): Command {
  const command = withTenant(
    describeCommand('show', 'a connector, where it goes, and whether it can', [
      'connector show hq --tenant acme --check',
    ]),
  )
    .argument('<name>')
    .option('--check', 'get its credentials as a run would, with another token where the last one has expired')
  return command.action((name: string, options: TenantOption & { check?: boolean }) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const registry = await readRegistry(run)
        const row = await findConnector(stores.control, options.tenant, name)
        const type = findType(registry, row.type)
        const { control, keys: sealer } = stores
        const credentials = new ConnectorCredentials({ control, sealer, registry, now: Date.now })
        const failure = options.check === true ? await failureOf(credentials.read(row.id)) : undefined
        const after = options.check === true ? await findConnector(control, options.tenant, name) : row
        tellConnector(run, after, type, failure ?? after.state, failure)
        return failure === undefined
      }),
    ),
  )
}

async function failureOf(reading: Promise<unknown>): Promise<AuthFailure | undefined> {
  try {
    await reading
    return undefined
  } catch (error) {
    if (error instanceof ConnectorAuth) return error.failure
    throw error
  }
}

function remove(cli: Cli): Command {
  const command = withTenant(
    describeCommand('remove', 'forget a connector, its credentials and what pipelines are set to with it', [
      'connector remove crm --tenant acme',
    ]),
  ).argument('<name>')
  return command.action((name: string, options: TenantOption) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        await removeConnector(administration, options.tenant, name)
        run.terminal.answer({ name, removed: true }, () => run.terminal.say(`connector ${name} removed`))
      }),
    ),
  )
}

function withTenant(command: Command): Command {
  return command.requiredOption('--tenant <name>', 'whose it is')
}
