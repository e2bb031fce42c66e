import type { Command } from 'commander'
import { SqlError } from '../errors.ts'
import { openStores } from '../serve/stores.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'

export function gatewayCommand(cli: Cli): Command {
  const command = describeCommand(
    'gateway',
    'serve the Postgres wire protocol, with a control database that POSTERN_CONTROL_URL names',
    ['gateway', 'gateway --config /etc/postern.yml'],
  )
  return command.action(() => runCommand(cli, command, serve, 'service'))
}

async function serve(run: Run): Promise<void> {
  const { config, log, signal } = run
  if (config.control.url === null) {
    throw new SqlError({
      code: 'F0000',
      message: 'POSTERN_CONTROL_URL is not set',
      hint: '"postern up" serves with an embedded Postgres.',
    })
  }
  const { startServing } = await import('../serve/doors.ts')
  const stores = await openStores(config, log, { migrate: false })
  try {
    // This is the wire alone; "up" serves every door.
    const serving = await startServing({ ...config, mcp: { ...config.mcp, enabled: false } }, stores, log)
    try {
      await serving.databases.proveAll()
      log.info(
        { host: config.gateway.host, port: serving.gateway.port, databases: serving.databases.all().length },
        'listening',
      )
      await stopped(signal)
      log.info({ sessions: serving.gateway.stats().connections }, 'stopping')
    } finally {
      await serving.close(config.gateway.drainTimeoutMs)
    }
  } finally {
    await stores.close()
  }
  log.info({}, 'stopped')
}

/** Resolves at SIGINT, SIGTERM or SIGHUP. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
