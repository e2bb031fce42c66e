import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { prepareSasl } from '../../src/wire/saslprep.ts'
import * as scram from '../../src/wire/scram.ts'
import { ScramClient } from '../../src/wire/scram-client.ts'
import { ScramServer } from '../../src/wire/scram-server.ts'
import { testCluster } from '../support/cluster.ts'

const binding = Buffer.alloc(32, 7)
const verifier = scram.parseVerifier(await scram.makeVerifier('pencil', 64))
const violation = expect.objectContaining({ code: '08P01', severity: 'FATAL' })
const refusal = expect.objectContaining({ code: '28P01', severity: 'FATAL' })
const text = (value: string) => Buffer.from(value, 'latin1')

/** One whole exchange. @returns the mechanism that both used */
async function exchange(
  server: ScramServer,
  clientOptions: { password: string; secure: boolean; channelBinding?: Buffer },
) {
  const client = new ScramClient({ ...clientOptions, mechanisms: server.mechanisms })
  const challenge = server.first(client.mechanism, client.first())
  client.verify(server.final(await client.final(challenge)))
  return client.mechanism
}

describe('SCRAM between our client and our server', () => {
  it('succeeds without TLS', async () => {
    expect(await exchange(new ScramServer({ verifier }), { password: 'pencil', secure: false })).toBe('SCRAM-SHA-256')
  })

  it('binds the channel where both can', async () => {
    const server = new ScramServer({ verifier, channelBinding: binding })
    expect(await exchange(server, { password: 'pencil', secure: true, channelBinding: binding })).toBe(
      'SCRAM-SHA-256-PLUS',
    )
  })

  it('goes without binding where one of the certificates allows none', async () => {
    expect(
      await exchange(new ScramServer({ verifier }), { password: 'pencil', secure: true, channelBinding: binding }),
    ).toBe('SCRAM-SHA-256')
    const server = new ScramServer({ verifier, channelBinding: binding })
    expect(await exchange(server, { password: 'pencil', secure: true })).toBe('SCRAM-SHA-256')
  })

  it('fails on a wrong password, and for a user who does not exist', async () => {
    await expect(exchange(new ScramServer({ verifier }), { password: 'pen', secure: false })).rejects.toEqual(refusal)
    const mock = scram.mockVerifier('mallory', 'secret')
    await expect(exchange(new ScramServer({ verifier: mock }), { password: 'pencil', secure: false })).rejects.toEqual(
      refusal,
    )
  })

  it('fails where somebody between them has another certificate', async () => {
    const server = new ScramServer({ verifier, channelBinding: binding })
    const elsewhere = { password: 'pencil', secure: true, channelBinding: Buffer.alloc(32, 8) }
    await expect(exchange(server, elsewhere)).rejects.toEqual(refusal)
  })

  it('fails where somebody between them hides that the server can bind', () => {
    const server = new ScramServer({ verifier, channelBinding: binding })
    const client = new ScramClient({
      password: 'pencil',
      mechanisms: ['SCRAM-SHA-256'],
      secure: true,
      channelBinding: binding,
    })
    expect(() => server.first(client.mechanism, client.first())).toThrow(violation)
  })
})

