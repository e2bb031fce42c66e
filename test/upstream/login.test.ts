import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { connectUpstream } from '../../src/upstream/connection.ts'
import { decodeSaslInitialResponse, encodeAuthentication } from '../../src/wire/authentication.ts'
import { encodeErrorResponse, encodeNotice } from '../../src/wire/reports.ts'
import { makeVerifier, parseVerifier } from '../../src/wire/scram.ts'
import { ScramServer } from '../../src/wire/scram-server.ts'
import { encodeBackendKeyData, encodeParameterStatus } from '../../src/wire/session-start.ts'
import { answering, meet, optionsFor, refusalOf, secret } from './meeting.ts'
import { type Peer, startScriptedServer, welcome } from './scripted-server.ts'

const verifier = parseVerifier(await makeVerifier(secret, 64))

describe('before TLS', () => {
  const requireTls = { tls: { mode: 'require' } } as const

  it('bytes stuffed in behind the S end it', async () => {
    const stuffed = answering(Buffer.from('S'), encodeAuthentication({ kind: 'ok' }))
    expect(await refusalOf(meet(stuffed, requireTls))).toMatchObject({ code: '08P01' })
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
    }
    expect((await meet(noTls, { tls: { mode: 'prefer' } })).major).toBe(18)
  })

  it('a handshake that is none ends it', async () => {
    expect(await refusalOf(meet(answering(Buffer.from('S')), { ...requireTls, connectTimeoutMs: 300 }))).toMatchObject({
      code: '08001',
    })
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
    const server = await startScriptedServer(() => {})
    const options = optionsFor(server.port)
    await expect(connectUpstream(options, AbortSignal.timeout(50))).rejects.toMatchObject({ code: '08001' })
    await expect(connectUpstream(options, AbortSignal.abort())).rejects.toMatchObject({ code: '08001' })
    await server.close()
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
    }
  })

  it('is refused when the server closes, or says what does not belong there', async () => {
    const closing = (peer: Peer) => void peer.socket.end()
    expect(await refusalOf(meet(closing))).toMatchObject({ code: '08001' })
    const misplaced = [
      encodeParameterStatus('x', 'y'),
      encodeBackendKeyData({ pid: 1, key: Buffer.alloc(4) }),
      encodeAuthentication({ kind: 'sasl-continue', data: Buffer.from('r=1') }),
      encodeAuthentication({ kind: 'sasl-final', data: Buffer.from('v=1') }),
      Buffer.concat([encodeAuthentication({ kind: 'ok' }), encodeAuthentication({ kind: 'ok' })]),
    ]
    for (const bytes of misplaced) {
      expect(await refusalOf(meet(answering(bytes)))).toMatchObject({ code: '08P01' })
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
    }
  })

  it('survives an ErrorResponse without SQLSTATE or message', async () => {
    const bare = Buffer.from([0x45, 0, 0, 0, 5, 0])
    expect(await refusalOf(meet(answering(bare)))).toMatchObject({ code: '08001' })
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
      expect(await refusalOf(meet(scramScript(ending)))).toMatchObject({ code: '28000' })
    }
    expect(
      await refusalOf(meet(scramScript('honest'), { password: `${secret}2`, connectTimeoutMs: 300 })),
    ).toMatchObject({ code: '08001' })
  })
})
