import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { connectUpstream, type Upstream } from '../../src/upstream/connection.ts'
import type { UpstreamOptions } from '../../src/upstream/upstream-options.ts'
import { encodeQuery } from '../../src/wire/query.ts'
import { testCluster } from '../support/cluster.ts'

const open: Upstream[] = []
afterEach(() => {
  for (const upstream of open.splice(0)) upstream.destroy('the test is over')
})

async function connect(options: Partial<UpstreamOptions> = {}): Promise<Upstream> {
  const { host, port, superuser: user, password } = await testCluster()
  const rest = { tls: { mode: 'prefer' }, connectTimeoutMs: 3000, applicationName: 'postern test' } as const
  const upstream = await connectUpstream({ host, port, database: 'postgres', user, password, ...rest, ...options })
  open.push(upstream)
  return upstream
}

describe('a connection to Postgres', () => {
  it('is pinned, and knows whom it speaks to', async () => {
    const upstream = await connect()
    const { major } = await testCluster()
    expect(upstream.major).toBe(major)
    const [row] =
      await upstream.query(`select pg_catalog.pg_backend_pid(), pg_catalog.current_setting('default_transaction_read_only'),
      pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('application_name')`)
    expect(row).toEqual([String(upstream.processId), 'on', 'UTF8', 'postern test'])
    await expect(upstream.query('create schema s')).rejects.toMatchObject({ code: '25006' })
  })

  it('starts as another role where it is told to, and falls back to it', async () => {
    const upstream = await connect({ role: 'pg_read_all_stats' })
    await upstream.query('reset role')
    expect(await upstream.query('select current_user')).toEqual([['pg_read_all_stats']])
    await expect(connect({ role: 'nobody_here' })).rejects.toThrow('the database server refused')
  })

  it('answers our own SQL: several statements, NULL, every letter, errors', async () => {
    const upstream = await connect()
    expect(await upstream.query(`select 1, null; select '–Ж😀'; select`)).toEqual([['1', null], ['–Ж😀'], []])
    expect(await upstream.query('')).toEqual([])
    await expect(upstream.query('select 1; slect')).rejects.toMatchObject({
      code: '42601',
      severity: 'ERROR',
      position: 11,
    })
    const many = await upstream.query(
      `select i, pg_catalog.repeat('x', 100) from pg_catalog.generate_series(1, 20000) i`,
    )
    expect(many.length).toBe(20_000)
  })

  it('goes through a Unix socket too', async () => {
    const { socketDir } = await testCluster()
    if (socketDir === undefined) return
    expect(await (await connect({ host: socketDir })).query('select pg_catalog.inet_client_addr()')).toEqual([[null]])
  })

  it.each([
    ['a wrong password', { password: 'wrong' }, '28000'],
    ['an unknown role', { user: 'nobody_here' }, '28000'],
    ['an unknown database', { database: 'nothing_here' }, '3D000'],
    ['a port where nobody listens', { port: 1 }, '08001'],
    ['a folder without a socket', { host: '/nowhere' }, '08001'],
    ['a host without an address', { host: 'nowhere.invalid' }, '08001'],
  ])('fails with %s', async (_, options, code) => {
    await expect(connect(options)).rejects.toMatchObject({ code, severity: 'ERROR' })
  })

  it('gives its owner the server as it is', async () => {
    const upstream = await connect()
    const chunks: Buffer[] = []
    upstream.owner = { data: chunk => void chunks.push(chunk), drain: () => {}, closed: () => {} }
    upstream.write(encodeQuery('select 7'))
    await vi.waitFor(() => expect(Buffer.concat(chunks).subarray(-6)).toEqual(Buffer.from('Z\0\0\0\x05I')))
    upstream.owner = undefined
    expect(await upstream.query('select 8')).toEqual([['8']])
  })

  it('can be cancelled, and used again', async () => {
    const upstream = await connect()
    const sleeping = expect(upstream.query('select pg_catalog.pg_sleep(30)')).rejects.toMatchObject({ code: '57014' })
    await sleep(50)
    await Promise.all([upstream.cancel(), upstream.cancel()])
    await sleeping
    for (let round = 0; round < 20; round++) {
      await upstream.cancel()
      expect(upstream.cancelling).toBeDefined()
      await upstream.cancelling
      expect(await upstream.query('select 1')).toEqual([['1']])
    }
  })

  it('that an administrator terminates is destroyed, and its owner told', async () => {
    const [idle, owned, admin] = [await connect(), await connect(), await connect()]
    const closed = vi.fn()
    owned.owner = { data: () => {}, drain: () => {}, closed }
    await admin.query(
      `select pg_catalog.pg_terminate_backend(${idle.processId}), pg_catalog.pg_terminate_backend(${owned.processId})`,
    )
    await vi.waitFor(() => expect([idle.destroyed, owned.destroyed]).toEqual([true, true]))
    await vi.waitFor(() => expect(closed).toHaveBeenCalledOnce())
  })

  it('whose server changes a pin under it is destroyed', async () => {
    const upstream = await connect()
    await expect(upstream.query('set standard_conforming_strings = off')).rejects.toMatchObject({ code: '08006' })
    expect(upstream.destroyed).toBe(true)
  })
})
