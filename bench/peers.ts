/** What is measured, each in a process of its own: Postgres itself, a bare relay of bytes, PgBouncer, and Postern as a user starts it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Where pgbench and psql connect. */
export interface Peer {
  readonly name: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export interface Peers {
  readonly peers: readonly Peer[]
  /** The administrator, at the benchmark's database. */
  readonly admin: Peer
  stop(): Promise<void>
}

const root = new URL('..', import.meta.url).pathname

/** Limits that would bind, raised: named in the report. */
export const raised = {
  rowsMax: 10_000_000,
  bytesMax: 4 * 1024 ** 3,
  upstreamsPerPrincipal: 40,
  upstreamsPerTenant: 40,
  wallClockMs: 600_000,
  statementTimeoutMs: 600_000,
}

export async function startPeers(): Promise<Peers> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  chmodSync(folder, 0o755)
  const children: ChildProcess[] = []
  const stop = async () => {
    for (const child of children.reverse()) {
      if (child.exitCode !== null) continue
      child.kill('SIGTERM')
      await Promise.race([once(child, 'exit'), delay(10_000)])
    }
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const [posternPort, relayPort, bouncerPort] = await Promise.all([freePort(), freePort(), freePort()])
    const postern = await startPostern(folder, posternPort, children)
    const relay = spawn(
      process.execPath,
      [join(root, 'bench/relay.ts'), String(relayPort), String(postern.admin.port)],
      { stdio: 'inherit' },
    )
    children.push(relay)
    const bouncer = await startBouncer(folder, bouncerPort, postern.admin, children)
    await Promise.all([listening(relayPort), listening(bouncerPort)])
    const direct = { ...postern.admin, name: 'direct' }
    return {
      peers: [direct, { ...direct, name: 'relay', port: relayPort }, bouncer, postern.alice],
      admin: postern.admin,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startPostern(
  folder: string,
  port: number,
  children: ChildProcess[],
): Promise<{ alice: Peer; admin: Peer }> {
  const dataDir = join(folder, 'data')
  mkdirSync(dataDir, { mode: 0o700 })
  const config = join(folder, 'postern.yml')
  const limits = Object.entries(raised)
    .map(([name, value]) => `  ${name}: ${value}`)
    .join('\n')
  writeFileSync(config, `dataDir: ${dataDir}\ngateway:\n  port: ${port}\npool:\n  sizeMax: 20\nlimits:\n${limits}\n`)
  const child = spawn(
    process.execPath,
    [...(process.env.POSTERN_NODE_FLAGS?.split(' ') ?? []), join(root, 'bin/postern.mjs'), 'up', '--config', config],
    { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  children.push(child)
  const env = await waitForEnvironment(join(dataDir, 'demo.env'), child)
  await listening(port)
  const url = new URL(env.get('POSTERN_DIRECT_URL') ?? '')
  const database = decodeURIComponent(url.pathname.slice(1))
  return {
    alice: { name: 'postern', port, user: env.get('PGUSER') ?? '', password: env.get('PGPASSWORD') ?? '', database },
    admin: {
      name: 'admin',
      port: Number(url.port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database,
    },
  }
}

async function waitForEnvironment(path: string, child: ChildProcess): Promise<Map<string, string>> {
  for (let i = 0; i < 600 && child.exitCode === null; i++) {
    try {
      const lines = readFileSync(path, 'utf8')
        .split('\n')
        .map(line => line.replace(/^export /, ''))
        .filter(line => line.includes('='))
      return new Map(
        lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).replace(/^'|'$/g, '')]),
      )
    } catch {
      // Not there yet: postern writes it once all is ready.
      await delay(100)
    }
  }
  throw new Error('postern up did not come up')
}

/** Transaction mode, the same authentication. PGBOUNCER names a newer binary than PATH's. */
async function startBouncer(folder: string, port: number, admin: Peer, children: ChildProcess[]): Promise<Peer> {
  const place = join(folder, 'bouncer')
  mkdirSync(place)
  const users = join(place, 'users.txt')
  writeFileSync(users, `"${admin.user}" "${admin.password}"\n`)
  const ini = join(place, 'pgbouncer.ini')
  writeFileSync(
    ini,
    `[databases]\n${admin.database} = host=127.0.0.1 port=${admin.port} user=${admin.user} password=${admin.password}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nauth_type = scram-sha-256\nauth_file = ${users}\npool_mode = transaction\ndefault_pool_size = 20\nmax_client_conn = 20000\nunix_socket_dir =\nignore_startup_parameters = options,extra_float_digits\nmax_prepared_statements = 200\n`.replace(
      bouncerKnowsPrepared() ? '' : 'max_prepared_statements = 200\n',
      '',
    ),
  )
  const account =
    process.getuid?.() === 0 ? Number(execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' })) : undefined
  if (account !== undefined) for (const path of [place, users, ini]) chownSync(path, account, account)
  const child = spawn(bouncerPath(), ['-q', ini], {
    stdio: ['ignore', 'ignore', 'inherit'],
    ...(account === undefined ? {} : { uid: account, gid: account }),
  })
  children.push(child)
  return { ...admin, name: 'pgbouncer', port }
}

const bouncerPath = () => process.env.PGBOUNCER ?? 'pgbouncer'

export function bouncerVersion(): string {
  return /PgBouncer (\S+)/.exec(execFileSync(bouncerPath(), ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown'
}

/** From 1.21 on. */
export function bouncerKnowsPrepared(): boolean {
  const [major, minor] = bouncerVersion().split('.').map(Number)
  return major! > 1 || minor! >= 21
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function listening(port: number): Promise<void> {
  for (let i = 0; i < 300; i++) {
    const socket = connect(port, '127.0.0.1')
    const up = await new Promise<boolean>(resolve =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    )
    socket.destroy()
    if (up) return
    await delay(100)
  }
  throw new Error(`nothing listens on ${port}`)
}
