/** Where the process begins: signals, the command line, the exit code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { runProgram } from './cli/program.ts'

/** A signal that comes twice is the launcher's and the terminal's; after this long it is impatience. */
const secondSignalAfterMs = 1_000

const version = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'))).version

const stopping = new AbortController()
let firstSignalAtMs = 0
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted && Date.now() - firstSignalAtMs > secondSignalAfterMs) process.exit(130)
    if (stopping.signal.aborted) return
    firstSignalAtMs = Date.now()
    stopping.abort(signal)
  })
}

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', error => process.exit('code' in error && error.code === 'EPIPE' ? 0 : 1))

const streams = { input: process.stdin, output: process.stdout, errors: process.stderr }
process.exitCode = await runProgram({ streams, signal: stopping.signal, exitCode: 0 }, version, process.argv.slice(2))
