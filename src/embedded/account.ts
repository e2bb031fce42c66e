/**
 * The account that the embedded server runs as. Postgres refuses to run as root, so a root process drops to an
 * account without privileges; any other process keeps its own.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { systemFailure } from './failures.ts'

/** uid and gid to drop to. `undefined` stands for "as we are". */
export interface Account {
  readonly uid: number
  readonly gid: number
}

const accountNames = ['postgres', '_postgres', 'nobody']

/** Throws 58000 when we are root and no account without privileges exists. */
export function findServerAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of accountNames) {
    const uid = readId('-u', name)
    const gid = readId('-g', name)
    if (uid !== undefined && gid !== undefined && uid !== 0) return { uid, gid }
  }
  throw systemFailure('Postgres does not run as root, and no account to drop to was found', {
    hint: 'Create the account "postgres", or start as another user.',
  })
}

/** Whether the account can enter the folder; asks the kernel, so that ACLs and mounts count too. */
export function canReach(account: Account | undefined, folder: string): boolean {
  const result = spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...account, cwd: '/', stdio: 'ignore' })
  return result.status === 0
}

function readId(flag: '-u' | '-g', name: string): number | undefined {
  try {
    const text = execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' })
    return Number(text) | 0
  } catch {
    return undefined // no such account here
  }
}
