import type { AuditRecord } from '../../src/audit/record.ts'
import { SqlError } from '../../src/errors.ts'
import type { LoginAttempt, LoginService } from '../../src/gateway/authenticate.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { defaultGatewayLimits, type GatewayLimits } from '../../src/gateway/limits.ts'
import { createGateway, type GatewayOptions } from '../../src/gateway/listener.ts'
import type { Login } from '../../src/identity/logins.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { createLog } from '../../src/observe/log.ts'
import { makeVerifier, mockVerifier, parseVerifier } from '../../src/wire/scram.ts'
import { testCertificate, testKey } from './certificate.ts'
import { FakeSession } from './fake-session.ts'

export const alice: Principal = {
  id: 'p-alice',
  tenant: 't-acme',
  tenantName: 'acme',
  name: 'alice',
  login: 'alice@acme',
  role: 'viewer',
  scopes: new Set(['data:read']),
  via: 'scram',
  credential: null,
  expiresAt: null,
}

/** alice of acme, whose password is `secret`. */
export class FakeLogins implements LoginService {
  readonly attempts: string[] = []
  readonly outcomes: string[] = []
  delayMs = 0
  private readonly verifier = makeVerifier('secret').then(parseVerifier)

  begin(address: string, login: string): LoginAttempt {
    this.attempts.push(`${login} from ${address}`)
    if (login === 'locked') throw new SqlError({ code: '53400', message: 'too many failed logins' })
    const end = (outcome: string) => () => void this.outcomes.push(`${login} ${outcome}`)
    return { delayMs: this.delayMs, succeed: end('succeeded'), fail: end('failed'), abandon: end('abandoned') }
  }

  async find(login: string): Promise<Login> {
    if (login === 'slow') await new Promise(resolve => setTimeout(resolve, 1_000))
    if (login === 'broken') throw new Error('connection to control database lost')
    if (login !== 'alice@acme') return { verifier: mockVerifier(login, 'server secret'), principal: null }
    return { verifier: await this.verifier, principal: alice }
  }
}

export interface Door {
  readonly gateway: Gateway
  readonly port: number
  readonly logins: FakeLogins
  readonly sessions: FakeSession[]
  readonly records: AuditRecord[]
  /** 'append' and 'flush' as they came. */
  readonly spool: string[]
  readonly logged: string[]
  /** Makes every flush fail. */
  breakSpool(): void
}

export type DoorOptions = Omit<Partial<GatewayOptions>, 'limits'> & { readonly limits?: Partial<GatewayLimits> }

/** A door on a free port of loopback, with TLS unless `tls: null`. */
export async function openDoor(options: DoorOptions = {}): Promise<Door> {
  const sessions: FakeSession[] = []
  const records: AuditRecord[] = []
  const spool: string[] = []
  const logged: string[] = []
  const logins = new FakeLogins()
  let broken = false
  const gateway = await createGateway({
    host: '127.0.0.1',
    port: 0,
    tls: { key: testKey, cert: testCertificate },
    requireTls: false,
    ignoreStartupParameters: [],
    logins,
    openSession: async request => {
      if (request.database === 'nowhere')
        throw new SqlError({ code: '3D000', message: 'database "nowhere" does not exist' })
      if (request.database === 'late') await new Promise(resolve => setTimeout(resolve, 800))
      const session = new FakeSession(request)
      sessions.push(session)
      return session
    },
    audit: {
      append: record => {
        records.push(record)
        spool.push('append')
      },
      flush: () => {
        if (broken) throw new SqlError({ code: '57P03', message: 'the audit spool cannot be written' })
        spool.push('flush')
      },
      healthy: true,
    },
    log: createLog('debug', line => logged.push(line)),
    clock: Date.now,
    tenantOf: name => (name.endsWith('.pg.test') ? name.slice(0, -'.pg.test'.length) : undefined),
    ...options,
    limits: { ...defaultGatewayLimits, ...options.limits },
  })
  const breakSpool = (): void => {
    broken = true
  }
  return { gateway, port: gateway.port ?? 0, logins, sessions, records, spool, logged, breakSpool }
}
