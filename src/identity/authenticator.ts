/** A bearer credential → its principal: JWTs, opaque tokens, API keys, tokens of our own. Asked for every request, so mostly answered from memory. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { SqlError } from '../errors.ts'
import { type LastUses, looksLikeApiKey, proveApiKey } from './api-keys.ts'
import { formOf, type IssuerOptions, issuerOfOpaque, ownIssuer, type TrustedHost } from './issuers.ts'
import type { JwtIssuer } from './jwt.ts'
import type { LoginThrottle } from './login-throttle.ts'
import { choosePrincipal, type MembershipStores } from './memberships.ts'
import { introspect, readProfile } from './opaque.ts'
import type { OwnTokens } from './own-tokens.ts'
import type { Present, Principal } from './principal.ts'
import { expired, InvalidCredential, invalid, type Proof, refused, unavailable } from './proof.ts'
import { Rechecks } from './rechecks.ts'

export interface AuthenticatorOptions extends MembershipStores {
  readonly issuers: readonly JwtIssuer[]
  /** By issuer: the secret that introspection is asked with. */
  readonly clientSecrets: ReadonlyMap<string, string>
  readonly trustedHosts: readonly TrustedHost[]
  readonly ownTokens: OwnTokens
  readonly lastUses: LastUses
  readonly throttle: LoginThrottle
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  /** What is older is read again even if no change was heard of: the longest that a revocation can go unseen. */
  readonly freshMs?: number | undefined
  readonly entriesMax?: number | undefined
}

export interface Asked {
  /** The tenant that the caller named; null: none. */
  readonly tenant: string | null
  /** What the door is called: a token of another issuer must be for it, or for what the issuer's settings name. */
  readonly audience: string
  /** Handed on by this host (one of `identity.trustedHosts`), which has authenticated itself. */
  readonly host?: string | undefined
}

interface Entry {
  readonly principal: Principal
  /** Milliseconds since the epoch. */
  readonly until: number
  readonly keyId: string | undefined
}

interface Proven {
  readonly proof: Proof
  readonly until: number
}

export class Authenticator {
  private readonly o: AuthenticatorOptions
  private readonly freshMs: number
  private readonly entriesMax: number
  /** By token's hash, tenant, audience, host. Oldest first. */
  private entries = new Map<string, Entry>()
  private asking = new Map<string, Promise<Principal>>()
  private changes = 0
  /** What issuers have said, which outlives changes of ours. By token's hash, audience, host. */
  private readonly proven = new Map<string, Proven>()
  private readonly rechecks: Rechecks

  constructor(options: AuthenticatorOptions) {
    this.o = options
    this.freshMs = options.freshMs ?? 60_000
    this.entriesMax = options.entriesMax ?? 10_000
    this.rechecks = new Rechecks(options.clock, this.entriesMax)
  }

  /**
   * @param o.address of the caller, whose failures are counted
   * @throws SqlError 28000 invalid, expired, revoked, for another audience or tenant; 53400 too many failures from this
   * address; 57P03 it cannot be told just now; 22023 several memberships and no tenant named: the hint lists them
   */
  async authenticate(token: string, o: Asked & { readonly address: string }): Promise<Principal> {
    const hash = hashOf(token)
    const kept = this.kept(hash, o)
    if (kept !== undefined) return kept
    const attempt = this.o.throttle.begin(o.address, `bearer ${hash}`)
    try {
      if (attempt.delayMs > 0) await sleep(attempt.delayMs)
      const principal = await this.check(token, o)
      attempt.succeed()
      return principal
    } catch (thrown) {
      // A token that was good once is no guess.
      if (thrown instanceof InvalidCredential) attempt.fail()
      else attempt.abandon()
      throw thrown
    }
  }

  /** The same without the counting of failures, for a door that counts them itself. */
  async check(token: string, o: Asked): Promise<Principal> {
    for (let again = 0; ; again++) {
      const { changes } = this
      const principal = await this.checkOnce(token, o)
      // What was read before a change must not come out after the change was taken over: nobody would look at it again.
      if (changes === this.changes || again === rereadsMax) return principal
    }
  }

  private async checkOnce(token: string, o: Asked): Promise<Principal> {
    const hash = hashOf(token)
    const kept = this.kept(hash, o)
    if (kept !== undefined) return kept
    const key = keyOf(hash, o)
    const already = this.asking.get(key)
    if (already !== undefined) return await already
    const asking = this.find(token, hash, o)
    this.asking.set(key, asking)
    try {
      return await asking
    } finally {
      if (this.asking.get(key) === asking) this.asking.delete(key)
    }
  }

  /** Something changed in the control database: everything of ours is read anew when it is next asked for. */
  forget(): void {
    this.entries = new Map()
    this.changes++
    // What is being read may be from before the change: it is not kept, and read again.
    this.asking = new Map()
    this.o.ownTokens.forget()
  }

  /**
   * Those whose credentials only their issuer, or a lease, can call back, and that are not good any more.
   * @param open who has anything open; not asked where nobody came with such a credential
   */
  findCalledBack(open: () => readonly Present[]): Promise<readonly Present[]> {
    return this.rechecks.run(open)
  }

