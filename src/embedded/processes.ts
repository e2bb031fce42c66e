/** Questions about processes that are not our children. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Tells one life of a process id from the next: start time, and on Linux the boot too.
 * `undefined`: no such process, or a zombie.
 */
export function processStamp(pid: number): string | undefined {
  if (process.platform !== 'linux') return readPs(pid, 'lstart=')
  const stat = readProc(`/proc/${pid}/stat`)
  // The second field, the name in parentheses, may hold anything; fields are counted from behind it (proc(5)).
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return undefined
  return `${readProc('/proc/sys/kernel/random/boot_id')?.trim()}/${fields[19]}`
}

/** The command line, its words joined by spaces; `undefined` as above. */
export function processCommand(pid: number): string | undefined {
  if (process.platform !== 'linux') return readPs(pid, 'args=')
  return readProc(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ') || undefined
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined // gone meanwhile
  }
}

function readPs(pid: number, column: string): string | undefined {
  try {
    const text = execFileSync('ps', ['-o', column, '-p', String(pid)], {
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'utf8',
    })
    return text.trim() || undefined
  } catch {
    return undefined // ps ends with 1 where there is no such process
  }
}
