import { afterEach, describe, expect, it } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { encodeBind, encodeDescribe, encodeExecute, encodeParse } from '../../src/wire/extended-query.ts'
import { encodeQuery, sync, terminate } from '../../src/wire/query.ts'
import { type Door, type DoorOptions, openDoor } from './door.ts'
import { connectOverTls, logIn, type RawClient } from './raw-client.ts'

let door: Door

async function converse(options: DoorOptions = {}): Promise<RawClient> {
  door = await openDoor(options)
  return logIn(door.port)
}

afterEach(() => door.gateway.close(0))

const extended = [
  encodeParse({ name: '', text: 'select 1', parameterTypes: [] }),
  encodeBind({ portal: '', statement: '', parameterFormats: [], parameters: [], resultFormats: [] }),
  encodeDescribe({ kind: 'P', name: '' }),
  encodeExecute({ portal: '', rowsMax: 0 }),
  sync,
]

describe('a conversation', () => {
  it('takes any number of messages in one write', async () => {
    const client = await converse()
    await client.send(...Array.from({ length: 50 }, () => extended).flat())
    for (let i = 0; i < 50; i++) expect(await client.letters()).toBe('12TDCZ')
    expect(door.sessions[0]?.received.join('')).toBe('PBDES'.repeat(50))
  })

  it('takes a message split at every byte', async () => {
    const client = await converse()
    const bytes = Buffer.concat([...extended, encodeQuery('select 1')])
    for (let at = 1; at < bytes.length; at++) {
      await client.send(bytes.subarray(0, at))
      await client.send(bytes.subarray(at))
      expect((await client.letters()) + (await client.letters())).toBe('12TDCZTDCZ')
    }
  })

  it('writes the records of a turn once, before the first byte of the turn leaves', async () => {
    const client = await converse()
    door.spool.length = 0
    await client.send(...Array.from({ length: 20 }, () => encodeQuery('select 1')))
    for (let i = 0; i < 20; i++) expect(await client.letters()).toBe('TDCZ')
    expect(door.spool.filter(entry => entry === 'flush')).toHaveLength(1)
  })

  it('lets nothing out that the spool does not have', async () => {
    const client = await converse()
    door.breakSpool()
    await client.send(encodeQuery('select 1'))
    expect(await client.letters()).toBe('E.')
    expect(door.sessions[0]?.closes).toBe(1)
    await expect.poll(() => door.gateway.stats().connections).toBe(0)
  })

  it('stops reading a client whose session is full, and loses nothing', async () => {
    const client = await converse()
    await client.send(...Array.from({ length: 5 }, () => [encodeQuery('lag'), encodeQuery('select 1')]).flat())
    for (let i = 0; i < 5; i++) expect((await client.letters()) + (await client.letters())).toBe('CZTDCZ')
    await client.send(encodeQuery('lag'), encodeQuery('select 1'), terminate)
    expect((await client.letters()) + (await client.letters())).toBe('CZTDCZ')
    await client.whenClosed()
    expect(door.sessions[0]?.closes).toBe(1)
  })

  it('gives up a message above the cap once its bytes have gone by', async () => {
    const client = await converse({ limits: { messageMaxBytes: 1_000 } })
    await client.send(encodeQuery(`select ${'x'.repeat(200_000)}`), encodeQuery('select 1'))
    expect((await client.letters()) + (await client.letters())).toBe('EZTDCZ')
    expect(door.sessions[0]?.received).toEqual(['oversize Q', 'Q'])
  })

  it('takes no memory for what a length word promises', async () => {
    const client = await converse()
    const before = process.memoryUsage().rss
    await client.send(Buffer.from([0x51, 0x3f, 0xff, 0xff, 0xff, 0x41]))
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6)
    expect(door.gateway.stats().connections).toBe(1)
    client.destroy()
  })

  it('ends with 08P01 on a length that cannot be, after what was answered', async () => {
    const client = await converse()
    await client.send(encodeQuery('select 1'), Buffer.from([0x51, 0, 0, 0, 3]))
    expect(await client.letters()).toBe('TDCZ')
    expect(await client.error()).toMatchObject({ severity: 'FATAL', code: '08P01' })
    await client.whenClosed()
  })

  it('ends bland on a fault of ours, and the next one is served', async () => {
    const client = await converse()
    await client.send(encodeQuery('crash'))
    expect(await client.error()).toMatchObject({ severity: 'FATAL', code: 'XX000', message: 'internal error' })
    await client.whenClosed()
    expect(door.logged.join()).toContain('a fault of ours')
    const next = await logIn(door.port)
    await next.send(encodeQuery('select 1'))
    expect(await next.letters()).toBe('TDCZ')
  })

  it.each([
    ['Terminate', (client: RawClient) => client.send(terminate)],
    ['EOF', async (client: RawClient) => void client.socket.end()],
    ['a reset', async (client: RawClient) => void client.socket.resetAndDestroy()],
  ])('closes its session once at %s', async (_, leave) => {
    const client = await converse()
    await client.send(encodeQuery('begin'))
    await client.letters()
    await leave(client)
    await expect.poll(() => door.sessions[0]?.closes).toBe(1)
    await client.whenClosed()
    expect(door.gateway.stats().connections).toBe(0)
  })
})

