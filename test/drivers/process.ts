/** Programs that talk to the gateway: started with an environment of their own, and ended when they take too long. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import type { RawTarget } from '../support/raw-client.ts'

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
}

export interface StartOptions {
  readonly environment?: Record<string, string>
  /** `false`: the caller writes. */
  readonly input?: string | false
  readonly folder?: string
  /** Then it is killed. */
  readonly timeoutMs?: number
}

/** Nothing of our own environment goes along but PATH. */
export function start(command: string, args: readonly string[], options: StartOptions = {}): Running {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, HOME: '/nonexistent', LANG: 'C.UTF-8', ...options.environment },
    cwd: options.folder,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 60_000,
    killSignal: 'SIGKILL',
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', chunk => (out += chunk))
  child.stderr.setEncoding('utf8').on('data', chunk => (err += chunk))
  child.stdin.on('error', () => {}) // it may end before it has read everything
  if (options.input !== false) child.stdin.end(options.input ?? '')
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ code, out, err }))
  })
  return { process: child, ended }
}

export function run(command: string, args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return start(command, args, options).ended
}

/** libpq's variables, which most drivers read. */
export function libpqEnvironment(target: RawTarget): Record<string, string> {
  return {
    PGHOST: target.host,
    PGPORT: String(target.port),
    PGUSER: target.user,
    PGPASSWORD: target.password,
    PGDATABASE: target.database,
  }
}

/** Whether a program runs at all here; says so in a line where it does not. */
export function isHere(what: string, command: string, args: readonly string[]): boolean {
  const { error, status } = spawnSync(command, args, { stdio: 'ignore' })
  if (error === undefined && status === 0) return true
  console.log(`${what} is not installed: it is not tried`)
  return false
}
