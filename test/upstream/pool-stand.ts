import { vi } from 'vitest'
import type { Claim } from '../../src/upstream/claim.ts'
import { connectUpstream, type Upstream } from '../../src/upstream/connection.ts'
import { Pool } from '../../src/upstream/pool.ts'
import { PoolGroup } from '../../src/upstream/pool-group.ts'
import type { PoolOptions } from '../../src/upstream/pool-options.ts'
import { optionsFor } from './meeting.ts'
import { type Peer, type ScriptedServer, startScriptedServer, welcome } from './scripted-server.ts'

/** Logs everybody in and says nothing more; cancel requests are taken at once. */
export async function greet(peer: Peer): Promise<void> {
  const first = await peer.first()
  if (first.kind === 'cancel-request') peer.socket.end()
  else peer.say(welcome())
  peer.socket.resume()
}

export function claimOf(principal: string, limits: Partial<Claim> = {}): Claim {
  const [, tenant = 'acme'] = principal.split('@')
  return { principal, tenant, upstreamsPerPrincipal: 100, upstreamsPerTenant: 100, ...limits }
}

/** Pools on one scripted server; `finish` ends all of it. */
export class Bench {
  readonly pools: Pool[] = []
  readonly group: PoolGroup
  readonly server: ScriptedServer
  /** What the next connections fail with, if anything. */
  failure: Error | undefined

  private constructor(server: ScriptedServer, group: PoolGroup) {
    this.server = server
    this.group = group
  }

  static async start(group = new PoolGroup(), script: (peer: Peer, index: number) => Promise<void> | void = greet) {
    return new Bench(await startScriptedServer(script), group)
  }

  pool(options: Partial<PoolOptions> = {}): Pool {
    const connect = vi.fn(async (signal: AbortSignal): Promise<Upstream> => {
      if (this.failure) throw this.failure
      return connectUpstream(optionsFor(this.server.port), signal)
    })
    const pool = new Pool({ key: 'crm', connect, group: this.group, queueWaitTimeoutMs: 1000, ...options })
    this.pools.push(pool)
    return pool
  }

  async finish(): Promise<void> {
    for (const pool of this.pools) pool.close()
    await this.server.close()
  }
}

export const never = new AbortController().signal
