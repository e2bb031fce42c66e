import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { connectUpstream, type Upstream, type UpstreamOwner } from '../../src/upstream/connection.ts'
import { encodeCommandComplete, encodeReadyForQuery } from '../../src/wire/query.ts'
import { encodeErrorResponse, encodeNotice } from '../../src/wire/reports.ts'
import { encodeDataRow } from '../../src/wire/rows.ts'
import { encodeParameterStatus } from '../../src/wire/session-start.ts'
import { type Peer, type ScriptedServer, startScriptedServer, welcome } from './scripted-server.ts'

let server: ScriptedServer | undefined
let upstream: Upstream | undefined

afterEach(async () => {
  upstream?.destroy('the test is over')
  await server?.close()
})

/** A connection that is logged in, and the server's end of it. */
async function meet(script: (peer: Peer) => Promise<void> | void = () => {}) {
  const peers: Peer[] = []
  server = await startScriptedServer(async (peer, index) => {
    peers.push(peer)
    const first = await peer.first()
    if (first.kind === 'cancel-request' || index > 0) return
    peer.say(welcome())
    await script(peer)
  })
  const tls = { mode: 'disable' } as const
  const options = {
    host: '127.0.0.1',
    port: server.port,
    database: 'd',
    user: 'u',
    password: 'p',
    tls,
    connectTimeoutMs: 500,
    applicationName: 'x',
  }
  upstream = await connectUpstream(options)
  return { upstream, peer: peers[0]!, peers }
}

function listen(to: Upstream) {
  const heard = { bytes: Buffer.alloc(0), closed: vi.fn<UpstreamOwner['closed']>(), drain: vi.fn() }
  to.owner = {
    data: chunk => {
      heard.bytes = Buffer.concat([heard.bytes, chunk])
    },
    drain: heard.drain,
    closed: heard.closed,
  }
  return heard
}

const row = encodeDataRow(['secret of another'])

describe('an idle connection', () => {
  it('hears notices and settings, and stays', async () => {
    const { upstream, peer } = await meet()
    peer.say(
      encodeNotice({ severity: 'WARNING', code: '01000', message: 'm' }),
      encodeParameterStatus('TimeZone', 'Asia/Tokyo'),
    )
    await vi.waitFor(() => expect(upstream.parameters.get('TimeZone')).toBe('Asia/Tokyo'))
    expect(upstream.destroyed).toBe(false)
  })

  it.each([
    ['a row', row],
    ['ReadyForQuery', encodeReadyForQuery('I')],
    ['a FATAL', encodeErrorResponse({ code: '57P01', severity: 'FATAL', message: 'terminating' })],
    ['half a notice', encodeNotice({ severity: 'NOTICE', code: '00000', message: 'm' }).subarray(0, 9)],
    ['a setting that breaks a pin', encodeParameterStatus('standard_conforming_strings', 'off')],
    ['a setting that makes it writable', encodeParameterStatus('default_transaction_read_only', 'off')],
    ['an impossible length', Buffer.from([0x4e, 0, 0, 0, 1])],
    ['an endless notice', Buffer.concat([Buffer.from([0x4e, 0, 1, 0x80, 0]), Buffer.alloc(0x18000)])],
  ])('that hears %s is destroyed', async (_, bytes) => {
    const { upstream, peer } = await meet()
    const onDestroyed = vi.fn()
    upstream.onDestroyed = onDestroyed
    peer.say(bytes)
    await vi.waitFor(() => expect(upstream.destroyed).toBe(true))
    expect(onDestroyed).toHaveBeenCalledOnce()
    peer.socket.resume()
    await vi.waitFor(() => expect(server?.peers.size).toBe(0))
  })

  it('that the server closes is destroyed', async () => {
    const { upstream, peer } = await meet()
    peer.socket.end()
    await vi.waitFor(() => expect(upstream.destroyed).toBe(true))
    await expect(upstream.query('select 1')).rejects.toMatchObject({ code: '08006' })
    expect(upstream.write(row)).toBe(false)
  })

  it('says goodbye when it is ended', async () => {
    const heard: number[] = []
    const { upstream } = await meet(async peer => {
      heard.push((await peer.frame()).type)
    })
    upstream.close('no longer needed')
    await vi.waitFor(() => expect(heard).toEqual(['X'.charCodeAt(0)]))
    await vi.waitFor(() => expect(server?.peers.size).toBe(0))
  })
})

