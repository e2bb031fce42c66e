import { timingSafeEqual } from 'node:crypto'
import { SqlError } from '../errors.ts'
import * as scram from './scram.ts'

export interface ScramServerOptions {
  readonly verifier: scram.ScramVerifier
  /** tls-server-end-point of our certificate ({@link serverEndPoint}); undefined without TLS: PLUS is not offered. */
  readonly channelBinding?: Buffer | undefined
  /** Our half of the nonce; random by default. */
  readonly nonce?: string
}

/** The server's side of one exchange: {@link mechanisms} to offer, then `first`, then `final`, each once. */
export class ScramServer {
  readonly mechanisms: readonly string[]
  readonly #verifier: scram.ScramVerifier
  readonly #channelBinding: Buffer | undefined
  readonly #nonce: string
  #expected: { bare: string; binding: string; nonce: string; serverFirst: string } | undefined

  constructor({ verifier, channelBinding, nonce = scram.makeNonce() }: ScramServerOptions) {
    this.#verifier = verifier
    this.#channelBinding = channelBinding
    this.#nonce = nonce
    this.mechanisms = channelBinding ? [scram.SCRAM_SHA_256_PLUS, scram.SCRAM_SHA_256] : [scram.SCRAM_SHA_256]
  }

  /**
   * client-first-message → server-first-message. The user name inside is ignored: the StartupMessage's counts.
   *
   * @throws SqlError 08P01 FATAL on a malformed message, a mechanism that was not offered, or a sign of a downgrade
   */
  first(mechanism: string, clientFirst: Buffer): Buffer {
    if (this.#expected) throw scram.malformedScram('out of order')
    if (!this.mechanisms.includes(mechanism)) throw scram.malformedScram('a mechanism that was not offered')
    const message = scram.toText(clientFirst)
    const parts = /^([^,]*),([^,]*),(.*)$/s.exec(message)
    if (!parts) throw scram.malformedScram('no GS2 header')
    const [, flag, authorization, bare] = parts
    if (authorization !== '') throw scram.malformedScram('an authorization identity is not supported')
    this.#checkFlag(mechanism, flag!)
    const [, clientNonce] = scram.readAttributes(bare!, 'nr') ?? []
    if (clientNonce === undefined || !scram.isNonce(clientNonce)) throw scram.malformedScram('user name or nonce')
    const nonce = clientNonce + this.#nonce
    const { salt, iterations } = this.#verifier
    const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=${iterations}`
    const header = Buffer.from(`${flag},,`, 'latin1')
    const data = mechanism === scram.SCRAM_SHA_256_PLUS ? this.#channelBinding! : Buffer.alloc(0)
    const binding = Buffer.concat([header, data]).toString('base64')
    this.#expected = { bare: bare!, binding, nonce, serverFirst }
    return Buffer.from(serverFirst, 'latin1')
  }

  /**
   * client-final-message → server-final-message, and the password is proven.
   *
   * @throws SqlError 28P01 FATAL on a wrong password or channel, 08P01 FATAL on a malformed message
   */
  final(clientFinal: Buffer): Buffer {
    const expected = this.#expected
    if (!expected) throw scram.malformedScram('out of order')
    this.#expected = undefined
    const parts = /^(c=([^,]*),r=([^,]*)(?:,[^,]*)*?),p=([^,]*)$/.exec(scram.toText(clientFinal))
    const proof = scram.decodeBase64(parts?.[4])
    if (!parts || proof?.length !== scram.KEY_BYTES) throw scram.malformedScram('client-final-message')
    const [, withoutProof, binding, nonce] = parts
    if (nonce !== expected.nonce) throw scram.malformedScram('nonce')
    if (binding !== expected.binding) throw refused('SCRAM channel binding check failed')
    const { storedKey, serverKey } = this.#verifier
    const authMessage = `${expected.bare},${expected.serverFirst},${withoutProof}`
    const clientKey = scram.xor(proof, scram.hmac(storedKey, authMessage))
    if (!timingSafeEqual(scram.hash(clientKey), storedKey)) throw refused('password authentication failed')
    return Buffer.from(`v=${scram.hmac(serverKey, authMessage).toString('base64')}`, 'latin1')
  }

  #checkFlag(mechanism: string, flag: string): void {
    const plus = mechanism === scram.SCRAM_SHA_256_PLUS
    if (flag.startsWith('p=')) {
      if (!plus) throw scram.malformedScram('channel binding data without SCRAM-SHA-256-PLUS')
      if (flag.slice(2) !== scram.END_POINT) throw scram.malformedScram('unsupported channel binding type')
      return
    }
    if (plus) throw scram.malformedScram('SCRAM-SHA-256-PLUS without channel binding data')
    if (flag === 'n') return
    if (flag !== 'y') throw scram.malformedScram('channel binding flag')
    if (!this.#channelBinding) return
    throw new SqlError({
      code: '08P01',
      severity: 'FATAL',
      message: 'SCRAM channel binding negotiation error',
      detail: 'The client supports channel binding and believes that this server does not, but it does.',
      hint: 'Something between client and server may be reading along.',
    })
  }
}

function refused(message: string): SqlError {
  return new SqlError({ code: '28P01', severity: 'FATAL', message })
}
