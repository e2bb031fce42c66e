import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCluster } from '../../src/embedded/cluster.ts'
import { processStamp } from '../../src/embedded/processes.ts'

let home: string
beforeAll(() => {
  home = fs.mkdtempSync(join(tmpdir(), 'postern-embedded-'))
  fs.chmodSync(home, 0o711)
})
afterAll(() => fs.rmSync(home, { recursive: true, force: true }))

async function ask(config: pg.ClientConfig | string, sql: string): Promise<Record<string, unknown>> {
  const client = new pg.Client(config)
  await client.connect()
  const answer = await client.query(sql).finally(() => client.end())
  return answer.rows[0]
}

/** Another Node process that starts a cluster in `dataDir`, says its process id, and stays. */
async function startElsewhere(dataDir: string | undefined, env: NodeJS.ProcessEnv = {}) {
  const program = `
    const { startCluster } = await import(${JSON.stringify(import.meta.resolve('../../src/embedded/cluster.ts'))})
    const cluster = await startCluster({ dataDir: ${JSON.stringify(dataDir)} })
    console.log(JSON.stringify(cluster))
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(child.stdout, 'data')
  const cluster: { processId: number; dataDir: string; url: string; port: number } = JSON.parse(String(line))
  return { child, cluster }
}

async function waitUntilGone(pid: number): Promise<void> {
  await expect.poll(() => processStamp(pid), { timeout: 10_000, interval: 20 }).toBeUndefined()
}

describe('a temporary cluster', () => {
  it('speaks UTF-8, asks for a password on every way in, and leaves nothing', async () => {
    const cluster = await startCluster()
    const { host, port, socketDir, superuser, password } = cluster
    const facts = await ask(
      cluster.url,
      `select current_setting('server_encoding') as encoding, datlocprovider, datlocale, upper('é') as upper
         from pg_database where datname = current_database()`,
    )
    expect(facts).toEqual({ encoding: 'UTF8', datlocprovider: 'b', datlocale: 'C.UTF-8', upper: 'É' })
    const login = { port, user: superuser, database: 'postgres', password }
    expect(await ask({ ...login, host: socketDir }, 'select 1 as one')).toEqual({ one: 1 })
    for (const way of [host, socketDir])
      await expect(ask({ ...login, host: way, password: 'wrong' }, 'select 1')).rejects.toMatchObject({ code: '28P01' })
    const methods = 'select array_agg(distinct auth_method) as methods from pg_hba_file_rules'
    expect(await ask(cluster.url, methods)).toEqual({ methods: ['scram-sha-256'] })
    expect(fs.statSync(socketDir).mode & 0o777).toBe(0o700)
    await Promise.all([cluster.stop(), cluster.stop()])
    expect(fs.existsSync(cluster.dataDir)).toBe(false)
  })

  it('starts beside another', async () => {
    const both = await Promise.all([startCluster(), startCluster({ settings: { work_mem: '5MB' } })])
    expect(both[0].port).not.toBe(both[1].port)
    expect(await ask(both[1].url, 'show work_mem')).toEqual({ work_mem: '5MB' })
    await Promise.all(both.map(cluster => cluster.stop()))
  })

  it('says so when a setting is wrong, and cleans up', async () => {
    const before = fs.readdirSync(tmpdir()).filter(name => name.startsWith('postern-pg-'))
    const starting = startCluster({ settings: { no_such_setting: 1 } })
    await expect(starting).rejects.toMatchObject({ code: '58000', detail: expect.stringContaining('no_such_setting') })
    expect(fs.readdirSync(tmpdir()).filter(name => name.startsWith('postern-pg-')).length).toBe(before.length)
  })

  it.each([{ LANG: 'C' }, { LC_ALL: 'xx_YY.bogus' }, { LANG: 'de_DE.ISO-8859-1', PGPORT: '1', PGDATA: '/nowhere' }])(
    'does not care for the environment: %o',
    async env => {
      const { child, cluster } = await startElsewhere(undefined, env)
      expect(await ask(cluster.url, 'show server_encoding')).toEqual({ server_encoding: 'UTF8' })
      child.kill('SIGTERM')
      await waitUntilGone(cluster.processId)
    },
  )

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('goes when its owner gets %s', async signal => {
    const { child, cluster } = await startElsewhere(undefined)
    const client = new pg.Client(cluster.url)
    client.on('error', () => undefined)
    await client.connect()
    child.kill(signal)
    await waitUntilGone(cluster.processId)
    await expect.poll(() => fs.existsSync(cluster.dataDir), { timeout: 5000 }).toBe(false)
    await client.end().catch(() => undefined)
  })
})

describe('a cluster with a folder', () => {
  it('keeps its data, password and port over a restart', async () => {
    const dataDir = join(home, 'kept')
    const first = await startCluster({ dataDir })
    await ask(first.url, `create table kept as select 'still here' as said`)
    expect(fs.statSync(join(dataDir, 'password')).mode & 0o777).toBe(0o600)
    await first.stop()
    const second = await startCluster({ dataDir })
    expect([second.url, second.port]).toEqual([first.url, first.port])
    expect(await ask(second.url, 'select said from kept')).toEqual({ said: 'still here' })
    await second.stop()
  })

  it('starts again at once after its owner was killed', async () => {
    const dataDir = join(home, 'killed')
    const { child, cluster } = await startElsewhere(dataDir)
    await ask(cluster.url, `create table kept as select 'still here' as said`)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const again = await startCluster({ dataDir })
    expect(await ask(again.url, 'select said from kept')).toEqual({ said: 'still here' })
    await again.stop()
  })

  it('recovers after everything was killed at once, and ignores a lock file that names a stranger', async () => {
    const dataDir = join(home, 'crashed')
    const { child, cluster } = await startElsewhere(dataDir)
    await ask(cluster.url, `create table kept as select 'still here' as said`)
    process.kill(cluster.processId, 'SIGKILL')
    child.kill('SIGKILL')
    await waitUntilGone(cluster.processId)
    const lock = join(dataDir, 'pgdata', 'postmaster.pid')
    fs.writeFileSync(lock, fs.readFileSync(lock, 'utf8').replace(/^\d+/, String(process.pid)))
    const again = await startCluster({ dataDir })
    expect(await ask(again.url, 'select said from kept')).toEqual({ said: 'still here' })
    await again.stop()
  })

  it('is run by one at a time', async () => {
    const dataDir = join(home, 'shared')
    const starts = await Promise.allSettled([startCluster({ dataDir }), startCluster({ dataDir })])
    const [cluster] = starts.flatMap(start => (start.status === 'fulfilled' ? [start.value] : []))
    const [refusal] = starts.flatMap(start => (start.status === 'rejected' ? [start.reason] : []))
    expect(refusal).toMatchObject({ code: '55006', message: expect.stringContaining(`process ${process.pid}`) })
    await cluster?.stop()
  })

  it('takes another port where the last one is taken, but not where one was named', async () => {
    const dataDir = join(home, 'ports')
    const first = await startCluster({ dataDir })
    await first.stop()
    const squatter = createServer().listen(first.port, '127.0.0.1')
    await once(squatter, 'listening')
    await expect(startCluster({ dataDir, port: first.port })).rejects.toMatchObject({ code: '55006' })
    const second = await startCluster({ dataDir })
    expect(second.port).not.toBe(first.port)
    await second.stop()
    squatter.close()
  })

  it('refuses data of another major, another password, and a folder of something else', async () => {
    const dataDir = join(home, 'refused')
    await (await startCluster({ dataDir, password: 'p ä/s@s:' })).stop()
    await expect(startCluster({ dataDir, password: 'another' })).rejects.toMatchObject({ code: '28P01' })
    fs.writeFileSync(join(dataDir, 'pgdata', 'PG_VERSION'), '13\n')
    await expect(startCluster({ dataDir })).rejects.toMatchObject({ code: '0A000' })
    await expect(startCluster({ dataDir: home })).rejects.toMatchObject({ code: '58000' })
  })

  it('puts the socket elsewhere where its path would be too long', async () => {
    const dataDir = join(home, 'd'.repeat(100))
    const cluster = await startCluster({ dataDir, password: 'p ä/s@s:' })
    const { port, socketDir, password } = cluster
    expect(socketDir.startsWith(home)).toBe(false)
    const login = { port, user: 'postgres', database: 'postgres', password }
    expect(await ask({ ...login, host: socketDir }, 'select 1 as one')).toEqual({ one: 1 })
    expect(await ask(cluster.url, 'select 1 as one')).toEqual({ one: 1 })
    await cluster.stop()
    expect(fs.existsSync(socketDir)).toBe(false)
  })
})
