/** An Authenticator over a control database with tenants and users, as the doors have it. */
import { addTenant } from '../../src/control/tenants.ts'
import { addUser, setUserEmail } from '../../src/control/users.ts'
import { LastUses } from '../../src/identity/api-keys.ts'
import { Authenticator, type AuthenticatorOptions } from '../../src/identity/authenticator.ts'
import type { IssuerOptions } from '../../src/identity/issuers.ts'
import { JwtIssuer, type JwtTimes } from '../../src/identity/jwt.ts'
import { LoginThrottle } from '../../src/identity/login-throttle.ts'
import { OwnTokens } from '../../src/identity/own-tokens.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'

export const audience = 'https://postern.test/mcp'
export const asked = { tenant: null, audience, address: '192.0.2.1' }

/** acme: alice (admin), bob (viewer). globex: alice too (viewer), and carol (analyst). */
export async function peopledControl(): Promise<ControlFixture> {
  const control = await freshControl()
  const { administration } = control
  for (const name of ['acme', 'globex']) await addTenant(administration, { name })
  await addUser(administration, { tenant: 'acme', login: 'alice', role: 'admin', verifier: null })
  await addUser(administration, { tenant: 'acme', login: 'bob', role: 'viewer', verifier: null })
  await addUser(administration, { tenant: 'globex', login: 'carol', role: 'analyst', verifier: null })
  await setUserEmail(administration, { tenant: 'acme', login: 'bob' }, 'bob@example.com')
  return control
}

export const noClaims = {
  subject: 'sub',
  tenant: null,
  scopes: 'scope',
  roles: null,
  email: 'email',
  emailVerified: 'email_verified',
  audience: 'aud',
}

export function issuerOptions(o: Partial<IssuerOptions> & { readonly issuer: string }): IssuerOptions {
  return {
    jwksUri: null,
    discovery: false,
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    audiences: [],
    anyAudience: false,
    claims: noClaims,
    introspection: null,
    profile: null,
    tokenPrefix: null,
    cacheMs: 10_000,
    linkByEmail: true,
    signup: null,
    ...o,
  }
}

export interface TestedAuthenticator {
  readonly authenticator: Authenticator
  readonly lastUses: LastUses
}

export function authenticatorOf(
  control: ControlFixture,
  issuers: readonly IssuerOptions[],
  o: Partial<AuthenticatorOptions> & {
    readonly times?: Partial<JwtTimes>
    readonly leaseHeld?: (runId: string) => Promise<boolean>
  } = {},
): TestedAuthenticator {
  const { service: pool, administration } = control
  const clock = o.clock ?? Date.now
  const times = { clock, toleranceMs: 30_000, jwksCooldownMs: 30_000, jwksMaxAgeMs: 600_000, ...o.times }
  const lastUses = new LastUses({
    pool,
    clock,
    onFault: error => {
      throw error
    },
  })
  const leaseHeld = o.leaseHeld ?? (() => Promise.resolve(false))
  const authenticator = new Authenticator({
    pool,
    administration,
    issuers: issuers.map(one => new JwtIssuer(one, times)),
    clientSecrets: new Map(),
    trustedHosts: [],
    ownTokens: new OwnTokens({ pool, clock, leaseHeld }),
    lastUses,
    throttle: new LoginThrottle({ clock: () => performance.now() }),
    clock,
    ...o,
  })
  return { authenticator, lastUses }
}
