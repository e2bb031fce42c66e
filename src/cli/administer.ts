/** The control database as a command that administers uses it. */
import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { InvalidArgumentError } from 'commander'
import { insertRecord } from '../audit/store.ts'
import type { Administration } from '../control/administration.ts'
import { SqlError } from '../errors.ts'
import { openStores, type Stores } from '../serve/stores.ts'
import type { Run } from './command.ts'

/** Opens the stores for `work` and closes them. The act is recorded as done by the system's user. */
export async function withStores<T>(
  run: Run,
  work: (stores: Stores, administration: Administration) => Promise<T>,
): Promise<T> {
  const stores = await openStores(run.config, run.log, { migrate: false })
  try {
    return await work(stores, administrationOf(stores))
  } finally {
    await stores.close()
  }
}

export function administrationOf(stores: Stores): Administration {
  const actor = { door: 'cli', principal: userInfo().username, session: randomUUID(), requestId: randomUUID() }
  return { pool: stores.control, sealer: stores.keys, actor, record: insertRecord }
}

/** For commander's options. */
export function parsePort(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new InvalidArgumentError('It is a number from 1 to 65535.')
}

/** `alice@x.org@acme` → login `alice@x.org`, tenant `acme`. @throws SqlError 22023 */
export function parseLogin(text: string): { login: string; tenant: string } {
  const at = text.lastIndexOf('@')
  if (at > 0 && at < text.length - 1) return { login: text.slice(0, at), tenant: text.slice(at + 1) }
  throw new SqlError({
    code: '22023',
    message: `"${text}" names no tenant`,
    hint: 'Write <login>@<tenant>, such as alice@acme.',
  })
}
