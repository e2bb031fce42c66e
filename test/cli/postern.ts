/** Runs the command line as its users do: a process of its own, by the launcher. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

const launcher = join(import.meta.dirname, '../../bin/postern.mjs')

export interface PosternOptions {
  readonly cwd: string
  readonly env?: Record<string, string>
  /** What it is given on standard input; absent: nothing. */
  readonly input?: string
}

/** The process, for those that stay. */
export function startPostern(args: readonly string[], o: PosternOptions) {
  const { PATH } = process.env
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd: o.cwd,
    env: { PATH, ...o.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(o.input ?? '')
  return child
}

export async function runPostern(args: readonly string[], o: PosternOptions): Promise<Ran> {
  const child = startPostern(args, o)
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  return await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code =>
      resolve({ code: code ?? -1, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() }),
    )
  })
}
