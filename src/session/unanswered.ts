import type { Expectations } from './expectation.ts'

interface Mark {
  readonly place: number
  readonly series: number
}

/**
 * What the server may yet skip. Where a message fails it skips the rest of its series; until the answers are here, nobody knows
 * whether what a series was to change is so. A later series must not build on it.
 */
export class Unanswered {
  private readonly expectations: Expectations
  private series = 0
  /** Client's statements that were made or closed. */
  private readonly names = new Map<string, Mark>()
  /** Upstream's statements that were parsed. */
  private readonly parses = new Map<string, Mark>()

  constructor(expectations: Expectations) {
    this.expectations = expectations
  }

  /** A Sync was sent. */
  endSeries(): void {
    this.series++
  }

  /** The client's statement of this name is made or closed by the message at hand. */
  touch(name: string): void {
    this.mark(this.names, name)
  }

  /** Whether the client has a statement of this name is not known yet. */
  isUncertain(name: string): boolean {
    return this.isMarked(this.names, name)
  }

  /** A Parse of `key` is sent now. @returns its place */
  parse(key: string): number {
    this.mark(this.parses, key)
    return this.expectations.place
  }

  /** Whether the upstream gets to the Parse of `key` is not known yet: what it would take for it instead is another's. */
  mayLack(key: string): boolean {
    return this.isMarked(this.parses, key)
  }

  /** Whether `key` was not parsed again since. */
  isLatest(key: string, place: number): boolean {
    return this.parses.get(key)?.place === place
  }

  private mark(marks: Map<string, Mark>, name: string): void {
    if (this.expectations.length === 0) marks.clear()
    marks.set(name, { place: this.expectations.place, series: this.series })
  }

  private isMarked(marks: Map<string, Mark>, name: string): boolean {
    const { expectations, series } = this
    const last = marks.get(name)
    return last !== undefined && last.series !== series && expectations.length > 0 && expectations.isPending(last.place)
  }
}
