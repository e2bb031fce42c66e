/** `schema`: what users have provisioned for themselves, as the operator sees it. */
import { userInfo } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import { findTenant, type TenantRow } from '../control/tenants.ts'
import { type SchemaCaller, type SchemaRow, Schemas } from '../materialize/schemas.ts'
import { schemaParts } from '../serve/schemas.ts'
import type { Stores } from '../serve/stores.ts'
import { withStores } from './administer.ts'
import { type CallerOptions, findCaller } from './caller.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'
import { shownSchema, sizeOf, tellSchema } from './schema-answers.ts'
import { allowCommand, sweepCommand } from './schema-operator.ts'

export function schemaCommand(cli: Cli): Command {
  return describeCommand('schema', 'schemas that users make for themselves, which expire when nobody uses them', [
    'schema list --tenant acme',
    'schema provision forecast --user alice@acme',
    'schema teardown acme_alice_forecast_1f3a09bc --tenant acme',
  ])
    .addCommand(list(cli))
    .addCommand(provision(cli))
    .addCommand(teardown(cli))
    .addCommand(pin(cli))
    .addCommand(touch(cli))
    .addCommand(allowCommand(cli))
    .addCommand(sweepCommand(cli))
}

interface TenantOptions {
  readonly tenant: string
}

/** The operator may do what an admin of the tenant may. */
function operatorOf(tenant: TenantRow): SchemaCaller {
  const name = userInfo().username
  return { id: null, tenant: tenant.id, tenantName: tenant.name, name, login: name, scopes: new Set(['admin']) }
}

function withSchemas<T>(run: Run, work: (schemas: Schemas, stores: Stores) => Promise<T>): Promise<T> {
  return withStores(run, async stores => {
    const schemas = new Schemas(schemaParts(run.config, stores, run.log), 'cli')
    try {
      return await work(schemas, stores)
    } finally {
      await schemas.close()
    }
  })
}

function list(cli: Cli): Command {
  const command = describeCommand('list', "list a tenant's provisioned schemas", [
    'schema list --tenant acme',
    'schema list --tenant acme --json',
  ]).requiredOption('--tenant <name>')
  return command.action(({ tenant }: TenantOptions) =>
    runCommand(cli, command, run =>
      withSchemas(run, async (schemas, stores) => {
        const operator = operatorOf(await findTenant(stores.control, tenant))
        const rows = await schemas.list(operator, undefined, { all: true })
        const header = ['schema', 'database', 'owner', 'purpose', 'state', 'size', 'expires']
        run.terminal.answer(rows.map(shownSchema), () => run.terminal.table(header, rows.map(describe)))
      }),
    ),
  )
}

function describe(row: SchemaRow): string[] {
  const expires = row.pinned ? 'never' : (row.expiresAt?.toISOString().slice(0, 16) ?? '')
  const state = row.private ? `${row.state}, private` : row.state
  return [row.name, row.database, row.owner, row.purpose, state, sizeOf(row.bytes), expires]
}

function provision(cli: Cli): Command {
  const command = describeCommand('provision', "make a user's schema, or find the one he has for this purpose", [
    'schema provision forecast --user alice@acme',
    'schema provision salaries --user alice@acme --database crm --private --ttl-hours 72',
  ])
    .argument('<purpose>', 'what it is for, in a word or two')
    .requiredOption('--user <login@tenant>', 'whose it is')
    .option('--database <alias>', "which of the tenant's databases; may be left out where there is one")
    .option('--private', 'read by its owner alone')
    .option('--ttl-hours <hours>', 'kept so long without use', parseHours)
  return command.action((purpose: string, options: CallerOptions & { private?: boolean; ttlHours?: number }) =>
    runCommand(cli, command, run =>
      withSchemas(run, async (schemas, stores) => {
        const { principal, row } = await findCaller(stores.control, options)
        const database = { id: row.id, alias: row.alias, tenant: row.tenantId }
        const { schema, created } = await schemas.provision(principal, database, {
          purpose,
          private: options.private,
          ttlHours: options.ttlHours,
        })
        run.terminal.answer({ ...shownSchema(schema), created }, () => {
          run.terminal.say(`schema ${schema.name} ${created ? 'made' : 'stands already'}`)
          tellSchema(run.terminal, schema)
        })
      }),
    ),
  )
}

function teardown(cli: Cli): Command {
  const command = describeCommand(
    'teardown',
    'drop a schema with all that it holds; without --drop says what would go',
    [
      'schema teardown acme_alice_forecast_1f3a09bc --tenant acme',
      'schema teardown acme_alice_forecast_1f3a09bc --tenant acme --drop acme_alice_forecast_1f3a09bc',
    ],
  )
    .argument('<name>', 'its name or handle')
    .requiredOption('--tenant <name>')
    .option('--drop <name>', 'its name, typed again')
  return command.action((name: string, { tenant, drop }: TenantOptions & { drop?: string }) =>
    runCommand(cli, command, run =>
      withSchemas(run, async (schemas, stores) => {
        const operator = operatorOf(await findTenant(stores.control, tenant))
        const { schema, tables, bytes, dependents } = await schemas.preview(operator, name)
        if (drop === schema.name) {
          const gone = await schemas.teardown(operator, schema.id, run.signal)
          run.terminal.answer(shownSchema(gone), () => run.terminal.say(`schema ${gone.name} dropped`))
          return true
        }
        run.terminal.answer({ ...shownSchema({ ...schema, bytes }), tables, dependents }, () => {
          tellSchema(run.terminal, schema)
          const rows = tables.map(table => [table.name, table.kind, sizeOf(table.bytes)])
          if (rows.length > 0) run.terminal.table(['what would go', 'kind', 'size'], rows)
          for (const dependent of dependents) run.terminal.say(`built on it, and in the way: ${dependent}`)
          run.terminal.note(`Nothing is dropped. To drop it: --drop ${schema.name}`)
        })
        return false
      }),
    ),
  )
}

function pin(cli: Cli): Command {
  const command = describeCommand('pin', 'let a schema never expire, or with --off expire again', [
    'schema pin acme_alice_forecast_1f3a09bc --tenant acme',
    'schema pin acme_alice_forecast_1f3a09bc --tenant acme --off',
  ])
    .argument('<name>', 'its name or handle')
    .requiredOption('--tenant <name>')
    .option('--off', 'let it expire again, counted from now')
  return command.action((name: string, { tenant, off }: TenantOptions & { off?: boolean }) =>
    runCommand(cli, command, run =>
      withSchemas(run, async (schemas, stores) => {
        const operator = operatorOf(await findTenant(stores.control, tenant))
        const row = await schemas.pin(operator, name, off !== true)
        run.terminal.answer(shownSchema(row), () => tellSchema(run.terminal, row))
      }),
    ),
  )
}

function touch(cli: Cli): Command {
  const command = describeCommand('touch', 'count a schema as used just now', [
    'schema touch acme_alice_forecast_1f3a09bc --tenant acme',
  ])
    .argument('<name>', 'its name or handle')
    .requiredOption('--tenant <name>')
  return command.action((name: string, { tenant }: TenantOptions) =>
    runCommand(cli, command, run =>
      withSchemas(run, async (schemas, stores) => {
        const operator = operatorOf(await findTenant(stores.control, tenant))
        const row = await schemas.keep(operator, name)
        run.terminal.answer(shownSchema(row), () => tellSchema(run.terminal, row))
      }),
    ),
  )
}

function parseHours(text: string): number {
  const hours = Number(text)
  if (Number.isFinite(hours) && hours > 0) return hours
  throw new InvalidArgumentError('It is a number of hours.')
}
