import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { connectUpstream, type UpstreamOptions } from '../../src/upstream/connection.ts'
import { decodeSaslInitialResponse, encodeAuthentication } from '../../src/wire/authentication.ts'
import { encodeErrorResponse, encodeNotice } from '../../src/wire/reports.ts'
import { makeVerifier, parseVerifier } from '../../src/wire/scram.ts'
import { ScramServer } from '../../src/wire/scram-server.ts'
import {
  encodeBackendKeyData,
  encodeNegotiateProtocolVersion,
  encodeParameterStatus,
} from '../../src/wire/session-start.ts'
import { goodParameters, type Peer, type ScriptedServer, startScriptedServer, welcome } from './scripted-server.ts'

const secret = 'hunter2-do-not-tell'
const verifier = parseVerifier(await makeVerifier(secret, 64))
let server: ScriptedServer | undefined

afterEach(async () => {
  await server?.close()
  server = undefined
})

/** Our login against a server with this script. Connections made are ended. */
async function meet(
  script: (peer: Peer, index: number) => Promise<void> | void,
  options: Partial<UpstreamOptions> = {},
) {
  server = await startScriptedServer(script)
  const upstream = await connectUpstream({
    host: '127.0.0.1',
    port: server.port,
    database: 'crm',
    user: 'gate',
    password: secret,
    tls: { mode: 'disable' },
    connectTimeoutMs: 2000,
    applicationName: 'postern',
    ...options,
  })
  upstream.destroy('the test is over')
  return upstream
}

function answering(...messages: Buffer[]) {
  return async (peer: Peer) => {
    await peer.first()
    peer.say(...messages)
  }
}

/** What the login was refused with; no secret in any of it. */
async function refusalOf(meeting: Promise<unknown>) {
  const error: unknown = await meeting.then(
    () => undefined,
    thrown => thrown,
  )
  expect(error).toBeDefined()
  expect(error).not.toMatchObject({ severity: 'FATAL' })
  expect(inspect(error, { depth: 9 })).not.toContain(secret)
  return error
}

describe('before TLS', () => {
  const requireTls = { tls: { mode: 'require' } } as const

  it('bytes stuffed in behind the S end it', async () => {
    const stuffed = answering(Buffer.from('S'), encodeAuthentication({ kind: 'ok' }))
    expect(await refusalOf(meet(stuffed, requireTls))).toMatchObject({ code: '08P01' })
    await server?.close()
    const afterN = answering(Buffer.from('N'), encodeAuthentication({ kind: 'ok' }))
    expect(await refusalOf(meet(afterN, { tls: { mode: 'prefer' } }))).toMatchObject({ code: '08P01' })
  })

  it('an error text is not believed', async () => {
    const script = answering(encodeErrorResponse({ code: '28000', message: 'trust me' }))
    const error = await refusalOf(meet(script, { tls: { mode: 'prefer' } }))
    expect(error).toMatchObject({ code: '08P01' })
    expect(inspect(error)).not.toContain('trust me')
  })

  it('a server without TLS is left where TLS is required, and taken where it is preferred', async () => {
    const noTls = async (peer: Peer) => {
      await peer.first()
      peer.say(Buffer.from('N'))
      await peer.first()
      peer.say(welcome())
    }
    for (const mode of ['require', 'verify-ca', 'verify-full'] as const) {
      expect(await refusalOf(meet(noTls, { tls: { mode } }))).toMatchObject({ code: '08001' })
      await server?.close()
    }
    expect((await meet(noTls, { tls: { mode: 'prefer' } })).major).toBe(18)
  })

  it('a handshake that is none ends it', async () => {
    expect(await refusalOf(meet(answering(Buffer.from('S')), { ...requireTls, connectTimeoutMs: 300 }))).toMatchObject({
      code: '08001',
    })
    await server?.close()
    const garbage = async (peer: Peer) => {
      await peer.first()
      peer.say(Buffer.from('S'))
      setTimeout(() => peer.say(Buffer.from('220 smtp.example.com ESMTP\r\n')), 50)
    }
    expect(await refusalOf(meet(garbage, requireTls))).toMatchObject({ code: '08001' })
  })
})

