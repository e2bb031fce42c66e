/** A bearer credential in place of a password: as PasswordMessage, in clear, so only where nobody can listen. */
import { SqlError } from '../errors.ts'
import type { LoginConnection } from './login-connection.ts'

/** Where a token may be sent without TLS: `socket`, the Unix socket; `local`, also from this machine over TCP. */
export type TokensWithoutTls = 'never' | 'socket' | 'local'

export interface TokenLogin {
  /** Null: whoever's the token is. */
  readonly name: string | null
  /** Null: not named. */
  readonly tenant: string | null
}

/** `token@acme`, `alice+token@acme`; undefined: a password's login. */
export function readTokenLogin(login: string): TokenLogin | undefined {
  const at = login.lastIndexOf('@')
  const tenant = at < 0 ? null : login.slice(at + 1)
  const name = at < 0 ? login : login.slice(0, at)
  if (name === 'token' && tenant !== null) return { name: null, tenant }
  return name.endsWith('+token') && name !== '+token' ? { name: name.slice(0, -'+token'.length), tenant } : undefined
}

/** Before it is asked for. @throws SqlError 28000 FATAL */
export function checkTokenWay(connection: LoginConnection, withoutTls: TokensWithoutTls): void {
  if (connection.encrypted) return
  const { isLocal, address } = connection
  if (isLocal && withoutTls !== 'never') return
  if (!isLocal && withoutTls === 'local' && isLoopback(address)) return
  throw new SqlError({
    code: '28000',
    severity: 'FATAL',
    message: 'a token is taken over TLS only',
    hint: 'Connect with sslmode=require or stricter. The operator may allow this machine without: identity.tokensWithoutTls.',
  })
}

function isLoopback(address: string): boolean {
  const bare = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
  return bare === '::1' || /^127\.\d+\.\d+\.\d+$/.test(bare)
}
