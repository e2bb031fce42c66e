/** Settings of the startup packet: in force and reported before the first statement, whatever the pool's connection had before. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { query } from '../differential/conversations.ts'
import { describe as inWords, RawClient } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'

let served: Served
beforeAll(async () => {
  served = await serve({ seed: 'create table t (id int)' })
}, 60_000)
afterAll(async () => await served.stop())

const greeting = (client: RawClient) => client.greeting.filter(frame => frame.type === 'S').map(inWords)

test('are in the login’s reports, also where a pooled connection has them already', async () => {
  const parameters = [
    ['application_name', 'reports'],
    ['DateStyle', 'German'],
    ['TimeZone', 'Asia/Tokyo'],
    ['options', '-c IntervalStyle=iso_8601'],
  ] as const
  for (const time of ['first', 'second']) {
    const client = await RawClient.open({ ...served.gateway, parameters })
    expect(greeting(client), time).toEqual(
      expect.arrayContaining([
        'S application_name reports',
        'S DateStyle German, DMY',
        'S TimeZone Asia/Tokyo',
        'S IntervalStyle iso_8601',
        'S session_authorization alice@acme',
        'S is_superuser off',
      ]),
    )
    client.send(...query('show timezone').send)
    expect((await client.untilReady()).map(inWords).filter(line => line.startsWith('S'))).toEqual([])
    await client.close()
  }
  const plain = await RawClient.open(served.gateway)
  expect(greeting(plain)).toEqual(
    expect.arrayContaining(['S search_path crm', 'S client_encoding UTF8', 'S standard_conforming_strings on']),
  )
  plain.send(...query("select date '2024-02-03'").send)
  expect((await plain.untilReady()).map(inWords)).toContain(
    `D 00010000000a${Buffer.from('2024-02-03').toString('hex')}`,
  )
  await plain.close()
})

test('that the server does not take end the login with its own error', async () => {
  for (const [name, value, error] of [
    ['TimeZone', 'Nowhere/Land', /22023 .*Nowhere/],
    ['role', 'postgres', /42501|22023|28000/],
    ['options', '-c search_path=postern_catalog', /42501/],
    ['client_encoding', 'LATIN1', /PGCLIENTENCODING/],
  ] as const) {
    await expect(RawClient.open({ ...served.gateway, parameters: [[name, value]] }), name).rejects.toThrow(error)
  }
})
