import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { addressKey } from './admission.ts'

/** What a CancelRequest reaches. */
export interface Cancellable {
  cancel(): Promise<void>
}

interface Entry {
  readonly key: Buffer
  target: Cancellable | undefined
}

const addressesMax = 10_000

/**
 * Virtual process ids and cancel keys (manual, section 54.2.9). A key is 4 bytes under protocol 3.0 and 32 under 3.2, compared
 * in constant time. Requests are limited per address, those with a wrong key twenty times as strictly: 4 bytes can be guessed.
 */
export class CancelRegistry {
  private readonly perSecond: number
  private readonly entries = new Map<number, Entry>()
  /** Address → requests left, and when that was true. */
  private readonly allowances = new Map<string, { left: number; atMs: number }>()

  constructor(perSecond: number) {
    this.perSecond = perSecond
  }

  /** A virtual pid and a key that are nobody else's, until {@link release}. */
  reserve(protocolMinor: number): { virtualPid: number; key: Buffer } {
    let virtualPid = 0
    do virtualPid = randomInt(1, 2 ** 31)
    while (this.entries.has(virtualPid))
    const key = randomBytes(protocolMinor >= 2 ? 32 : 4)
    this.entries.set(virtualPid, { key, target: undefined })
    return { virtualPid, key }
  }

  bind(virtualPid: number, target: Cancellable): void {
    const entry = this.entries.get(virtualPid)
    if (entry !== undefined) entry.target = target
  }

  release(virtualPid: number): void {
    this.entries.delete(virtualPid)
  }

  /** Whom a CancelRequest names with the right key; nobody, where the address has asked too often. */
  find(virtualPid: number, key: Buffer, address: string, nowMs: number): Cancellable | undefined {
    const allowance = this.allowance(addressKey(address), nowMs)
    if (allowance.left < 1) return undefined
    const entry = this.entries.get(virtualPid)
    const comparable = entry !== undefined && entry.key.length === key.length
    const equal = comparable && timingSafeEqual(entry.key, key)
    const target = equal ? entry?.target : undefined
    allowance.left -= target === undefined ? 20 : 1
    return target
  }

  private allowance(address: string, nowMs: number): { left: number; atMs: number } {
    const burst = this.perSecond * 10
    const known = this.allowances.get(address)
    if (known !== undefined) {
      known.left = Math.min(burst, known.left + ((nowMs - known.atMs) * this.perSecond) / 1_000)
      known.atMs = nowMs
      return known
    }
    if (this.allowances.size >= addressesMax) this.forgetOldest()
    const fresh = { left: burst, atMs: nowMs }
    this.allowances.set(address, fresh)
    return fresh
  }

  private forgetOldest(): void {
    for (const address of this.allowances.keys()) {
      this.allowances.delete(address)
      return
    }
  }
}
