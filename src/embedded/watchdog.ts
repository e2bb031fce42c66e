/**
 * The dead man's switch. A small shell of its own session reads from a pipe that only we hold: when we are gone, for
 * whatever reason (SIGKILL included), it reads the end of it, stops the server and removes what was temporary.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Account } from './account.ts'

// $1 the signal that stops the server, then the folders to remove. A line is the process to watch, 0 none, - the end.
const watchScript = `
pid=
while IFS= read -r line; do
  case $line in
    -) exit 0 ;;
    0) pid= ;;
    *) pid=$line ;;
  esac
done
if [ -n "$pid" ]; then
  kill -"$1" "$pid" 2>/dev/null
  n=0
  while kill -0 "$pid" 2>/dev/null && [ "$n" -lt 100 ]; do
    [ "$n" -eq 50 ] && kill -QUIT "$pid" 2>/dev/null
    n=$((n + 1))
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null
fi
shift
[ "$#" -eq 0 ] || rm -rf -- "$@"
`

// Waits for a word before it becomes the server, so that none ever runs which the watchdog has not been told of.
const heldScript = 'IFS= read -r _ || exit 1; exec "$@" </dev/null'

export interface Watchdog {
  /** Starts a program, to be stopped should we die. Its output goes to the open file `log`. */
  start(command: string, args: string[], o: { account: Account | undefined; cwd: string; log: number }): ChildProcess
  /** The program has ended: there is nothing to stop for now. */
  forget(): void
  /** All is cleaned up: the watchdog ends without doing anything. */
  dismiss(): void
}

export function startWatchdog(o: { signal: 'INT' | 'QUIT'; remove: string[] }): Watchdog {
  const shell = spawn('/bin/sh', ['-c', watchScript, 'sh', o.signal, ...o.remove], {
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  let lost: Error | undefined
  shell.on('error', error => {
    lost = error
  })
  const pipe = shell.stdin
  pipe.on('error', error => {
    lost ??= error
  })
  shell.unref()
  if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
  return {
    start(command, args, { account, cwd, log }) {
      if (lost !== undefined) throw lost
      const child = spawn('/bin/sh', ['-c', heldScript, 'sh', command, ...args], {
        ...account,
        cwd,
        // Nothing of ours is inherited: no locale, no PG* variables, no secrets.
        env: { PATH: '/usr/local/bin:/usr/bin:/bin', TZ: 'UTC', LC_ALL: 'C' },
        stdio: ['pipe', log, log],
        detached: true,
      })
      child.stdin?.on('error', () => undefined) // its end is seen by 'exit'
      if (child.pid !== undefined) pipe.write(`${child.pid}\n`)
      child.stdin?.end('go\n')
      return child
    },
    forget: () => void pipe.write('0\n'),
    dismiss: () => void pipe.end('-\n'),
  }
}
