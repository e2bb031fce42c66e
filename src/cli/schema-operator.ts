/** `schema allow` and `schema sweep`: what concerns whole databases. */
import type { Command } from 'commander'
import { administer } from '../control/administration.ts'
import { findDatabase } from '../control/database-rows.ts'
import { setDatabaseProvision } from '../control/tenant-schemas.ts'
import { Schemas } from '../materialize/schemas.ts'
import { schemaParts } from '../serve/schemas.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { withTenant } from './database-answers.ts'

export function allowCommand(cli: Cli): Command {
  const command = withTenant(
    describeCommand('allow', 'let users make schemas in an external database; in a managed one they always may', [
      'schema allow sales --tenant acme',
      'schema allow sales --tenant acme --off',
    ]),
  ).option('--off', 'no more; those that stand stay')
  return command.action((alias: string, { tenant, off }: { tenant: string; off?: boolean }) =>
    runCommand(cli, command, run =>
      withStores(run, async (_, administration) => {
        const allowed = off !== true
        await administer(administration, async client => {
          const row = await findDatabase(client, tenant, alias)
          await setDatabaseProvision(client, row.id, allowed)
          const about = { tenant, tenantId: row.tenantId, database: alias }
          return [undefined, { act: 'schema allow', ...about, detail: { allowed } }]
        })
        run.terminal.answer({ tenant, database: alias, provision: allowed }, () =>
          run.terminal.say(`users ${allowed ? 'may' : 'may not'} make schemas in ${tenant}/${alias}`),
        )
      }),
    ),
  )
}

export function sweepCommand(cli: Cli): Command {
  const command = describeCommand(
    'sweep',
    'finish what was cut short; find schemas that nobody knows of and rows whose schema is gone, and with --fix mend them',
    ['schema sweep', 'schema sweep --fix', 'schema sweep --json'],
  ).option('--fix', 'drop schemas without a row, and let rows without a schema expire')
  return command.action(({ fix }: { fix?: boolean }) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const schemas = new Schemas(schemaParts(run.config, stores, run.log), 'cli')
        const findings = await schemas.sweep({ fix: fix === true })
        run.terminal.answer(findings, () => {
          if (findings.length === 0) return run.terminal.say('all is as it should be')
          const rows = findings.map(found => [
            found.kind,
            [found.database, found.schema].filter(part => part !== null).join(' '),
            found.mended ? 'mended' : 'open',
            found.detail,
          ])
          run.terminal.table(['what', 'where', 'now', 'why'], rows)
        })
        return findings.every(({ mended }) => mended)
      }),
    ),
  )
}
