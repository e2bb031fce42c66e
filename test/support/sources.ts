/**
 * Where tests get their Postgres: TEST_DATABASE_URL (a superuser's), else a container where a Docker engine answers,
 * else the embedded binaries. POSTERN_TEST_MAJOR chooses the major of the last two.
 */
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { z } from 'zod'
import type { Major } from '../../src/embedded/binaries.ts'
import { startCluster } from '../../src/embedded/cluster.ts'

export const testServerSchema = z.strictObject({
  source: z.enum(['TEST_DATABASE_URL', 'a container', 'the embedded binaries']),
  /** The superuser's, to the database postgres. */
  url: z.string(),
  superuser: z.string(),
  password: z.string(),
  host: z.string(),
  port: z.number(),
  /** Absolute; absent where the server is not ours. */
  socketDir: z.string().optional(),
  major: z.literal([14, 15, 16, 17, 18]),
})

export type TestServer = z.infer<typeof testServerSchema>

interface Started {
  readonly server: TestServer
  stop(): Promise<void>
}

export async function startTestServer(): Promise<Started> {
  const url = process.env.TEST_DATABASE_URL
  if (url) return { server: await describeServer('TEST_DATABASE_URL', url), stop: async () => undefined }
  const major = parseMajor(process.env.POSTERN_TEST_MAJOR ?? '18')
  const container = (await engineAnswers()) ? await startContainer(major) : undefined
  if (container !== undefined) return container
  const cluster = await startCluster({ major, majorsDir: process.env.POSTERN_MAJORS_DIR || undefined })
  const { superuser, password, host, port, socketDir } = cluster
  const server: TestServer = {
    source: 'the embedded binaries',
    url: cluster.url,
    superuser,
    password,
    host,
    port,
    socketDir,
    major,
  }
  return { server, stop: () => cluster.stop() }
}

/** Not tried where no Docker engine is: falls back, saying why, rather than failing every test. */
async function startContainer(major: Major): Promise<Started | undefined> {
  try {
    const { PostgreSqlContainer } = await import('@testcontainers/postgresql')
    const container = await new PostgreSqlContainer(`postgres:${major}`).withUsername('postgres').start()
    const server = await describeServer('a container', container.getConnectionUri())
    return { server, stop: async () => void (await container.stop()) }
  } catch (error) {
    process.stdout.write(`[tests] no container: ${String(error)}\n`)
    return undefined
  }
}

async function describeServer(source: TestServer['source'], given: string): Promise<TestServer> {
  const url = new URL(given)
  url.pathname = '/postgres'
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  const answer = await client
    .query('select pg_catalog.current_setting($1)::int / 10000 as major', ['server_version_num'])
    .finally(() => client.end())
  return {
    source,
    url: url.href,
    superuser: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    host: url.hostname,
    port: Number(url.port || 5432),
    major: parseMajor(String(answer.rows[0].major)),
  }
}

function parseMajor(text: string): Major {
  switch (text) {
    case '14':
      return 14
    case '15':
      return 15
    case '16':
      return 16
    case '17':
      return 17
    case '18':
      return 18
    default:
      throw new Error(`tests run on Postgres 14 to 18, not ${text}`)
  }
}

/** A client and a socket file prove nothing: only an engine's own answer counts. */
async function engineAnswers(): Promise<boolean> {
  const named = process.env.DOCKER_HOST
  if (named?.startsWith('tcp://')) return ping({ url: named.replace('tcp:', 'http:') })
  const sockets = [named?.replace('unix://', ''), '/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock')]
  for (const socketPath of sockets)
    if (socketPath && existsSync(socketPath) && (await ping({ socketPath }))) return true
  return false
}

function ping(to: { url: string } | { socketPath: string }): Promise<boolean> {
  return new Promise(resolve => {
    const options = { path: '/_ping', timeout: 2000, ...('url' in to ? parseHost(to.url) : to) }
    const asked = request(options, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(false))
    asked.end()
  })
}

function parseHost(url: string): { host: string; port: string } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: port || '2375' }
}
