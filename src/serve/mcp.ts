/** The MCP door's parts, as both of its transports are handed them. */
import type { Config } from '../config.ts'
import { type CallingParts, type McpDoor, startMcp } from '../mcp/start.ts'
import type { Log } from '../observe/log.ts'
import type { Core } from './core.ts'
import type { Stores } from './stores.ts'
import { readVersion } from './version.ts'

export function callingParts(config: Config, stores: Stores, core: Core, log: Log): CallingParts {
  return {
    config: config.mcp,
    services: {
      ...core.agents,
      directory: core.databases,
      parse: text => core.parser.parseNow(text),
      now: Date.now,
    },
    control: stores.control,
    derive: purpose => stores.keys.derive(purpose),
    audit: core.services.audit,
    log,
    version: readVersion(),
  }
}

/** Over HTTP. @throws SqlError as startMcp */
export async function openMcp(config: Config, stores: Stores, core: Core, log: Log): Promise<McpDoor> {
  const { authorizationServers } = config.mcp
  const issuers = config.identity.issuers.map(({ issuer }) => issuer).filter(issuer => URL.canParse(issuer))
  const door = await startMcp({
    ...callingParts(config, stores, core, log),
    config: {
      ...config.mcp,
      authorizationServers: authorizationServers.length > 0 ? authorizationServers : issuers,
    },
    authenticator: core.identity.authenticator,
  })
  core.revocations.watch(door)
  return door
}
