/** `database set`: which schemas, tables and functions of a database are served. */
import type { Command } from 'commander'
import { setDatabasePolicy, type TablePolicy } from '../control/databases.ts'
import { grantRow } from '../serve/provisioning.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { shownDatabase, withTenant } from './database-answers.ts'

interface PolicyOptions {
  readonly tenant: string
  readonly schema?: string[]
  readonly allow?: string[]
  readonly allowAll?: boolean
  readonly exclude?: string[]
  readonly function?: string[]
  readonly foreignTable?: string[]
}

const collect = (value: string, before: string[] = []) => [...before, value].filter(one => one !== '')

export function setCommand(cli: Cli): Command {
  const command = withTenant(
    describeCommand(
      'set',
      "say which schemas, tables and functions are served; each option replaces the whole list, '' empties it",
      [
        "database set crm --tenant acme --exclude 'crm.employees' --exclude 'crm.*_internal'",
        'database set crm --tenant acme --function crm.net_price',
        "database set crm --tenant acme --exclude ''",
      ],
    ),
  )
    .option('--schema <name>', 'schema, the first the default; may be repeated', collect)
    .option('--allow <glob>', 'only these tables, schema.name with * and ?; may be repeated', collect)
    .option('--allow-all', 'every table again')
    .option('--exclude <glob>', 'not these tables; may be repeated', collect)
    .option('--function <name>', "the tenant's own function, schema.name, that may be called; may be repeated", collect)
    .option('--foreign-table <name>', 'foreign table, schema.name, that may be read; may be repeated', collect)
  return command.action((alias: string, options: PolicyOptions) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        const row = await setDatabasePolicy(administration, { tenant: options.tenant, alias }, policyOf(options))
        if (row.kind === 'managed' && row.provisionedAt !== null) await grantRow(row, administration.sealer)
        run.terminal.answer(shownDatabase(row), () => run.terminal.say(`database ${row.tenantName}/${row.alias} set`))
      }),
    ),
  )
}

function policyOf(options: PolicyOptions): Partial<TablePolicy> {
  return {
    ...(options.schema === undefined ? {} : { schemas: options.schema }),
    ...(options.allow === undefined ? {} : { allowedTables: options.allow }),
    ...(options.allowAll === true ? { allowedTables: null } : {}),
    ...(options.exclude === undefined ? {} : { excludedTables: options.exclude }),
    ...(options.function === undefined ? {} : { functions: options.function }),
    ...(options.foreignTable === undefined ? {} : { foreignTables: options.foreignTable }),
  }
}