  private kept(hash: string, o: Asked): Principal | undefined {
    const entry = this.entries.get(keyOf(hash, o))
    if (entry === undefined || this.o.clock() >= entry.until) return undefined
    if (entry.keyId !== undefined) this.o.lastUses.note(entry.keyId)
    return entry.principal
  }

  private async find(token: string, hash: string, o: Asked): Promise<Principal> {
    const { entries } = this
    const now = this.o.clock()
    const { proof, until, issuer } = await this.asAvailable(() => this.prove(token, hash, o))
    const chosen = { tenant: o.tenant, tokenHash: hash, issuer }
    const principal = await this.asAvailable(() => choosePrincipal(proof, chosen, this.o))
    if (principal.expiresAt !== null && principal.expiresAt <= this.o.clock()) throw expired('token')
    const keyId = proof.kind === 'bound' ? proof.keyId : undefined
    const ends = Math.min(now + this.freshMs, until, principal.expiresAt ?? Number.POSITIVE_INFINITY)
    put(entries, keyOf(hash, o), { principal, until: ends, keyId }, this.entriesMax)
    if (keyId !== undefined) this.o.lastUses.note(keyId)
    if (principal.via === 'introspection' || principal.via === 'profile' || principal.via === 'job-token')
      this.rechecks.keep(principal, issuer?.cacheMs ?? leaseCheckMs, () => this.prove(token, hash, o))
    return principal
  }

  /** What is no SqlError is pg's: the control database cannot be asked. */
  private async asAvailable<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw error instanceof SqlError ? error : unavailable('the control database', error)
    }
  }

  private async prove(
    token: string,
    hash: string,
    o: Asked,
  ): Promise<Proven & { readonly issuer: IssuerOptions | undefined }> {
    const host = o.host === undefined ? undefined : this.hostOf(o.host)
    const own = (proof: Proof) => ({ proof, until: Number.POSITIVE_INFINITY, issuer: undefined })
    if (looksLikeApiKey(token)) {
      if (host !== undefined) throw refused('an API key cannot be handed on by another host')
      return own(await proveApiKey(this.o.pool, token, this.o.clock()))
    }
    const form = formOf(token)
    if (form.kind === 'jwt' && form.issuer === ownIssuer) {
      if (host !== undefined && !host.issuers.includes(ownIssuer)) throw invalid('token')
      return own(await this.o.ownTokens.prove(token))
    }
    const issuers = this.o.issuers.filter(one => host === undefined || host.issuers.includes(one.options.issuer))
    const options = issuers.map(one => one.options)
    const jwt = form.kind === 'jwt' ? issuers.find(one => one.options.issuer === form.issuer) : undefined
    if (form.kind === 'jwt' && jwt === undefined) throw invalid('token')
    const issuer = jwt?.options ?? issuerOfOpaque(token, options)
    const audiences = host?.audiences ?? (issuer.audiences.length > 0 ? issuer.audiences : [o.audience])
    return { ...(await this.proveOnce(token, hash, o, { jwt, issuer, audiences })), issuer }
  }

  private async proveOnce(
    token: string,
    hash: string,
    o: Asked,
    by: { readonly jwt: JwtIssuer | undefined; readonly issuer: IssuerOptions; readonly audiences: readonly string[] },
  ): Promise<Proven> {
    const key = keyOf(hash, { ...o, tenant: null })
    const now = this.o.clock()
    const known = this.proven.get(key)
    if (known !== undefined && now < known.until) return known
    const proof = await this.ask(token, by)
    const proven = { proof, until: Math.min(now + by.issuer.cacheMs, proof.expiresAt ?? Number.POSITIVE_INFINITY) }
    put(this.proven, key, proven, this.entriesMax)
    return proven
  }

  private ask(
    token: string,
    by: { readonly jwt: JwtIssuer | undefined; readonly issuer: IssuerOptions; readonly audiences: readonly string[] },
  ) {
    const { jwt, issuer, audiences } = by
    const { introspection, profile } = issuer
    const nowMs = this.o.clock()
    if (jwt?.hasKeys) return jwt.prove(token, audiences)
    if (introspection !== null) {
      const clientSecret = this.o.clientSecrets.get(issuer.issuer) ?? ''
      return introspect({ ...issuer, introspection }, token, { audiences, clientSecret, nowMs })
    }
    if (profile !== null) return readProfile({ ...issuer, profile }, token, { audiences, nowMs })
    throw invalid('token')
  }

  private hostOf(name: string): TrustedHost {
    const host = this.o.trustedHosts.find(one => one.host === name)
    if (host !== undefined) return host
    throw refused("this host may not hand on its users' tokens", 'The operator lists it in identity.trustedHosts.')
  }
}

/** Changes that come faster than a credential can be checked do not hold it up for ever. */
const rereadsMax = 5
/** A lease is asked for at each look. */
const leaseCheckMs = 0

function hashOf(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex')
}

function keyOf(hash: string, { tenant, audience, host }: Asked): string {
  return JSON.stringify([hash, tenant, audience, host])
}

function put<V>(map: Map<string, V>, key: string, value: V, entriesMax: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= entriesMax) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
