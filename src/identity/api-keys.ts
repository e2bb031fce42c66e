/** API keys: `pk_<id>_<secret>`, the id in the open, of the secret no more than a hash anywhere. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Pool } from 'pg'
import { findApiKey, writeLastUses } from '../control/api-keys.ts'
import { makeId } from '../control/ids.ts'
import { type BoundProof, expired, invalid, revoked } from './proof.ts'

const secretBytes = 32
const form = /^pk_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/

export interface NewApiKey {
  readonly id: string
  /** To be shown once. */
  readonly text: string
  readonly hash: Buffer
}

export function makeApiKey(): NewApiKey {
  const id = makeId()
  const secret = randomBytes(secretBytes).toString('base64url')
  return { id, text: `pk_${id.replaceAll('-', '')}_${secret}`, hash: hashOf(secret) }
}

export function looksLikeApiKey(token: string): boolean {
  return token.startsWith('pk_')
}

/**
 * SHA-256 does for a secret of 256 random bits: there is nothing to guess that a slow hash would protect.
 * @throws SqlError 28000; whatever pg throws where the control database cannot be asked
 */
export async function proveApiKey(pool: Pool, token: string, nowMs: number): Promise<BoundProof> {
  const [, a, b, c, d, e, secret] = form.exec(token) ?? []
  if (secret === undefined) throw invalid('API key')
  const id = [a, b, c, d, e].join('-')
  const key = await findApiKey(pool, id)
  const fits = timingSafeEqual(hashOf(secret), key?.hash ?? Buffer.alloc(32))
  // Only to who holds the secret is it told what has become of the key.
  if (key === undefined || !fits) throw invalid('API key')
  if (key.revokedAt !== null) throw revoked('API key')
  const expiresAt = key.expiresAt?.getTime() ?? null
  if (expiresAt !== null && expiresAt <= nowMs) throw expired('API key')
  return {
    kind: 'bound',
    member: key,
    shown: { via: 'api-key', credential: `key:${id}`, expiresAt, scopes: key.scopes },
    keyId: id,
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest()
}

/** When keys were last used, written now and then and all together. */
export class LastUses {
  private readonly pool: Pool
  private readonly clock: () => number
  private readonly onFault: (error: unknown) => void
  private uses = new Map<string, number>()
  private readonly timer: NodeJS.Timeout
  private writing: Promise<void> | undefined

  constructor(o: {
    readonly pool: Pool
    readonly clock: () => number
    readonly onFault: (error: unknown) => void
    readonly writeEveryMs?: number | undefined
  }) {
    this.pool = o.pool
    this.clock = o.clock
    this.onFault = o.onFault
    this.timer = setInterval(() => void this.write(), o.writeEveryMs ?? 30_000)
    this.timer.unref()
  }

  note(keyId: string): void {
    this.uses.set(keyId, this.clock())
  }

  /** What cannot be written is kept for the next time. Never rejects. */
  write(): Promise<void> {
    this.writing ??= this.writeOnce().finally(() => {
      this.writing = undefined
    })
    return this.writing
  }

  async close(): Promise<void> {
    clearInterval(this.timer)
    await this.writing
    await this.write()
  }

  private async writeOnce(): Promise<void> {
    if (this.uses.size === 0) return
    const { uses } = this
    this.uses = new Map()
    try {
      await writeLastUses(this.pool, uses)
    } catch (error) {
      this.uses = new Map([...uses, ...this.uses])
      this.onFault(error)
    }
  }
}
