import type { Command } from 'commander'
import { Schemas } from '../materialize/schemas.ts'
import { schemaParts } from '../serve/schemas.ts'
import { openStores } from '../serve/stores.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'
import { stopped } from './gateway.ts'

export function workerCommand(cli: Cli): Command {
  const command = describeCommand(
    'worker',
    'work off jobs: expiry of unused schemas, sweep, housekeeping, retention; any number may run, "postern up" has one',
    ['worker', 'worker --config /etc/postern.yml'],
  )
  return command.action(() => runCommand(cli, command, work, 'service'))
}

async function work({ config, log, signal }: Run): Promise<void> {
  const { startWork } = await import('../serve/work.ts')
  const stores = await openStores(config, log, { migrate: false })
  const schemas = new Schemas(schemaParts(config, stores, log), 'job')
  try {
    const worker = await startWork(config, stores, schemas, log)
    log.info({}, 'working')
    try {
      await stopped(signal)
      log.info({}, 'stopping')
    } finally {
      await worker.stop()
    }
  } finally {
    await schemas.close()
    await stores.close()
  }
  log.info({}, 'stopped')
}
