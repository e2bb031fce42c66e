/** A Redis of a test's own, by the redis-server on the PATH. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

export const redisIsThere = spawnSync('redis-server', ['--version']).status === 0

export interface TestRedis {
  readonly url: string
  /** Gone with all that it knew, at once. */
  kill(): Promise<void>
  /** Stops answering, without a word. */
  hang(): void
  goOn(): void
  /** On the same port, empty. */
  start(): Promise<void>
}

export async function startRedis(): Promise<TestRedis> {
  const port = await freePort()
  let server: ChildProcess | undefined
  const redis: TestRedis = {
    url: `redis://127.0.0.1:${port}`,
    async kill() {
      if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
      const exit = once(server, 'exit')
      server.kill('SIGKILL')
      await exit
    },
    hang: () => void server?.kill('SIGSTOP'),
    goOn: () => void server?.kill('SIGCONT'),
    async start() {
      const options = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()]
      server = spawn('redis-server', options.map(String), { stdio: 'ignore' })
      while (!(await answers(port))) await sleep(20)
    },
  }
  await redis.start()
  return redis
}

/** As the program connects to it. */
export function connectRedis(url: string): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 250,
    retryStrategy: () => 20,
  })
  redis.on('error', () => {})
  return redis
}

export async function ready(redis: Redis): Promise<void> {
  while (redis.status !== 'ready') await sleep(5)
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => socket.end(() => resolve(true)))
    socket.once('error', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}
