/** psql against one target, and many of its commands in one run of it. */
import type { RawTarget } from '../support/raw-client.ts'
import { type Ended, isHere, libpqEnvironment, type Running, type StartOptions, start } from './process.ts'

export const psqlIsHere = isHere('psql', 'psql', ['--version'])

export function startPsql(target: RawTarget, args: readonly string[], options: StartOptions = {}): Running {
  const environment = { ...libpqEnvironment(target), ...options.environment }
  return start('psql', ['-X', ...args], { ...options, environment })
}

export function psql(target: RawTarget, args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return startPsql(target, args, options).ended
}

export interface Said {
  readonly command: string
  readonly out: string
  readonly err: string
}

/** Between records and fields, which may hold line ends themselves. */
export const recordEnd = '\x1e\n'
export const fieldEnd = '\x1f'
const mark = '\x1d'

/** What each command prints, unaligned. `prelude` goes first, and must print nothing. */
export async function sayEach(target: RawTarget, commands: readonly string[], prelude: string): Promise<Said[]> {
  const script = commands.map(command => `\\echo '${mark}'\n\\warn '${mark}'\n${command}\n`).join('')
  const { code, out, err } = await psql(target, ['-q', '-A', '-R', recordEnd, '-F', fieldEnd], {
    input: `${prelude}\n${script}`,
    environment: { PAGER: '' },
  })
  const outs = out.split(`${mark}\n`)
  const errs = err.split(`${mark}\n`)
  if (code !== 0 || outs.length !== commands.length + 1 || outs[0] !== '' || errs[0] !== '') {
    throw new Error(
      `psql ended with ${code} after ${outs.length - 1} of ${commands.length} commands: ${outs[0]} ${errs[0]}`,
    )
  }
  return commands.map((command, at) => ({ command, out: outs[at + 1] ?? '', err: errs[at + 1] ?? '' }))
}
