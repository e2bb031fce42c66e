/** Everything that tells who somebody is, put together: passwords, bearer credentials, and what withdraws them. */
import { readFileSync } from 'node:fs'
import { insertRecord } from '../audit/store.ts'
import type { Config } from '../config.ts'
import type { Administration } from '../control/administration.ts'
import { SqlError } from '../errors.ts'
import type { LoginService } from '../gateway/authenticate.ts'
import { LastUses } from '../identity/api-keys.ts'
import { Authenticator } from '../identity/authenticator.ts'
import { checkIssuers, type IssuerOptions } from '../identity/issuers.ts'
import { defaultJwtTimes, JwtIssuer } from '../identity/jwt.ts'
import { LoginThrottle } from '../identity/login-throttle.ts'
import { Logins } from '../identity/logins.ts'
import { OwnTokens } from '../identity/own-tokens.ts'
import type { Log } from '../observe/log.ts'
import type { Stores } from './stores.ts'

export interface Identity {
  readonly authenticator: Authenticator
  /** For the wire door. */
  readonly logins: LoginService
  /** After a change of the control database. */
  forget(): void
  close(): Promise<void>
}

/**
 * @param o.leaseHeld whether a run is being worked on; absent: no run's token is good
 * @throws SqlError F0000 where the settings do not fit together or a secret's file cannot be read
 */
export function openIdentity(
  config: Config,
  stores: Stores,
  log: Log,
  o: { readonly leaseHeld?: (runId: string) => Promise<boolean> } = {},
): Identity {
  const { issuers, trustedHosts, audience, tokensWithoutTls, jwksCooldownMs } = config.identity
  checkIssuers(issuers, trustedHosts)
  // Failures are forgotten by a clock that nobody can set.
  const throttle = new LoginThrottle({ clock: () => performance.now() })
  const pool = stores.control
  const clock = Date.now
  const logins = new Logins({ pool, mockSecret: stores.keys.derive('mock-verifier'), clock })
  const onFault = (error: unknown) => log.warn({ error }, 'when API keys were last used cannot be written')
  const lastUses = new LastUses({ pool, clock, onFault })
  const authenticator = new Authenticator({
    pool,
    administration: administrationOf(stores),
    issuers: issuers.map(one => new JwtIssuer(one, { ...defaultJwtTimes, jwksCooldownMs })),
    clientSecrets: new Map(issuers.map(one => [one.issuer, readSecret(one)])),
    trustedHosts,
    ownTokens: new OwnTokens({ pool, clock, leaseHeld: o.leaseHeld ?? (() => Promise.resolve(false)) }),
    lastUses,
    throttle,
    clock,
  })
  return {
    authenticator,
    logins: {
      begin: (address, login) => throttle.begin(address, login),
      find: login => logins.find(login),
      tokens: {
        withoutTls: tokensWithoutTls,
        check: (token, tenant) => authenticator.check(token, { tenant, audience }),
      },
    },
    forget() {
      logins.forget()
      authenticator.forget()
    },
    close: () => lastUses.close(),
  }
}

/** Identities are linked and users sign up in nobody's name but Postern's. */
function administrationOf({ control, keys }: Stores): Administration {
  const actor = { door: 'identity', session: '', requestId: '' }
  return { pool: control, sealer: keys, actor, record: insertRecord }
}

function readSecret({ issuer, introspection }: IssuerOptions): string {
  const path = introspection?.clientSecretFile ?? null
  if (path === null) return ''
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    const message = `identity.issuers: the client secret for ${issuer} cannot be read from ${path}`
    throw new SqlError({ code: 'F0000', message, cause })
  }
}
