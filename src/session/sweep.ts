/** One timer for the clocks of all sessions: wall clock of a request, idle transactions, expired principals. */

export interface Swept {
  tick(nowMs: number): void
}

const periodMs = 200

export class Sweep {
  private readonly sessions = new Set<Swept>()
  private readonly now: () => number
  private timer: NodeJS.Timeout | undefined

  constructor(now: () => number) {
    this.now = now
  }

  add(session: Swept): void {
    this.sessions.add(session)
    this.timer ??= setInterval(() => this.run(), periodMs).unref()
  }

  delete(session: Swept): void {
    this.sessions.delete(session)
    if (this.sessions.size > 0) return
    clearInterval(this.timer)
    this.timer = undefined
  }

  private run(): void {
    const now = this.now()
    for (const session of this.sessions) session.tick(now)
  }
}
