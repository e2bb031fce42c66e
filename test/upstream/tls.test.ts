import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Cluster, startCluster } from '../../src/embedded/cluster.ts'
import { connectUpstream, type Upstream } from '../../src/upstream/connection.ts'
import type { UpstreamOptions } from '../../src/upstream/upstream-options.ts'
import { sslRequest } from '../../src/wire/startup.ts'
import { keyKinds, makeCertificateFolder } from './certificates.ts'
import { type Relay, startRelay } from './relay.ts'

const certificates = makeCertificateFolder()
let ca = certificates.renew(keyKinds['RSA with SHA-256'])
let cluster: Cluster
let relay: Relay | undefined
const open: Upstream[] = []

beforeAll(async () => {
  const settings = { ssl: 'on', ssl_cert_file: certificates.certificatePath, ssl_key_file: certificates.keyPath }
  cluster = await startCluster({ settings })
})
afterEach(async () => {
  for (const upstream of open.splice(0)) upstream.destroy('the test is over')
  await relay?.close()
  relay = undefined
})
afterAll(async () => {
  await cluster.stop()
  certificates.remove()
})

async function connect(options: Partial<UpstreamOptions> = {}): Promise<Upstream> {
  const { host, port, superuser: user, password } = cluster
  const rest = { tls: { mode: 'disable' }, connectTimeoutMs: 3000, applicationName: 'postern' } as const
  const upstream = await connectUpstream({ host, port, database: 'postgres', user, password, ...rest, ...options })
  open.push(upstream)
  return upstream
}

async function speaksTls(upstream: Upstream): Promise<boolean> {
  const rows = await upstream.query('select ssl from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()')
  return rows[0]?.[0] === 't'
}

describe('TLS modes', () => {
  it('disable does without, everything else uses it', async () => {
    expect(await speaksTls(await connect())).toBe(false)
    for (const mode of ['prefer', 'require'] as const) {
      expect(await speaksTls(await connect({ tls: { mode } }))).toBe(true)
    }
  })

  it('verify-ca wants a certificate of the authority, whatever its name', async () => {
    expect(await speaksTls(await connect({ tls: { mode: 'verify-ca', ca } }))).toBe(true)
    await expect(connect({ tls: { mode: 'verify-ca' } })).rejects.toMatchObject({ code: '08001' })
  })

  it('verify-full wants the name too: the host, or the one that is given', async () => {
    await expect(connect({ tls: { mode: 'verify-full', ca } })).rejects.toMatchObject({
      code: '08001',
      cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    })
    await expect(connect({ tls: { mode: 'verify-full', ca, serverName: 'db.example.com' } })).rejects.toMatchObject({
      code: '08001',
    })
    expect(await speaksTls(await connect({ tls: { mode: 'verify-full', ca, serverName: 'localhost' } }))).toBe(true)
    expect(await speaksTls(await connect({ host: 'localhost', tls: { mode: 'verify-full', ca } }))).toBe(true)
  })

  it('require with an authority verifies it, as libpq does', async () => {
    const other = makeCertificateFolder()
    const wrong = other.renew(keyKinds['ECDSA with SHA-384'])
    other.remove()
    await expect(connect({ tls: { mode: 'require', ca: wrong } })).rejects.toMatchObject({ code: '08001' })
  })

  it('never apply to a Unix socket', async () => {
    expect(await speaksTls(await connect({ host: cluster.socketDir, tls: { mode: 'verify-full' } }))).toBe(false)
  })
})

describe('channel binding', () => {
  it.each(Object.keys(keyKinds))('is what Postgres expects for a certificate signed by %s', async kind => {
    ca = certificates.renew(Object.entries(keyKinds).find(([name]) => name === kind)![1])
    await reload(async () => {
      await connect({ tls: { mode: 'verify-full', ca, serverName: 'localhost' } })
    })
  })

  it('keeps a man in the middle out, even where no certificate is verified', async () => {
    const own = makeCertificateFolder()
    const cert = own.renew(keyKinds['RSA with SHA-256'])
    const key = readFileSync(own.keyPath, 'utf8')
    own.remove()
    relay = await startRelay(cluster.port, { key, cert })
    await expect(connect({ port: relay.port, tls: { mode: 'require' } })).rejects.toMatchObject({
      code: '28000',
      cause: { message: expect.stringContaining('channel binding') },
    })
    expect(Buffer.concat(relay.heard[0] ?? []).includes('SCRAM-SHA-256-PLUS')).toBe(true)
  })
})

describe('a cancel request', () => {
  it('goes with TLS where the connection has it', async () => {
    relay = await startRelay(cluster.port)
    for (const mode of ['prefer', 'require'] as const) {
      const upstream = await connect({ port: relay.port, tls: { mode } })
      await cancelSleep(upstream)
    }
    expect(relay.heard.length).toBe(4)
    for (const said of relay.heard) {
      const bytes = Buffer.concat(said)
      expect(bytes.subarray(0, 8)).toEqual(sslRequest)
      expect(bytes[8]).toBe(0x16)
    }
  })

  it('verifies the server as the connection did', async () => {
    const upstream = await connect({ host: 'localhost', tls: { mode: 'verify-full', ca } })
    await cancelSleep(upstream)
  })
})

describe('a password in clear', () => {
  it('goes over TLS or a Unix socket, never in the open; md5 goes nowhere', async () => {
    const hba = join(cluster.dataDir, 'pgdata', 'pg_hba.conf')
    const before = readFileSync(hba, 'utf8')
    const admin = new pg.Client({ connectionString: cluster.url })
    await admin.connect()
    await admin.query(`set password_encryption = md5;
      create role old_login login password 'old'; create role clear_login login password 'clear'`)
    try {
      writeFileSync(
        hba,
        'local all clear_login password\nhost all clear_login all password\nhost all old_login all md5\n',
      )
      appendFileSync(hba, before)
      await admin.query('select pg_catalog.pg_reload_conf()')
      const clear = { user: 'clear_login', password: 'clear' }
      await vi.waitFor(() =>
        expect(connect(clear)).rejects.toMatchObject({ code: '28000', message: expect.stringContaining('in clear') }),
      )
      await connect({ ...clear, tls: { mode: 'require' } })
      await connect({ ...clear, host: cluster.socketDir })
      await expect(connect({ user: 'old_login', password: 'old' })).rejects.toMatchObject({
        code: '28000',
        message: expect.stringContaining('md5'),
      })
    } finally {
      writeFileSync(hba, before)
      await admin.end()
    }
  })
})

async function cancelSleep(upstream: Upstream): Promise<void> {
  const sleeping = upstream.query('select pg_catalog.pg_sleep(30)')
  const outcome = expect(sleeping).rejects.toMatchObject({ code: '57014' })
  await sleep(100)
  await upstream.cancel()
  await outcome
}

/** The server reads its new certificate some time after it is told to: tries until then. */
async function reload(check: () => Promise<void>): Promise<void> {
  const admin = await connect({ host: cluster.socketDir })
  await admin.query('select pg_catalog.pg_reload_conf()')
  await vi.waitFor(check, { timeout: 5000, interval: 50 })
}
