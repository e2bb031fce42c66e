import { type Command, Option } from 'commander'
import { withStores } from './administer.ts'
import { type CallerOptions, findCaller, withCaller } from './caller.ts'
import { type Cli, describeCommand, runCommand } from './command.ts'
import { formatCsv, formatJson, formatTable, type Result } from './format.ts'

type Format = 'table' | 'csv' | 'json'

const formats: { readonly [Name in Format]: (result: Result) => string } = {
  table: formatTable,
  csv: formatCsv,
  json: formatJson,
}

export function queryCommand(cli: Cli): Command {
  const command = withCaller(
    describeCommand('query', 'run one statement as a user would: judged, limited and recorded', [
      'query "select country, count(*) from customers group by 1" --tenant acme',
      'query "select * from orders" --user alice@acme --format csv > orders.csv',
    ]),
  ).addOption(
    new Option('--format <format>', 'how rows are written; with --json it is json')
      .choices(Object.keys(formats))
      .default('table'),
  )
  return command.action((sql: string, options: CallerOptions & { format: Format }) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const { runStatement, withDatabase } = await import('../serve/one-database.ts')
        const { principal, row } = await findCaller(stores.control, options)
        const answer = await withDatabase(run.config, stores, run.log, row, one =>
          runStatement(one, stores, principal, sql, run.log),
        )
        const format = run.terminal.json ? formatJson : formats[options.format]
        if (answer.columns.length > 0) run.terminal.write(format(answer))
        else run.terminal.answer({ tag: answer.tag }, () => run.terminal.say(answer.tag))
        for (const { severity, message, hint } of answer.notices) {
          run.terminal.note(`${severity}: ${message}${hint === undefined ? '' : `\nhint: ${hint}`}`)
        }
      }),
    ),
  )
}
