/** A `postern up` or `postern gateway` in a folder and on a port of its own. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { startPostern } from './postern.ts'

export interface Running {
  /** What it had said when it was ready. */
  readonly screen: string
  /** All that it has said so far, on both streams. */
  output(): string
  /** Sends the signal and waits for its end. @returns the exit code */
  stop(signal: NodeJS.Signals): Promise<number>
}

/** @param ready what it says when it serves */
export async function startRunning(
  args: readonly string[],
  ready: string,
  o: { readonly cwd: string; readonly env: Record<string, string> },
): Promise<Running> {
  const child = startPostern(args, o)
  let text = ''
  const exited = new Promise<number>(resolve => child.on('close', code => resolve(code ?? -1)))
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes(ready)) resolve()
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    void exited.then(code => reject(new Error(`postern ${args.join(' ')} ended with ${code}:\n${text}`)))
  })
  const stop = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return exited
  }
  return { screen: text, output: () => text, stop }
}

export function readDemo(cwd: string): Record<string, string> {
  const text = readFileSync(join(cwd, '.postern/demo.env'), 'utf8')
  return Object.fromEntries([...text.matchAll(/^([A-Z_]+)='(.*)'$/gm)].map(([, name, value]) => [name!, value!]))
}

/** What was just changed is in force within a second. */
export async function soon<T>(attempt: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + 1_000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

export function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0))
    })
  })
}
