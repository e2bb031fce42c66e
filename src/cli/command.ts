/** What every command has in common: its settings, terminal and log, and what becomes of its errors. */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Command } from 'commander'
import { type Config, colourRefused, type LoadedConfig, loadConfig } from '../config.ts'
import type { SqlError } from '../errors.ts'
import { createLog, type Log } from '../observe/log.ts'
import { makeDataDir } from '../serve/data-dir.ts'
import { toFailure } from './failure.ts'
import { createTerminal, type Terminal, type TerminalStreams, tellError } from './terminal.ts'

export interface Run {
  readonly terminal: Terminal
  readonly config: Config
  readonly said: LoadedConfig['said']
  readonly log: Log
  /** Aborted by SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal
}

export interface Cli {
  readonly streams: TerminalStreams
  readonly signal: AbortSignal
  /** What the process will exit with: 0 done, 1 refused or failed, 2 not understood. */
  exitCode: number
}

/** A command with its examples under `--help`. */
export function describeCommand(name: string, summary: string, examples: readonly string[]): Command {
  const command = new Command(name).description(summary).configureHelp({ showGlobalOptions: true })
  if (examples.length === 0) return command
  return command.addHelpText('after', `\nExamples:\n${examples.map(showExample).join('\n')}`)
}

/** What begins with a variable is a whole line of the shell's, what begins with a space goes on with the one before. */
function showExample(example: string): string {
  if (example.startsWith(' ')) return `  ${example}`
  return /^[A-Z_]+=/.test(example) ? `  $ ${example}` : `  $ postern ${example}`
}

/** `command`: done in a moment, it logs what went wrong alone. `screen`: it stays, standard error belongs to people. */
export type LogKind = 'command' | 'service' | 'screen'

/** Runs `work` with all that a command needs; an error is told and becomes the exit code. `false` from it means refused. */
export async function runCommand(
  cli: Cli,
  command: Command,
  work: (run: Run) => Promise<unknown>,
  logs: LogKind = 'command',
): Promise<void> {
  const given = command.optsWithGlobals<{ json?: boolean; config?: string }>()
  const terminal = createTerminal(cli.streams, { json: given.json === true, colour: !colourRefused() })
  let log: Log | undefined
  try {
    const loaded = loadConfig(given.config)
    log = openLog(loaded, logs)
    if ((await work({ terminal, ...loaded, log, signal: cli.signal })) === false) cli.exitCode = 1
  } catch (thrown) {
    const error = toFailure(thrown)
    if (error.code === 'XX000' || (logs !== 'command' && error.cause !== undefined))
      log?.error({ error }, 'the command failed')
    tellError(terminal, error)
    cli.exitCode = exitCodeOf(error)
  }
}

function openLog({ config, said }: LoadedConfig, kind: LogKind): Log {
  const { level, file } = config.log
  const to = file ?? (kind === 'screen' ? join(config.dataDir, 'postern.log') : null)
  if (kind === 'screen') makeDataDir(config.dataDir)
  if (file !== null) mkdirSync(dirname(file), { recursive: true })
  return createLog(kind === 'command' && said('log.level') === undefined ? 'warn' : level, to)
}

/** Settings and arguments that are not understood are 2, everything else that fails is 1. */
function exitCodeOf(error: SqlError): number {
  return error.code === 'F0000' || error.code === '22023' ? 2 : 1
}