describe('a login', () => {
  it('has a deadline for all of it', async () => {
    const started = performance.now()
    expect(await refusalOf(meet(() => {}, { connectTimeoutMs: 200 }))).toMatchObject({
      code: '08001',
      message: expect.stringContaining('200 ms'),
    })
    await server?.close()
    const chatty = async (peer: Peer) => {
      for (;;) {
        peer.say(encodeNotice({ severity: 'NOTICE', code: '00000', message: 'soon' }))
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
    expect(await refusalOf(meet(chatty, { connectTimeoutMs: 200 }))).toMatchObject({ code: '08001' })
    expect(performance.now() - started).toBeLessThan(1500)
  })

  it('ends when whoever asked gives up', async () => {
    server = await startScriptedServer(() => {})
    const options = {
      host: '127.0.0.1',
      port: server.port,
      database: 'crm',
      user: 'gate',
      password: secret,
      tls: { mode: 'disable' },
      connectTimeoutMs: 5000,
      applicationName: 'x',
    } as const
    await expect(connectUpstream(options, AbortSignal.timeout(50))).rejects.toMatchObject({ code: '08001' })
    await expect(connectUpstream(options, AbortSignal.abort())).rejects.toMatchObject({ code: '08001' })
  })

  it('is refused when the server says too much', async () => {
    const length = Buffer.from([0x45, 0x7f, 0xff, 0xff, 0xff])
    const scripts = [
      answering(length, Buffer.alloc(300_000)),
      answering(Buffer.concat([length, Buffer.alloc(3)]).fill(0, 1, 5)),
      answering(
        encodeAuthentication({ kind: 'ok' }),
        ...Array.from({ length: 300 }, () => encodeParameterStatus('x', 'y'.repeat(1000))),
      ),
      answering(encodeAuthentication({ kind: 'ok' }), encodeParameterStatus('x', 'y'.repeat(40_000)), welcome()),
      answering(Buffer.concat([welcome(), Buffer.from('S')])),
    ]
    for (const script of scripts) {
      expect(await refusalOf(meet(script))).toMatchObject({ code: '08P01' })
      await server?.close()
    }
  })

  it('is refused when the server closes, or says what does not belong there', async () => {
    const closing = (peer: Peer) => void peer.socket.end()
    expect(await refusalOf(meet(closing))).toMatchObject({ code: '08001' })
    await server?.close()
    const misplaced = [
      encodeParameterStatus('x', 'y'),
      encodeBackendKeyData({ pid: 1, key: Buffer.alloc(4) }),
      encodeAuthentication({ kind: 'sasl-continue', data: Buffer.from('r=1') }),
      encodeAuthentication({ kind: 'sasl-final', data: Buffer.from('v=1') }),
      Buffer.concat([encodeAuthentication({ kind: 'ok' }), encodeAuthentication({ kind: 'ok' })]),
    ]
    for (const bytes of misplaced) {
      expect(await refusalOf(meet(answering(bytes)))).toMatchObject({ code: '08P01' })
      await server?.close()
    }
  })

  it('is refused when it is no Postgres at all', async () => {
    const http = answering(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect(await refusalOf(meet(http, { connectTimeoutMs: 100 }))).toMatchObject({ code: '08001' })
  })

  it('tells the kind of a refusal, and the words of the server to the log alone', async () => {
    const words = 'role "gate_7f3a" does not like you'
    const cases = [
      [{ code: '28P01', message: words }, '28000'],
      [{ code: '28000', message: words }, '28000'],
      [{ code: '3D000', message: words }, '3D000'],
      [{ code: '53300', message: words }, '53300'],
      [{ code: '57P03', message: words }, '57P03'],
      [{ code: 'XX000', message: words }, '08001'],
    ] as const
    for (const [said, code] of cases) {
      const error = await refusalOf(meet(answering(encodeErrorResponse({ ...said, severity: 'FATAL' }))))
      expect(error).toMatchObject({ code, cause: { message: `FATAL ${said.code}: ${words}` } })
      expect(error).not.toMatchObject({ message: expect.stringContaining('gate_7f3a') })
      await server?.close()
    }
  })

  it('survives an ErrorResponse without SQLSTATE or message', async () => {
    const bare = Buffer.from([0x45, 0, 0, 0, 5, 0])
    expect(await refusalOf(meet(answering(bare)))).toMatchObject({ code: '08001' })
    await server?.close()
    const unterminated = Buffer.from([0x45, 0, 0, 0, 6, 0x43, 0x41])
    expect(await refusalOf(meet(answering(unterminated)))).toMatchObject({ code: '08P01' })
  })
})

describe('the password', () => {
  it('is never sent in clear without TLS', async () => {
    expect(await refusalOf(meet(answering(encodeAuthentication({ kind: 'cleartext' }))))).toMatchObject({
      code: '28000',
    })
  })

  it('is never hashed with md5', async () => {
    const md5 = encodeAuthentication({ kind: 'md5', salt: Buffer.alloc(4) })
    expect(await refusalOf(meet(answering(md5)))).toMatchObject({
      code: '28000',
      hint: expect.stringContaining('scram-sha-256'),
    })
  })

  it('stays ours where the server wants something else', async () => {
    const other = encodeAuthentication({ kind: 'other', code: 7, data: Buffer.alloc(0) })
    expect(await refusalOf(meet(answering(other)))).toMatchObject({ code: '28000' })
    await server?.close()
    const plain = encodeAuthentication({ kind: 'sasl', mechanisms: ['PLAIN'] })
    expect(await refusalOf(meet(answering(plain)))).toMatchObject({ code: '28000' })
  })

  const scramScript = (ending: 'honest' | 'no proof' | 'wrong proof') => async (peer: Peer) => {
    await peer.first()
    const scram = new ScramServer({ verifier })
    peer.say(encodeAuthentication({ kind: 'sasl', mechanisms: scram.mechanisms }))
    const { mechanism, data } = decodeSaslInitialResponse((await peer.frame()).body)
    peer.say(encodeAuthentication({ kind: 'sasl-continue', data: scram.first(mechanism, data ?? Buffer.alloc(0)) }))
    const final = scram.final((await peer.frame()).body)
    const proof = ending === 'wrong proof' ? Buffer.from(`v=${Buffer.alloc(32).toString('base64')}`) : final
    if (ending !== 'no proof') peer.say(encodeAuthentication({ kind: 'sasl-final', data: proof }))
    peer.say(welcome())
  }

  it('is proven by both sides, or nobody is logged in', async () => {
    expect((await meet(scramScript('honest'))).processId).toBe(4711)
    for (const ending of ['no proof', 'wrong proof'] as const) {
      await server?.close()
      expect(await refusalOf(meet(scramScript(ending)))).toMatchObject({ code: '28000' })
    }
    await server?.close()
    expect(
      await refusalOf(meet(scramScript('honest'), { password: `${secret}2`, connectTimeoutMs: 300 })),
    ).toMatchObject({ code: '08001' })
  })
})

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
    await server?.close()
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
      await server?.close()
    }
  })

  it('decides the length of the cancel key', async () => {
    const older = encodeNegotiateProtocolVersion({ major: 3, minor: 0, options: [] })
    expect(await refusalOf(meet(answering(older, welcome(goodParameters, Buffer.alloc(32)))))).toMatchObject({
      code: '08P01',
    })
    await server?.close()
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
        await server?.close()
      }
    },
  )

  it('go with a version', async () => {
    for (const version of [{}, { server_version: 'devel' }]) {
      const { server_version: _, ...rest } = goodParameters
      expect(await refusalOf(meet(answering(welcome({ ...rest, ...version }))))).toMatchObject({ code: '08001' })
      await server?.close()
    }
    expect((await meet(answering(welcome({ ...goodParameters, server_version: '19devel' })))).major).toBe(19)
  })
})