describe('a reader', () => {
  async function enter(overTls: boolean): Promise<RawClient> {
    if (!overTls) return logIn(door.port)
    const client = await connectOverTls(door.port)
    await client.logIn()
    await client.welcome()
    return client
  }

  it.each([
    ['plain', false],
    ['over TLS', true],
  ])('that is slow stops the session, and gets everything in the end: %s', async (_, overTls) => {
    door = await openDoor()
    const client = await enter(overTls)
    client.socket.pause()
    const before = process.memoryUsage().arrayBuffers
    await client.send(encodeQuery('flood 50000'))
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10e6)
    client.socket.resume()
    const letters = await client.letters()
    expect(letters).toBe(`T${'D'.repeat(50_000)}CZ`)
  })

  it.each([
    ['plain', false],
    ['over TLS', true],
  ])('that takes nothing at all is cut off: %s', async (_, overTls) => {
    door = await openDoor({ limits: { slowReaderTimeoutMs: 500 } })
    const client = await enter(overTls)
    client.socket.pause()
    await client.send(encodeQuery('flood 100000'))
    await expect.poll(() => door.sessions[0]?.closes, { timeout: 3_000 }).toBe(1)
    expect(door.gateway.stats()).toMatchObject({ connections: 0, slowReadersCut: 1 })
    client.socket.resume()
    await client.whenClosed()
  })

  it('that takes nothing and says good-bye is cut off too', async () => {
    const client = await converse({ limits: { slowReaderTimeoutMs: 500 } })
    client.socket.pause()
    await client.send(encodeQuery('flood 100000'))
    await expect.poll(() => door.sessions[0]?.received).toContain('Q')
    await client.send(terminate)
    await expect
      .poll(() => door.gateway.stats(), { timeout: 3_000 })
      .toMatchObject({ connections: 0, slowReadersCut: 1 })
    client.destroy()
  })

  it('that takes a little now and then is not', async () => {
    const client = await converse({ limits: { slowReaderTimeoutMs: 700 } })
    client.socket.pause()
    await client.send(encodeQuery('flood 60000'))
    for (let i = 0; i < 15; i++) {
      await new Promise(resolve => setTimeout(resolve, 100))
      client.socket.resume()
      await new Promise(resolve => setTimeout(resolve, 10))
      client.socket.pause()
    }
    client.socket.resume()
    await client.letters()
    expect(door.gateway.stats().slowReadersCut).toBe(0)
  })
})

describe('sessions', () => {
  const revoked = new SqlError({ code: '57P01', message: 'terminating connection: access was revoked' })

  it('are listed, and ended by whom they belong to', async () => {
    const client = await converse()
    expect(door.gateway.sessions()).toMatchObject([
      { principalId: 'p-alice', tenantId: 't-acme', address: '127.0.0.1', encrypted: false },
    ])
    expect(door.gateway.end(about => about.tenantId === 't-other', revoked)).toBe(0)
    expect(door.gateway.end(about => about.tenantId === 't-acme', revoked)).toBe(1)
    expect(await client.error()).toMatchObject({ severity: 'FATAL', code: '57P01', message: revoked.message })
    await client.whenClosed()
    expect(door.sessions[0]?.closes).toBe(1)
  })

  it('are as many as the limit lets', async () => {
    const client = await converse({ limits: { connectionsMax: 1 } })
    await expect(logIn(door.port)).rejects.toThrow('too many clients')
    client.destroy()
    await expect.poll(() => door.gateway.stats().connections).toBe(0)
    await logIn(door.port)
  })
})

describe('a shutdown', () => {
  it('sends 57P01 at once to the idle, and at the end of their transactions to the others', async () => {
    const idle = await converse()
    const busy = await logIn(door.port)
    await busy.send(encodeQuery('begin'))
    await busy.letters()
    const closed = door.gateway.close(5_000)
    expect(await idle.error()).toMatchObject({ severity: 'FATAL', code: '57P01' })
    await busy.send(encodeQuery('select 1'))
    expect(await busy.letters()).toBe('TDCZ')
    await busy.send(encodeQuery('commit'))
    expect(await busy.letters()).toBe('CZ')
    expect(await busy.error()).toMatchObject({ severity: 'FATAL', code: '57P01' })
    await closed
    await expect(logIn(door.port)).rejects.toThrow('ECONNREFUSED')
  })

  it('waits for nobody beyond its deadline', async () => {
    const busy = await converse()
    await busy.send(encodeQuery('begin'))
    await busy.letters()
    const started = Date.now()
    const closed = door.gateway.close(300)
    expect(await busy.error()).toMatchObject({ code: '57P01' })
    await closed
    expect(Date.now() - started).toBeLessThan(1_500)
    expect(door.sessions[0]?.closes).toBe(1)
  })
})
