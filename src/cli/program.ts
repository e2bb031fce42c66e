/** All commands, and what a command line that names none of them is told. */
import { CommanderError } from 'commander'
import { auditCommand } from './audit.ts'
import { checkCommand } from './check.ts'
import { type Cli, describeCommand } from './command.ts'
import { configCommand } from './config.ts'
import { connectorCommand } from './connector.ts'
import { databaseCommand } from './database.ts'
import { doctorCommand } from './doctor.ts'
import { gatewayCommand } from './gateway.ts'
import { keyCommand } from './key.ts'
import { keysCommand } from './keys.ts'
import { knowledgeCommand } from './knowledge.ts'
import { limitsCommand } from './limits.ts'
import { mcpCommand } from './mcp.ts'
import { migrateCommand } from './migrate.ts'
import { pipelineCommand } from './pipeline.ts'
import { policyCommand } from './policy.ts'
import { queryCommand } from './query.ts'
import { schemaCommand } from './schema.ts'
import { semanticCommand } from './semantic.ts'
import { serverCommand } from './server.ts'
import { tenantCommand } from './tenant.ts'
import { tokenCommand } from './token.ts'
import { upCommand } from './up.ts'
import { userCommand } from './user.ts'
import { workerCommand } from './worker.ts'

const commands = [
  upCommand,
  gatewayCommand,
  mcpCommand,
  workerCommand,
  migrateCommand,
  tenantCommand,
  databaseCommand,
  serverCommand,
  schemaCommand,
  connectorCommand,
  pipelineCommand,
  userCommand,
  keyCommand,
  tokenCommand,
  keysCommand,
  limitsCommand,
  policyCommand,
  semanticCommand,
  knowledgeCommand,
  checkCommand,
  queryCommand,
  auditCommand,
  configCommand,
  doctorCommand,
]

/** Runs one command line. Returns the exit code: 0 done, 1 refused or failed, 2 not understood. */
export async function runProgram(cli: Cli, version: string, args: readonly string[]): Promise<number> {
  const program = describeCommand('postern', 'One guarded way into Postgres for agents, BI tools and jobs.', [
    'up',
    'tenant list --json',
    'check "select 1" --tenant acme',
  ])
  program
    .version(version)
    .option('--config <file>', 'settings file; default postern.yml, or what POSTERN_CONFIG names')
    .option('--json', 'answer in JSON')
  for (const build of commands) program.addCommand(build(cli))
  for (const command of [program, ...program.commands, ...program.commands.flatMap(command => command.commands)]) {
    command
      .showHelpAfterError('(--help shows how it is used)')
      .exitOverride()
      .configureOutput({
        writeOut: text => void cli.streams.output.write(text),
        writeErr: text => void cli.streams.errors.write(text.replace(/^error: /, 'postern: ')),
      })
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    return thrown.exitCode === 0 ? 0 : 2
  }
  return cli.exitCode
}
