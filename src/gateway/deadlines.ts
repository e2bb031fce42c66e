export interface Expiring {
  expire(): void
}

/** Things that all live equally long, oldest first: one timer of the owner serves them all. */
export class Deadlines<T extends Expiring> {
  private readonly lifetimeMs: number
  private readonly bornMs = new Map<T, number>()

  constructor(lifetimeMs: number) {
    this.lifetimeMs = lifetimeMs
  }

  get size(): number {
    return this.bornMs.size
  }

  add(item: T, nowMs: number): void {
    this.bornMs.delete(item)
    this.bornMs.set(item, nowMs)
  }

  delete(item: T): void {
    this.bornMs.delete(item)
  }

  /** Expires and forgets what has lived too long. */
  sweep(nowMs: number): void {
    for (const [item, bornMs] of this.bornMs) {
      if (nowMs - bornMs < this.lifetimeMs) return
      this.bornMs.delete(item)
      item.expire()
    }
  }

  /** Expires everything. */
  clear(): void {
    for (const item of this.bornMs.keys()) {
      this.bornMs.delete(item)
      item.expire()
    }
  }
}
