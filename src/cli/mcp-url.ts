/** `mcp --url`: one database that stands already, guarded with nothing else set up. */
import { type Config, readVariable } from '../config.ts'
import { SqlError } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import { openUrlStores, prepareAnyUrl } from '../serve/any-url.ts'
import type { Stores } from '../serve/stores.ts'
import { parseTargetUrl } from '../serve/target-url.ts'
import { administrationOf } from './administer.ts'
import type { Run } from './command.ts'

interface GuardedUrl {
  readonly config: Config
  readonly stores: Stores
  readonly principal: Principal
}

/** `env:NAME`: an address that does not stand in the list of processes. @throws SqlError 22023 where it is not set */
function addressOf(url: string): string {
  return url.startsWith('env:') ? readVariable(url.slice('env:'.length)) : url
}

/** Says on standard error what is guarded and how. The caller closes the stores. @throws SqlError why it is not served */
export async function openUrl(run: Run, url: string, provision: boolean): Promise<GuardedUrl> {
  const target = parseTargetUrl(addressOf(url))
  const dataDirSaid = run.said('dataDir') !== undefined
  const { config, stores, facts } = await openUrlStores(run.config, run.log, target, { dataDirSaid })
  try {
    const { principal, notes } = await prepareAnyUrl(administrationOf(stores), config, target, facts, { provision })
    for (const note of notes) run.terminal.note(note)
    return { config, stores, principal }
  } catch (error) {
    await stores.close()
    throw error
  }
}

/** Whoever starts it with --url is its one principal. @throws SqlError 22023 for options that do not go together */
export function refuseWithUrl(given: ReadonlySet<string>): void {
  const flags = new Map([
    ['principal', '--principal'],
    ['tokenEnv', '--token-env'],
    ['passThrough', '--pass-through'],
  ])
  const other = [...flags].find(([name]) => given.has(name))
  if (given.has('url') && other !== undefined) {
    throw new SqlError({ code: '22023', message: `--url serves a user of its own: leave out ${other[1]}` })
  }
  if (given.has('provision') && !given.has('url')) {
    throw new SqlError({ code: '22023', message: '--provision belongs to --url' })
  }
}
