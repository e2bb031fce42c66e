/** Slows down and then refuses whoever guesses passwords: per address and login name, and per address alone. */
import { isIPv6 } from 'node:net'
import { SqlError } from '../errors.ts'

export interface LoginThrottleOptions {
  /** Milliseconds; never goes backwards. */
  readonly clock: () => number
  /** Failures of one name from one address that cost nothing: people mistype. */
  readonly freeFailures?: number | undefined
  /** The delay after the first failure that costs; it doubles with each one after. */
  readonly delayMinMs?: number | undefined
  readonly delayMaxMs?: number | undefined
  /** Failures after which one name from one address is refused, without a look at the password. */
  readonly failuresMax?: number | undefined
  /** The same for one address over all names. */
  readonly addressFailuresMax?: number | undefined
  /** Attempts at once of one name from one address while none of them has come to an end yet. */
  readonly openMax?: number | undefined
  /** The most failures that are remembered are forgotten evenly over this time. */
  readonly forgetMs?: number | undefined
  /** Remembered (address, name) pairs, and as many addresses; the longest unused are forgotten first. */
  readonly entriesMax?: number | undefined
}

interface Tally {
  /** Leaks away with time, so it is no whole number. */
  failures: number
  /** Attempts whose end is not known yet. They count as failures once one has failed: else N at once get N guesses. */
  open: number
  leakedAtMs: number
}

/** One login. One of the three is called at its end; what is called after that does nothing. */
export interface Attempt {
  /** Wait so long before the server's first message of the exchange. */
  readonly delayMs: number
  succeed(): void
  /** A wrong proof came. */
  fail(): void
  /** It ended without a proof: the client left (psql does, to ask for the password), or it could not be checked. */
  abandon(): void
}

export class LoginThrottle {
  private readonly clock: () => number
  private readonly freeFailures: number
  private readonly delayMinMs: number
  private readonly delayMaxMs: number
  private readonly failuresMax: number
  private readonly addressFailuresMax: number
  private readonly openMax: number
  private readonly forgetMs: number
  private readonly entriesMax: number
  private readonly pairs = new Map<string, Tally>()
  private readonly addresses = new Map<string, Tally>()

  constructor(options: LoginThrottleOptions) {
    this.clock = options.clock
    this.freeFailures = options.freeFailures ?? 3
    this.delayMinMs = options.delayMinMs ?? 200
    this.delayMaxMs = options.delayMaxMs ?? 5_000
    this.failuresMax = options.failuresMax ?? 10
    this.addressFailuresMax = options.addressFailuresMax ?? 100
    this.openMax = options.openMax ?? 64
    this.forgetMs = options.forgetMs ?? 15 * 60_000
    this.entriesMax = options.entriesMax ?? 10_000
  }

  /** Pairs and addresses in memory. */
  get remembered(): number {
    return this.pairs.size + this.addresses.size
  }

  /** @throws SqlError 53400 with the seconds to wait in its hint */
  begin(address: string, login: string): Attempt {
    const source = networkOf(address)
    const pair = this.tally(this.pairs, `${source}\0${login.slice(0, 256)}`, this.failuresMax)
    const whole = this.tally(this.addresses, source, this.addressFailuresMax)
    this.refuse(pair, this.failuresMax)
    this.refuse(whole, this.addressFailuresMax)
    if (pair.open >= this.openMax) throw tooMany(1)
    pair.open++
    whole.open++
    const delayMs = this.delayOf(pair.failures < 1 ? 0 : Math.floor(pair.failures) + pair.open - 1)
    let ended = false
    const end = (failures: number): void => {
      if (ended) return
      ended = true
      this.end(pair, this.failuresMax, failures)
      this.end(whole, this.addressFailuresMax, failures)
    }
    const succeed = (): void => {
      if (!ended) pair.failures = 0
      end(0)
    }
    return { delayMs, succeed, fail: () => end(1), abandon: () => end(0) }
  }

  private end(tally: Tally, failuresMax: number, failures: number): void {
    tally.open--
    this.leak(tally, failuresMax)
    tally.failures += failures
  }

  private refuse(tally: Tally, failuresMax: number): void {
    const counted = tally.failures < 1 ? 0 : tally.failures + tally.open
    const surplus = counted - failuresMax + 1
    // The least that is left over of a failure after its delay is no reason to refuse.
    if (surplus <= 0.001) return
    throw tooMany(Math.ceil((surplus * this.forgetMs) / failuresMax / 1000))
  }

  private leak(tally: Tally, failuresMax: number): void {
    const nowMs = this.clock()
    tally.failures = Math.max(0, tally.failures - ((nowMs - tally.leakedAtMs) * failuresMax) / this.forgetMs)
    tally.leakedAtMs = nowMs
  }

  private delayOf(failures: number): number {
    const costing = failures - this.freeFailures
    return costing < 0 ? 0 : Math.min(this.delayMaxMs, this.delayMinMs * 2 ** Math.min(costing, 30))
  }

  /** Found or new, and now the last to be forgotten. */
  private tally(tallies: Map<string, Tally>, key: string, failuresMax: number): Tally {
    const tally = tallies.get(key) ?? { failures: 0, open: 0, leakedAtMs: this.clock() }
    tallies.delete(key)
    tallies.set(key, tally)
    if (tallies.size > this.entriesMax) forgetOldest(tallies)
    this.leak(tally, failuresMax)
    return tally
  }
}

function forgetOldest(tallies: Map<string, Tally>): void {
  for (const oldest of tallies.keys()) {
    tallies.delete(oldest)
    return
  }
}

/** An IPv6 host has a /64 of addresses to come from. */
function networkOf(address: string): string {
  const bare = address.startsWith('::ffff:') ? address.slice(7) : address
  if (!isIPv6(bare)) return bare
  const [head = '', tail] = bare.split('%')[0]!.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const groups = [...left, ...new Array<string>(zeros).fill('0'), ...right]
  return groups
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')
}

function tooMany(seconds: number): SqlError {
  return new SqlError({
    code: '53400',
    severity: 'FATAL',
    message: 'too many failed logins',
    hint: `Try again in ${seconds} seconds.`,
  })
}
