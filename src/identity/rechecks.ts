/**
 * Asks again for what is open, where nothing in the control database would tell that it is over: tokens that their issuer
 * is asked about, and runs' tokens, which depend on a lease.
 */
import { SqlError } from '../errors.ts'
import type { Present, Principal } from './principal.ts'

/** A session whose credential could not be checked for so long ends: it cannot be told that it may go on. */
const unsureMaxMs = 60_000
/** Kept so long after it was last seen with anything open. */
const keptMs = 60_000

interface Kept {
  readonly everyMs: number
  readonly prove: () => Promise<unknown>
  seenMs: number
  /** When it was last found good. */
  goodMs: number
  askedMs: number
}

export class Rechecks {
  private readonly clock: () => number
  private readonly entriesMax: number
  private readonly kept = new Map<string, Kept>()

  constructor(clock: () => number, entriesMax: number) {
    this.clock = clock
    this.entriesMax = entriesMax
  }

  /** It was found good just now; `prove` finds it good again, or throws. */
  keep(principal: Principal, everyMs: number, prove: () => Promise<unknown>): void {
    const { credential } = principal
    if (credential === null) return
    const now = this.clock()
    this.kept.delete(credential)
    this.kept.set(credential, { everyMs, prove, seenMs: now, goodMs: now, askedMs: now })
    if (this.kept.size <= this.entriesMax) return
    for (const oldest of this.kept.keys()) {
      this.kept.delete(oldest)
      return
    }
  }

  async run(whoIsOpen: () => readonly Present[]): Promise<readonly Present[]> {
    if (this.kept.size === 0) return []
    const open = whoIsOpen()
    const now = this.clock()
    const present = new Set(open.map(({ credential }) => credential))
    const due: [string, Kept][] = []
    for (const [credential, kept] of this.kept) {
      if (present.has(credential)) kept.seenMs = now
      if (now - kept.seenMs > keptMs) this.kept.delete(credential)
      else if (present.has(credential) && now - kept.askedMs >= kept.everyMs) due.push([credential, kept])
    }
    const over = new Set<string>()
    await Promise.all(
      due.map(async ([credential, kept]) => {
        kept.askedMs = now
        if (await this.isGood(kept, now)) return
        over.add(credential)
        this.kept.delete(credential)
      }),
    )
    return open.filter(({ credential }) => credential !== null && over.has(credential))
  }

  private async isGood(kept: Kept, now: number): Promise<boolean> {
    try {
      await kept.prove()
      kept.goodMs = now
      return true
    } catch (error) {
      const isKnown = error instanceof SqlError && error.code === '28000'
      return !isKnown && now - kept.goodMs < unsureMaxMs
    }
  }
}
