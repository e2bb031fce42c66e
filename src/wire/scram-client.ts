import { timingSafeEqual } from 'node:crypto'
import { SqlError } from '../errors.ts'
import * as scram from './scram.ts'

/** More rounds than any server asks in earnest: the server is not known yet, and each costs our time. */
const ITERATIONS_MAX = 1_000_000

export interface ScramClientOptions {
  readonly password: string
  /** What the server offers, from AuthenticationSASL. */
  readonly mechanisms: readonly string[]
  /** True over TLS. */
  readonly secure: boolean
  /** tls-server-end-point of the server's certificate; undefined without TLS, or where the certificate allows none. */
  readonly channelBinding?: Buffer | undefined
  /** Our half of the nonce; random by default. */
  readonly nonce?: string
}

/** The client's side of one exchange: `first`, then `final`, then `verify`, each once. PLUS wherever it is possible. */
export class ScramClient {
  readonly mechanism: string
  readonly #password: string
  readonly #header: string
  readonly #binding: string
  readonly #nonce: string
  #serverSignature: Buffer | undefined

  /** @throws SqlError 28000 where the server offers no SCRAM-SHA-256 */
  constructor({ password, mechanisms, secure, channelBinding, nonce = scram.makeNonce() }: ScramClientOptions) {
    const plusOffered = mechanisms.includes(scram.SCRAM_SHA_256_PLUS)
    const plus = secure && plusOffered && channelBinding !== undefined
    if (!plus && !mechanisms.includes(scram.SCRAM_SHA_256)) {
      throw failed(
        'the server offers no SASL mechanism that can be used',
        'Postern speaks SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.',
      )
    }
    this.mechanism = plus ? scram.SCRAM_SHA_256_PLUS : scram.SCRAM_SHA_256
    this.#password = password
    // 'y' tells a server that does offer PLUS that somebody hid it from us.
    const flag = plus ? `p=${scram.END_POINT}` : secure && channelBinding && !plusOffered ? 'y' : 'n'
    this.#header = `${flag},,`
    const data = plus ? channelBinding : Buffer.alloc(0)
    this.#binding = Buffer.concat([Buffer.from(this.#header, 'latin1'), data]).toString('base64')
    this.#nonce = nonce
  }

  /** client-first-message. The user name stays empty: Postgres takes the StartupMessage's. */
  first(): Buffer {
    return Buffer.from(`${this.#header}${this.#bare}`, 'latin1')
  }

  /** server-first-message → client-final-message. @throws SqlError 08P01 FATAL */
  async final(serverFirst: Buffer): Promise<Buffer> {
    const message = scram.toText(serverFirst)
    const [nonce, saltText, rounds] = scram.readAttributes(message, 'rsi') ?? []
    const salt = scram.decodeBase64(saltText)
    if (!nonce?.startsWith(this.#nonce) || nonce.length === this.#nonce.length || !scram.isNonce(nonce)) {
      throw scram.malformedScram('nonce')
    }
    const iterations = /^[1-9]\d{0,9}$/.test(rounds ?? '') ? Number(rounds) : 0
    if (!salt?.length || iterations === 0) throw scram.malformedScram('salt or iteration count')
    if (iterations > ITERATIONS_MAX) throw scram.malformedScram(`more than ${ITERATIONS_MAX} iterations`)
    const salted = await scram.saltPassword(this.#password, salt, iterations)
    const clientKey = scram.clientKeyOf(salted)
    const withoutProof = `c=${this.#binding},r=${nonce}`
    const authMessage = `${this.#bare},${message},${withoutProof}`
    const proof = scram.xor(clientKey, scram.hmac(scram.hash(clientKey), authMessage))
    this.#serverSignature = scram.hmac(scram.serverKeyOf(salted), authMessage)
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`, 'latin1')
  }

  /** server-final-message: the server knows the password too. @throws SqlError 28000 FATAL where it does not */
  verify(serverFinal: Buffer): void {
    const expected = this.#serverSignature
    if (!expected) throw scram.malformedScram('out of order')
    this.#serverSignature = undefined
    const [signature] = scram.readAttributes(scram.toText(serverFinal), 'v') ?? []
    const given = scram.decodeBase64(signature)
    if (given?.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw failed(
        'the server did not prove that it knows the password',
        'It may not be the server that it claims to be.',
      )
    }
  }

  get #bare(): string {
    return `n=,r=${this.#nonce}`
  }
}

function failed(message: string, hint: string): SqlError {
  return new SqlError({ code: '28000', severity: 'FATAL', message, hint })
}
