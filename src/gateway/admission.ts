import { SqlError } from '../errors.ts'

/** Counts the connections that have not logged in, per address and in all. */
export class Admission {
  private readonly perAddressMax: number
  private readonly totalMax: number
  private readonly perAddress = new Map<string, number>()
  private total = 0

  constructor(perAddressMax: number, totalMax: number) {
    this.perAddressMax = perAddressMax
    this.totalMax = totalMax
  }

  get count(): number {
    return this.total
  }

  /** Takes a place, which {@link leave} gives back; or says why there is none. */
  enter(address: string): SqlError | undefined {
    const key = addressKey(address)
    const here = this.perAddress.get(key) ?? 0
    if (this.total >= this.totalMax) return refusal('too many connections are logging in')
    if (here >= this.perAddressMax) return refusal('too many connections from your address are logging in')
    this.perAddress.set(key, here + 1)
    this.total += 1
    return undefined
  }

  leave(address: string): void {
    const key = addressKey(address)
    const here = this.perAddress.get(key) ?? 0
    if (here <= 1) this.perAddress.delete(key)
    else this.perAddress.set(key, here - 1)
    this.total -= 1
  }
}

function refusal(message: string): SqlError {
  return new SqlError({ code: '53300', severity: 'FATAL', message, hint: 'Try again in a moment.' })
}

/** What counts as one address: an IPv4 address, an IPv6 /64, or the Unix socket. */
export function addressKey(address: string): string {
  const plain = address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('%', 1)[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length
    while (groups.length + after < 8) groups.push('0')
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}
