/** Login names → SCRAM verifier and principal, kept in memory until the control database changes. */
import type { Pool } from 'pg'
import { findMember } from '../control/members.ts'
import { SqlError } from '../errors.ts'
import { mockVerifier, parseVerifier, type ScramVerifier } from '../wire/scram.ts'
import { type Principal, principalOf } from './principal.ts'

export interface Login {
  /** Where there is no such user a mock that no password fits, so that a stranger cannot tell. */
  readonly verifier: ScramVerifier
  /** Null: nobody. The exchange must be gone through all the same, and fails. */
  readonly principal: Principal | null
}

export interface LoginsOptions {
  readonly pool: Pool
  /** The same on every instance and after every start: the key ring's `derive('mock-verifier')`. */
  readonly mockSecret: Uint8Array
  /** Milliseconds. */
  readonly clock: () => number
  /** What is older is read again even if no change was heard of: the longest that a revocation can go unseen. */
  readonly freshMs?: number | undefined
  readonly entriesMax?: number | undefined
}

interface Entry {
  readonly login: Login
  readonly readAtMs: number
}

const loginMaxChars = 256
/** Changes that come faster than a login can be read do not hold it up for ever. */
const rereadsMax = 5

export class Logins {
  private readonly pool: Pool
  private readonly mockSecret: Uint8Array
  private readonly clock: () => number
  private readonly freshMs: number
  private readonly entriesMax: number
  /** Apart, so that names that do not exist cannot push out those that do. Oldest first. */
  private known = new Map<string, Entry>()
  private unknown = new Map<string, Entry>()
  private reading = new Map<string, Promise<Login>>()
  private changes = 0

  constructor(options: LoginsOptions) {
    this.pool = options.pool
    this.mockSecret = options.mockSecret
    this.clock = options.clock
    this.freshMs = options.freshMs ?? 60_000
    this.entriesMax = options.entriesMax ?? 10_000
  }

  /**
   * `alice@acme`: what stands after the last `@` is the tenant. `alice`: of the only tenant, where there is but one.
   * @throws SqlError 57P03 where the control database cannot be asked and nothing fresh is known
   */
  async find(name: string): Promise<Login> {
    for (let again = 0; ; again++) {
      const { changes } = this
      const login = await this.findOnce(name)
      // What was read before a change must not come out after the change was taken over: nobody would look at it again.
      if (changes === this.changes || again === rereadsMax) return login
    }
  }

  private async findOnce(name: string): Promise<Login> {
    const kept = this.known.get(name) ?? this.unknown.get(name)
    if (kept !== undefined && this.clock() - kept.readAtMs < this.freshMs) return kept.login
    const already = this.reading.get(name)
    if (already !== undefined) return await already
    const reading = this.read(name)
    this.reading.set(name, reading)
    try {
      return await reading
    } finally {
      if (this.reading.get(name) === reading) this.reading.delete(name)
    }
  }

  /** Something changed in the control database: everything is read anew when it is next asked for. */
  forget(): void {
    this.changes++
    this.known = new Map()
    this.unknown = new Map()
    // What is being read may be from before the change: it is not kept, and read again.
    this.reading = new Map()
  }

  private async read(name: string): Promise<Login> {
    const { known, unknown } = this
    const readAtMs = this.clock()
    // Made for everybody, so that it takes the same time for those who exist.
    const mock = { verifier: mockVerifier(name, this.mockSecret), principal: null }
    // No login is like that: not worth a question, nor the memory.
    if (name.length > loginMaxChars || name.includes('\0')) return mock
    const member = await this.ask(name)
    const login =
      member === undefined ? mock : { verifier: parseVerifier(member.verifier), principal: principalOf(member) }
    known.delete(name)
    unknown.delete(name)
    keep(member === undefined ? unknown : known, name, { login, readAtMs }, this.entriesMax)
    return login
  }

  private async ask(name: string) {
    const at = name.lastIndexOf('@')
    try {
      return at === -1
        ? await findMember(this.pool, name, null)
        : await findMember(this.pool, name.slice(0, at), name.slice(at + 1))
    } catch (cause) {
      throw new SqlError({
        code: '57P03',
        message: 'logins cannot be checked at the moment',
        hint: 'Try again shortly.',
        cause,
      })
    }
  }
}

function keep(entries: Map<string, Entry>, name: string, entry: Entry, entriesMax: number): void {
  entries.set(name, entry)
  if (entries.size <= entriesMax) return
  for (const oldest of entries.keys()) {
    entries.delete(oldest)
    return
  }
}