describe('the server', () => {
  it('follows the example of RFC 7677', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
    const salted = await scram.saltPassword('pencil', salt, 4096)
    const published = {
      iterations: 4096,
      salt,
      storedKey: scram.hash(scram.clientKeyOf(salted)),
      serverKey: scram.serverKeyOf(salted),
    }
    const server = new ScramServer({ verifier: published, nonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0' })
    const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
    const first = server.first('SCRAM-SHA-256', text('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'))
    expect(first.toString()).toBe(`r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`)
    const final = server.final(text(`c=biws,r=${nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`))
    expect(final.toString()).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
  })

  it.each([
    ['a mechanism that was not offered', 'SCRAM-SHA-1', 'n,,n=,r=abc'],
    ['PLUS that was not offered', 'SCRAM-SHA-256-PLUS', 'p=tls-server-end-point,,n=,r=abc'],
    ['binding without PLUS', 'SCRAM-SHA-256', 'p=tls-server-end-point,,n=,r=abc'],
    ['an unknown flag', 'SCRAM-SHA-256', 'x,,n=,r=abc'],
    ['somebody to act for', 'SCRAM-SHA-256', 'n,a=admin,n=,r=abc'],
    ['a mandatory extension', 'SCRAM-SHA-256', 'n,,m=x,n=,r=abc'],
    ['no nonce', 'SCRAM-SHA-256', 'n,,n=,r='],
    ['a nonce with a control character', 'SCRAM-SHA-256', 'n,,n=,r=a\x01b'],
    ['no name', 'SCRAM-SHA-256', 'n,,r=abc'],
    ['nothing', 'SCRAM-SHA-256', ''],
    ['too much', 'SCRAM-SHA-256', `n,,n=,r=${'a'.repeat(5000)}`],
  ])('refuses %s', (_, mechanism, first) => {
    expect(() => new ScramServer({ verifier }).first(mechanism, text(first))).toThrow(violation)
  })

  it('refuses PLUS without binding, or with another kind of it', () => {
    for (const first of ['n,,n=,r=abc', 'y,,n=,r=abc', 'p=tls-unique,,n=,r=abc']) {
      const server = new ScramServer({ verifier, channelBinding: binding })
      expect(() => server.first('SCRAM-SHA-256-PLUS', text(first))).toThrow(violation)
    }
  })

  it('refuses a final message that is malformed, for another exchange, or said twice', async () => {
    const started = () => {
      const server = new ScramServer({ verifier, nonce: 'xyz' })
      server.first('SCRAM-SHA-256', text('n,,n=,r=abc'))
      return server
    }
    const proof = Buffer.alloc(32).toString('base64')
    const malformed = [
      '',
      'c=biws,r=abcxyz',
      `c=biws,r=abc,p=${proof}`,
      `c=biws,r=abcxyz,p=${proof.slice(4)}`,
      `r=abcxyz,c=biws,p=${proof}`,
    ]
    for (const final of malformed) expect(() => started().final(text(final)), final).toThrow(violation)
    for (const header of ['eSws', 'cD10bHM=', '']) {
      expect(() => started().final(text(`c=${header},r=abcxyz,p=${proof}`))).toThrow(refusal)
    }
    expect(() => new ScramServer({ verifier }).final(text('x'))).toThrow(violation)
    const server = new ScramServer({ verifier, nonce: 'xyz' })
    const client = new ScramClient({ password: 'pencil', mechanisms: server.mechanisms, secure: false })
    const final = await client.final(server.first(client.mechanism, client.first()))
    server.final(final)
    expect(() => server.final(final)).toThrow(violation)
  })
})

describe('the client', () => {
  const make = () => new ScramClient({ password: 'pencil', mechanisms: ['SCRAM-SHA-256'], secure: false, nonce: 'abc' })

  it.each([
    'r=other,s=AAAA,i=4096',
    'r=abc,s=AAAA,i=4096',
    'r=abcxyz,s=,i=4096',
    'r=abcxyz,s=A?,i=4096',
    'r=abcxyz,s=AAAA,i=0',
    'r=abcxyz,s=AAAA,i=-1',
    'r=abcxyz,s=AAAA,i=99999999',
    'm=x,r=abcxyz,s=AAAA,i=4096',
    'e=other-error',
    '',
    'r=abcxyz,s=AAAA,i=4096'.padEnd(5000, 'x'),
  ])('refuses the challenge %s', async challenge => {
    await expect(make().final(text(challenge))).rejects.toEqual(violation)
  })

  it('refuses a server that does not know the password', async () => {
    for (const final of ['v=AAAA', `v=${Buffer.alloc(32).toString('base64')}`, 'e=invalid-proof', '']) {
      const client = make()
      await client.final(text('r=abcxyz,s=AAAA,i=16'))
      expect(() => client.verify(text(final))).toThrow(expect.objectContaining({ code: '28000' }))
    }
    expect(() => make().verify(text('v=AAAA'))).toThrow(violation)
  })

  it('refuses a server without SCRAM-SHA-256', () => {
    const options = { password: 'pencil', secure: false, channelBinding: undefined }
    for (const mechanisms of [[], ['PLAIN'], ['SCRAM-SHA-256-PLUS']]) {
      expect(() => new ScramClient({ ...options, mechanisms })).toThrow(expect.objectContaining({ code: '28000' }))
    }
  })
})

describe('verifiers', () => {
  it('are salted anew each time and say what they were made with', async () => {
    const [one, other] = [await scram.makeVerifier('x'), await scram.makeVerifier('x')]
    expect(one).not.toBe(other)
    expect(one).toMatch(/^SCRAM-SHA-256\$4096:[^$]+\$[^:]+:[^:]+$/)
  })

  it.each(['', 'md5abc', 'SCRAM-SHA-256$0:AAAA$AAAA:AAAA', 'SCRAM-SHA-256$4096:AAAA$AAAA:AAAA'])(
    'refuse %j',
    stored => {
      expect(() => scram.parseVerifier(stored)).toThrow(expect.objectContaining({ code: 'XX000' }))
    },
  )

  it('for strangers are always the same for one name, and of the usual form', () => {
    const mock = scram.mockVerifier('mallory', 'secret')
    expect(mock).toEqual(scram.mockVerifier('mallory', 'secret'))
    expect(mock.salt).not.toEqual(scram.mockVerifier('eve', 'secret').salt)
    expect(mock.salt).not.toEqual(scram.mockVerifier('mallory', 'other').salt)
    expect([mock.salt.length, mock.iterations]).toEqual([verifier.salt.length, 4096])
  })
})

describe('against Postgres', () => {
  it('our verifiers log in, and passwords of every kind come to the same key', async () => {
    const server = await testCluster()
    const admin = new pg.Client({ connectionString: server.url })
    await admin.connect()
    try {
      await admin.query('create role postern_scram login')
      await admin.query(`alter role postern_scram password '${await scram.makeVerifier('ſecret Ⅷ')}'`)
      const url = new URL(server.url)
      const login = new pg.Client({
        host: url.hostname,
        port: Number(url.port),
        database: 'postgres',
        user: 'postern_scram',
        password: 'ſecret Ⅷ'.normalize('NFKC'),
      })
      await login.connect()
      await login.end()
      for (const password of oddPasswords) {
        await admin.query(`alter role postern_scram password ${pg.escapeLiteral(password)}`)
        const stored = await admin.query(`select rolpassword from pg_catalog.pg_authid where rolname = 'postern_scram'`)
        const theirs = scram.parseVerifier(stored.rows[0].rolpassword)
        const salted = await scram.saltPassword(password, theirs.salt, theirs.iterations)
        expect([password, scram.hash(scram.clientKeyOf(salted))]).toEqual([password, theirs.storedKey])
      }
    } finally {
      await admin.query('drop role if exists postern_scram')
      await admin.end()
    }
  })
})

const oddPasswords = [
  'plain ascii \x01\x7f',
  'Ⅷ ﬁ ① ½ ª', // NFKC changes them
  'a\u00a0b\u3000c', // spaces that become one
  'soft\u00adhyphen\u200dzero', // mapped to nothing
  '\u200b',
  '\u00ad', // nothing is left
  'e\u0301', // composes
  'ﷺ',
  'שלום', // right to left
  'שלום abc', // both directions: forbidden, raw
  'אabcא',
  'א1א',
  '\u0627\u0031',
  '\u00a0\u0080', // a forbidden control character
  '\ue000Ⅷ', // private use: raw
  '😀Ⅷ', // unassigned in Unicode 3.2: raw
  '\ufeffⅧ',
  '\u0340Ⅷ', // changes display: forbidden
  '\u{1d400}', // mathematical bold A
  '\u{e0001}Ⅷ',
  '\ufdd0Ⅷ',
  'Å\u212b',
  '\u03d3\u0345',
]

describe('SASLprep', () => {
  it.each([
    ['I\u00adX', 'IX'],
    ['user', 'user'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['\u0007é', '\u0007é'],
    ['\u0627\u0031', '\u0627\u0031'],
  ])('makes %j into %j (RFC 4013 section 3)', (given, prepared) => {
    expect(prepareSasl(given)).toBe(prepared)
  })
})
