/**
 * Which prepared statements one upstream connection holds, least recently used first. Keys are the session's: everything
 * that decides what a name means upstream.
 */
export class StatementLru {
  readonly #max: number
  readonly #keys = new Set<string>()
  #newest: string | undefined

  constructor(max = 200) {
    this.#max = max
  }

  get size(): number {
    return this.#keys.size
  }

  /** Whether it is there; if so, it is now the most recently used. */
  has(key: string): boolean {
    if (key === this.#newest) return true
    if (!this.#keys.delete(key)) return false
    this.#keys.add(key)
    this.#newest = key
    return true
  }

  /** @returns the keys that had to go: close them upstream */
  add(key: string): readonly string[] {
    this.#keys.delete(key)
    this.#keys.add(key)
    this.#newest = key
    if (this.#keys.size <= this.#max) return none
    const evicted: string[] = []
    for (const oldest of this.#keys) {
      if (this.#keys.size <= this.#max) break
      this.#keys.delete(oldest)
      evicted.push(oldest)
    }
    return evicted
  }

  delete(key: string): void {
    if (key === this.#newest) this.#newest = undefined
    this.#keys.delete(key)
  }

  clear(): void {
    this.#newest = undefined
    this.#keys.clear()
  }
}

const none: readonly string[] = []
