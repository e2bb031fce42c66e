import { mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { addressKey } from '../../src/gateway/admission.ts'
import { encodeQuery } from '../../src/wire/query.ts'
import { sslRequest } from '../../src/wire/startup.ts'
import { type Door, openDoor } from './door.ts'
import { logIn, RawClient } from './raw-client.ts'

let door: Door
let crowd: Socket[] = []

afterEach(async () => {
  for (const socket of crowd) socket.destroy()
  crowd = []
  await door?.gateway.close(0)
})

/** Connections from `address` that say `words` and nothing more. */
async function gather(count: number, address: string, words?: Buffer): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ port: door.port, host: '127.0.0.1', localAddress: address })
      crowd.push(socket)
      socket.on('error', () => {})
      socket.resume()
      await new Promise(resolve => socket.once('connect', resolve).once('close', resolve))
      if (words !== undefined) socket.write(words)
    }),
  )
}

describe('a crowd that does not log in', () => {
  it('from one address leaves the door open for others', async () => {
    door = await openDoor()
    // In waves: the kernel makes those wait for a second whom it cannot queue.
    for (let wave = 0; wave < 30; wave++) await gather(100, '127.0.0.2')
    const client = await logIn(door.port)
    await client.send(encodeQuery('select 1'))
    expect(await client.letters()).toBe('TDCZ')
    await expect.poll(() => door.gateway.stats()).toMatchObject({ unauthenticated: 100, turnedAway: 2_900 })
  })

  it('is told so, and let in again when places are free', async () => {
    door = await openDoor({ limits: { unauthenticatedPerAddressMax: 2, unauthenticatedMax: 3 } })
    await gather(2, '127.0.0.1', sslRequest)
    await expect.poll(() => door.gateway.stats().unauthenticated).toBe(2)
    const third = await RawClient.connect(door.port)
    expect(await third.error()).toMatchObject({
      severity: 'FATAL',
      code: '53300',
      message: expect.stringContaining('from your address'),
    })
    await gather(1, '127.0.0.2')
    const fourth = await RawClient.connect(door.port, '127.0.0.3')
    expect(await fourth.error()).toMatchObject({ code: '53300', message: 'too many connections are logging in' })
    for (const socket of crowd) socket.destroy()
    await expect.poll(() => door.gateway.stats().unauthenticated).toBe(0)
    await logIn(door.port)
  })

  it('that sends what is no startup packet is refused at once', async () => {
    door = await openDoor()
    const hello = [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      '\x3f\xff\xff\xff',
      '\0\0\0\x04',
      '\0\0\0\0\0\0\0\0',
      'SSH-2.0-x\r\n',
      '\0\0\x27\x11',
    ]
    for (const words of hello) {
      const client = await RawClient.connect(door.port)
      await client.send(Buffer.from(words, 'latin1'))
      expect(await client.error()).toMatchObject({ severity: 'FATAL', code: '08P01' })
      await client.whenClosed()
    }
    expect(door.records).toEqual([])
  })

  it('of lingerers is not waited for', async () => {
    door = await openDoor({ limits: { lingerMs: 300 } })
    const client = await RawClient.connect(door.port)
    client.socket.allowHalfOpen = true
    await client.send(Buffer.from('GET / HTTP/1.1\r\n'))
    await client.error()
    await expect.poll(() => door.gateway.stats().unauthenticated, { timeout: 2_000 }).toBe(0)
  })
})

describe('a Unix socket', () => {
  it('is served without TLS, and taken over from the dead but not from the living', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'door-'))
    const socketPath = join(folder, '.s.PGSQL.6432')
    try {
      await leaveBehind(socketPath)
      door = await openDoor({ socketPath, requireTls: true })
      const client = await RawClient.connectPath(socketPath)
      await client.send(sslRequest)
      expect(await client.answer()).toBe('N')
      await client.logIn()
      await client.welcome()
      expect(door.gateway.sessions()).toMatchObject([{ address: 'local' }])
      await expect(openDoor({ socketPath })).rejects.toThrow('EADDRINUSE')
      expect((await stat(socketPath)).isSocket()).toBe(true)
    } finally {
      await door.gateway.close(0)
      await rm(folder, { recursive: true })
    }
  })

  /** As after kill -9: the file is there, nobody listens. */
  async function leaveBehind(path: string): Promise<void> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(`${path}.x`, resolve))
    await rename(`${path}.x`, path)
    await new Promise(resolve => server.close(resolve))
  }
})

describe('an address', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('%s counts as %s', (address, key) => expect(addressKey(address)).toBe(key))
})