describe('the owner', () => {
  it('gets every byte as it comes, and what it writes arrives', async () => {
    const { upstream, peer } = await meet()
    const heard = listen(upstream)
    peer.say(row.subarray(0, 7))
    await vi.waitFor(() => expect(heard.bytes.length).toBe(7))
    peer.say(row.subarray(7))
    await vi.waitFor(() => expect(heard.bytes).toEqual(row))
    upstream.write(Buffer.from([0x53, 0, 0, 0, 4]))
    expect((await peer.frame()).type).toBe(0x53)
  })

  it('can hold the server back', async () => {
    const { upstream, peer } = await meet()
    const heard = listen(upstream)
    upstream.pause()
    peer.say(row)
    await sleep(30)
    expect(heard.bytes.length).toBe(0)
    upstream.resume()
    await vi.waitFor(() => expect(heard.bytes).toEqual(row))
  })

  it('is told when a slow server has taken everything', async () => {
    const { upstream, peer } = await meet()
    const heard = listen(upstream)
    peer.socket.pause()
    let full = false
    while (!full) full = !upstream.write(Buffer.alloc(1 << 20))
    expect(heard.drain).not.toHaveBeenCalled()
    peer.socket.resume()
    await vi.waitFor(() => expect(heard.drain).toHaveBeenCalled())
  })

  it('is told once that the connection has ended, with the reason for the log', async () => {
    const { upstream, peer } = await meet()
    const heard = listen(upstream)
    peer.socket.resetAndDestroy()
    await vi.waitFor(() => expect(heard.closed).toHaveBeenCalledOnce())
    expect(heard.closed.mock.calls[0]?.[0]).toMatchObject({ code: '08006', cause: expect.anything() })
    upstream.destroy('again')
    await sleep(20)
    expect(heard.closed).toHaveBeenCalledOnce()
  })

  it('that reports a broken pin loses the connection', async () => {
    const { upstream } = await meet()
    const heard = listen(upstream)
    upstream.report({ name: 'application_name', value: 'fine' })
    expect(upstream.destroyed).toBe(false)
    upstream.report({ name: 'client_encoding', value: 'LATIN1' })
    expect(upstream.destroyed).toBe(true)
    await vi.waitFor(() => expect(heard.closed).toHaveBeenCalledOnce())
    expect(heard.closed.mock.calls[0]?.[0].cause).toMatchObject({ message: expect.stringContaining('LATIN1') })
  })

  it('keeps our own queries out', async () => {
    const { upstream } = await meet()
    listen(upstream)
    await expect(upstream.query('select 1')).rejects.toMatchObject({ code: 'XX000' })
  })
})

describe('a query of our own', () => {
  it('collects rows, takes settings in, and lets nothing else run beside it', async () => {
    const { upstream } = await meet(async peer => {
      await peer.frame()
      const answer = Buffer.concat([
        encodeParameterStatus('TimeZone', 'UTC'),
        encodeDataRow(['a', null]),
        encodeDataRow(['ü']),
        encodeCommandComplete('SELECT 2'),
        encodeReadyForQuery('I'),
      ])
      for (const byte of answer) peer.say(Buffer.from([byte]))
    })
    const rows = upstream.query('select')
    await expect(upstream.query('select')).rejects.toMatchObject({ code: 'XX000' })
    expect(await rows).toEqual([['a', null], ['ü']])
    expect(upstream.parameters.get('TimeZone')).toBe('UTC')
  })

  it.each([
    ['asks for COPY data', Buffer.from([0x47, 0, 0, 0, 7, 0, 0, 0])],
    ['breaks the protocol', Buffer.from([0x44, 0, 0, 0, 6, 0, 9])],
    ['closes with a FATAL', encodeErrorResponse({ code: '57P01', severity: 'FATAL', message: 'terminating' })],
  ])('fails when the server %s', async (_, bytes) => {
    const { upstream } = await meet(async peer => {
      await peer.frame()
      peer.say(bytes)
      await sleep(20)
      peer.socket.end()
    })
    await expect(upstream.query('select')).rejects.toMatchObject({ code: expect.stringMatching(/^(08006|57P01)$/) })
    expect(upstream.destroyed).toBe(true)
  })

  it('does not wait for ever', async () => {
    const { upstream } = await meet()
    await expect(upstream.query('select', 50)).rejects.toMatchObject({ code: '08006' })
  })

  it('refuses text that would be cut', async () => {
    const { upstream } = await meet()
    await expect(upstream.query('select 1\0')).rejects.toMatchObject({ code: '22021' })
    expect(upstream.destroyed).toBe(false)
  })
})

describe('a cancel request', () => {
  it('is on its way until the server has closed', async () => {
    const { upstream, peers } = await meet()
    const sent = upstream.cancel()
    expect(upstream.cancelling).toBeDefined()
    await vi.waitFor(() => expect(peers.length).toBe(2))
    await sleep(30)
    expect(upstream.cancelling).toBeDefined()
    peers[1]?.socket.end()
    await sent
    await vi.waitFor(() => expect(upstream.cancelling).toBeUndefined())
    expect(upstream.dirty).toBe(false)
  })

  it('that is not taken in time leaves the connection dirty', async () => {
    const { upstream } = await meet()
    await expect(upstream.cancel()).rejects.toMatchObject({ code: '08001' })
    await vi.waitFor(() => expect(upstream.cancelling).toBeUndefined())
    expect(upstream.dirty).toBe(true)
  })
})
