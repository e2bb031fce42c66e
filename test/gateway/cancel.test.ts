import { afterEach, describe, expect, it } from 'vitest'
import { CancelRegistry } from '../../src/gateway/cancel-registry.ts'
import { encodeQuery } from '../../src/wire/query.ts'
import { encodeCancelRequest, encodeStartupMessage } from '../../src/wire/startup.ts'
import { type Door, openDoor } from './door.ts'
import { connectOverTls, RawClient } from './raw-client.ts'

let door: Door

afterEach(() => door?.gateway.close(0))

async function sleeper(minor: number): Promise<{ client: RawClient; pid: number; key: Buffer }> {
  const client = await RawClient.connect(door.port)
  await client.logIn({}, 'secret', minor)
  const { pid, key } = await client.welcome()
  await client.send(encodeQuery('sleep'))
  return { client, pid, key }
}

describe('a CancelRequest', () => {
  it.each([
    ['plain', 0, (port: number) => RawClient.connect(port)],
    ['over TLS', 0, (port: number) => connectOverTls(port)],
    ['plain with a key of 32 bytes', 2, (port: number) => RawClient.connect(port)],
    ['over TLS with a key of 32 bytes', 2, (port: number) => connectOverTls(port)],
  ])('cancels, says nothing and closes: %s', async (_, minor, connect) => {
    door = await openDoor()
    const { client, pid, key } = await sleeper(minor)
    const canceller = await connect(door.port)
    await canceller.send(encodeCancelRequest({ pid, key }))
    expect(await client.error()).toMatchObject({ severity: 'ERROR', code: '57014' })
    expect(await client.letters()).toBe('Z')
    expect(await canceller.next()).toBeUndefined()
  })

  it('with a wrong key, a short key or an unknown pid does nothing', async () => {
    door = await openDoor()
    const { pid, key } = await sleeper(2)
    const wrong = Buffer.from(key)
    wrong[31] = wrong[31]! ^ 1
    for (const request of [
      { pid, key: wrong },
      { pid, key: key.subarray(0, 4) },
      { pid, key: Buffer.concat([key, key]) },
      { pid: pid === 1 ? 2 : pid - 1, key },
    ]) {
      const canceller = await RawClient.connect(door.port)
      await canceller.send(encodeCancelRequest(request))
      expect(await canceller.next()).toBeUndefined()
    }
    expect(door.sessions[0]?.cancels).toBe(0)
  })

  it('is obeyed only while the connection that it names is there', async () => {
    door = await openDoor()
    const { client, pid, key } = await sleeper(0)
    client.destroy()
    await expect.poll(() => door.sessions[0]?.closes).toBe(1)
    const canceller = await RawClient.connect(door.port)
    await canceller.send(encodeCancelRequest({ pid, key }))
    expect(await canceller.next()).toBeUndefined()
    expect(door.sessions[0]?.cancels).toBe(0)
  })

  it('is not mistaken for a login: no record, no throttle', async () => {
    door = await openDoor()
    const canceller = await RawClient.connect(door.port)
    await canceller.send(
      encodeCancelRequest({ pid: 1, key: Buffer.alloc(4) }),
      encodeStartupMessage(0, [['user', 'x']]),
    )
    await canceller.whenClosed()
    expect(door.records).toEqual([])
    expect(door.logins.attempts).toEqual([])
  })
})

describe('the registry', () => {
  const target = { cancel: () => Promise.resolve() }

  it('answers an address as often as the limit says, and guesses twenty times less often', () => {
    const registry = new CancelRegistry(20)
    const { virtualPid, key } = registry.reserve(0)
    registry.bind(virtualPid, target)
    const ask = (address: string, guess: Buffer, atMs: number): boolean =>
      registry.find(virtualPid, guess, address, atMs) === target
    const right = Array.from({ length: 300 }, () => ask('10.0.0.1', key, 0))
    expect(right.filter(found => found)).toHaveLength(200)
    expect(ask('10.0.0.1', key, 1_000)).toBe(true)
    for (let i = 0; i < 10; i++) expect(ask('10.0.0.2', Buffer.alloc(4), 0)).toBe(false)
    expect(ask('10.0.0.2', key, 0)).toBe(false)
    expect(ask('10.0.0.3', key, 0)).toBe(true)
    expect(ask('10.0.0.2', key, 1_000)).toBe(true)
  })

  it('gives every connection a pid of its own', () => {
    const registry = new CancelRegistry(20)
    const pids = new Set(Array.from({ length: 1_000 }, () => registry.reserve(0).virtualPid))
    expect(pids.size).toBe(1_000)
    expect([...pids].every(pid => pid > 0 && pid < 2 ** 31)).toBe(true)
  })
})
