/** `--scopes data:read,materialize:run` on the command line. */
import { InvalidArgumentError, Option } from 'commander'
import { type Scope, scopes } from '../identity/principal.ts'

/** The option; absent: all that the user's role has. */
export function scopesOption(): Option {
  const known = scopes.join(', ')
  return new Option('--scopes <list>', `no more than these of what the user's role has: ${known}`).argParser(
    parseScopes,
  )
}

function parseScopes(text: string): readonly Scope[] {
  return text.split(',').map(word => {
    const scope = scopes.find(one => one === word.trim())
    if (scope === undefined) throw new InvalidArgumentError(`"${word}" is none of ${scopes.join(', ')}.`)
    return scope
  })
}

/** For lists. */
export function describeScopes(named: readonly string[] | null): string {
  return named === null ? "the role's" : named.join(' ')
}

export function describeState(row: { readonly expiresAt: Date | null; readonly revokedAt: Date | null }): string {
  if (row.revokedAt !== null) return 'revoked'
  if (row.expiresAt !== null && row.expiresAt.getTime() <= Date.now()) return 'expired'
  return row.expiresAt === null ? 'active' : `until ${row.expiresAt.toISOString().slice(0, 16)}Z`
}
