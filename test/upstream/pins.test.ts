import { describe, expect, it } from 'vitest'
import { encodeErrorResponse } from '../../src/wire/reports.ts'
import { encodeNegotiateProtocolVersion } from '../../src/wire/session-start.ts'
import { answering, meet, refusalOf } from './meeting.ts'
import { goodParameters, welcome } from './scripted-server.ts'

describe('the protocol version', () => {
  it('3.2 is asked, with our pins, and taken', async () => {
    let asked: unknown
    await meet(async peer => {
      asked = await peer.first()
      peer.say(welcome(goodParameters, Buffer.alloc(32, 1)))
    })
    expect(asked).toMatchObject({ major: 3, minor: 2, protocolOptions: [] })
    expect(asked).toMatchObject({
      parameters: new Map([
        ['user', 'gate'],
        ['database', 'crm'],
        ['application_name', 'postern'],
        ['client_encoding', 'UTF8'],
        ['standard_conforming_strings', 'on'],
        ['default_transaction_read_only', 'on'],
      ]),
    })
  })

  it('3.0 is accepted from a server that has no newer', async () => {
    const older = encodeNegotiateProtocolVersion({ major: 3, minor: 0, options: [] })
    expect((await meet(answering(older, welcome()))).processId).toBe(4711)
  })

  it('3.0 is asked anew of a server that cannot negotiate', async () => {
    const minors: number[] = []
    await meet(async peer => {
      const first = await peer.first()
      if (first.kind === 'startup') minors.push(first.minor)
      if (minors.length === 1)
        peer.say(
          encodeErrorResponse({ code: '0A000', severity: 'FATAL', message: 'unsupported frontend protocol 3.2' }),
        )
      else peer.say(welcome())
    })
    expect(minors).toEqual([2, 0])
    const never = answering(encodeErrorResponse({ code: '08P01', severity: 'FATAL', message: 'no' }))
    expect(await refusalOf(meet(never))).toMatchObject({ code: '08001' })
  })

  it('is refused where the server negotiates nonsense', async () => {
    const nonsense = [
      { major: 3, minor: 2, options: [] },
      { major: 3, minor: 1, options: [] },
      { major: 3, minor: 9999, options: [] },
      { major: 4, minor: 0, options: [] },
      { major: 3, minor: 0, options: ['_pq_.x'] },
    ]
    for (const version of nonsense) {
      expect(await refusalOf(meet(answering(encodeNegotiateProtocolVersion(version), welcome())))).toMatchObject({
        code: '08P01',
      })
    }
  })

  it('decides the length of the cancel key', async () => {
    const older = encodeNegotiateProtocolVersion({ major: 3, minor: 0, options: [] })
    expect(await refusalOf(meet(answering(older, welcome(goodParameters, Buffer.alloc(32)))))).toMatchObject({
      code: '08P01',
    })
    expect((await meet(answering(welcome(goodParameters, Buffer.alloc(256))))).processId).toBe(4711)
  })
})

describe('the pins', () => {
  it.each(['client_encoding', 'standard_conforming_strings', 'default_transaction_read_only'])(
    '%s must be reported as it was asked',
    async name => {
      const { [name as keyof typeof goodParameters]: _, ...without } = goodParameters
      for (const parameters of [without, { ...goodParameters, [name]: 'off' }]) {
        expect(await refusalOf(meet(answering(welcome(parameters))))).toMatchObject({ code: '08001' })
      }
    },
  )

  it('go with a version', async () => {
    for (const version of [{}, { server_version: 'devel' }]) {
      const { server_version: _, ...rest } = goodParameters
      expect(await refusalOf(meet(answering(welcome({ ...rest, ...version }))))).toMatchObject({ code: '08001' })
    }
    expect((await meet(answering(welcome({ ...goodParameters, server_version: '19devel' })))).major).toBe(19)
  })
})
