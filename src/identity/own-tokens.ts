/** Tokens that Postern signs itself: for a user, short-lived and revocable, and for one run, good while its lease is held. */

import {
  type CryptoKey,
  errors,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose'
import type { ClientBase, Pool } from 'pg'
import { makeId } from '../control/ids.ts'
import { readMembers } from '../control/members.ts'
import type { Sealer } from '../control/sealer.ts'
import { addSigningKey, openSigningKey, readSigningKeys, type SigningKeyRow } from '../control/signing-keys.ts'
import { findUserToken } from '../control/user-tokens.ts'
import { ownIssuer } from './issuers.ts'
import { type BoundProof, expired, invalid, refused, revoked } from './proof.ts'

/** Said in the header, so that one kind cannot be taken for the other (RFC 8725, section 3.11). */
const userType = 'postern-user+jwt'
const jobType = 'postern-job+jwt'
const audience = 'postern'
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const reloadMinMs = 1_000

export interface OwnTokensOptions {
  readonly pool: Pool
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  /** Whether somebody works on this run just now. */
  readonly leaseHeld: (runId: string) => Promise<boolean>
}

/** Verifies them. */
export class OwnTokens {
  private readonly pool: Pool
  private readonly clock: () => number
  private readonly leaseHeld: (runId: string) => Promise<boolean>
  private keys: Promise<ReadonlyMap<string, CryptoKey>> | undefined
  private readAtMs = 0

  constructor(options: OwnTokensOptions) {
    this.pool = options.pool
    this.clock = options.clock
    this.leaseHeld = options.leaseHeld
  }

  /** @throws SqlError 28000; whatever pg throws where the control database cannot be asked */
  async prove(token: string): Promise<BoundProof> {
    const { payload, type } = await this.verify(token)
    return type === jobType ? this.proveJob(payload) : this.proveUser(payload)
  }

  /** Something changed in the control database. */
  forget(): void {
    this.keys = undefined
  }

  private async proveUser(payload: JWTPayload): Promise<BoundProof> {
    const id = payload.jti ?? ''
    const row = uuid.test(id) ? await findUserToken(this.pool, id) : undefined
    if (row === undefined || row.principalId !== payload.sub || row.tenantId !== payload.tenant) throw invalid('token')
    if (row.revokedAt !== null) throw revoked('token')
    const expiresAt = row.expiresAt.getTime()
    if (expiresAt <= this.clock()) throw expired('token')
    return {
      kind: 'bound',
      member: row,
      shown: { via: 'jwt', credential: `token:${id}`, expiresAt, scopes: row.scopes },
    }
  }

  private async proveJob(payload: JWTPayload): Promise<BoundProof> {
    const { run, sub, tenant, exp } = payload
    if (typeof run !== 'string' || !uuid.test(run) || !uuid.test(sub ?? '') || exp === undefined) throw invalid('token')
    const members = await readMembers(this.pool, [sub!])
    const member = members.find(one => one.tenantId === tenant)
    if (member === undefined) throw invalid('token')
    if (!(await this.leaseHeld(run))) throw refused('the run that the token was signed for is over')
    const shown = { via: 'job-token', credential: `run:${run}`, expiresAt: exp * 1000, scopes: ['data:read'] } as const
    return { kind: 'bound', member, shown }
  }

  private async verify(token: string): Promise<{ payload: JWTPayload; type: string }> {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, header => this.keyOf(header.kid), {
        issuer: ownIssuer,
        audience,
        algorithms: ['EdDSA'],
        currentDate: new Date(this.clock()),
        requiredClaims: ['exp', 'sub'],
      })
      const { typ } = protectedHeader
      if (typ !== userType && typ !== jobType) throw invalid('token')
      return { payload, type: typ }
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw expired('token')
      throw error instanceof errors.JOSEError ? invalid('token') : error
    }
  }

  private async keyOf(kid: string | undefined): Promise<CryptoKey> {
    const key = (await this.read()).get(kid ?? '')
    if (key !== undefined) return key
    // One that was made just now, of which we have not heard yet; asked for once a second, whatever is sent.
    if (this.clock() - this.readAtMs < reloadMinMs) throw invalid('token')
    this.forget()
    const made = (await this.read()).get(kid ?? '')
    if (made === undefined) throw invalid('token')
    return made
  }

  private read(): Promise<ReadonlyMap<string, CryptoKey>> {
    if (this.keys !== undefined) return this.keys
    this.readAtMs = this.clock()
    const reading = readPublicKeys(this.pool)
    this.keys = reading
    reading.catch(() => {
      if (this.keys === reading) this.keys = undefined
    })
    return reading
  }
}

async function readPublicKeys(pool: Pool): Promise<ReadonlyMap<string, CryptoKey>> {
  const rows = await readSigningKeys(pool)
  return new Map(await Promise.all(rows.map(async row => [row.id, await importKey(row.publicKey)] as const)))
}

async function importKey(jwk: object): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'EdDSA')
  if (key instanceof Uint8Array) throw new Error('a signing key is not EdDSA')
  return key
}

/** @param client of the transaction in which the token's row is written */
export async function signUserToken(
  client: ClientBase,
  sealer: Sealer,
  token: { readonly id: string; readonly principalId: string; readonly tenantId: string; readonly expiresAt: Date },
): Promise<string> {
  const claims = { tenant: token.tenantId }
  return sign(client, sealer, userType, claims, token.principalId, token.expiresAt, token.id)
}

/** For one run: what it opens is read as its principal, for as long as the run's lease is held. */
export async function signJobToken(
  client: ClientBase,
  sealer: Sealer,
  run: { readonly id: string; readonly principalId: string; readonly tenantId: string; readonly expiresAt: Date },
): Promise<string> {
  const claims = { tenant: run.tenantId, run: run.id }
  return sign(client, sealer, jobType, claims, run.principalId, run.expiresAt, makeId())
}

async function sign(
  client: ClientBase,
  sealer: Sealer,
  type: string,
  claims: JWTPayload,
  subject: string,
  expiresAt: Date,
  id: string,
): Promise<string> {
  const key = (await readSigningKeys(client))[0] ?? (await makeSigningKey(client, sealer))
  const signer = await importKey(JSON.parse(openSigningKey(sealer, key)))
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA', typ: type, kid: key.id })
    .setIssuer(ownIssuer)
    .setAudience(audience)
    .setSubject(subject)
    .setJti(id)
    .setIssuedAt()
    .setExpirationTime(expiresAt)
    .sign(signer)
}

async function makeSigningKey(client: ClientBase, sealer: Sealer): Promise<SigningKeyRow> {
  return addSigningKey(client, sealer, await makeSigningPair())
}

/** As JWKs. */
export async function makeSigningPair(): Promise<{ readonly publicKey: object; readonly privateKey: object }> {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  return { publicKey: await exportJWK(publicKey), privateKey: await exportJWK(privateKey) }
}
