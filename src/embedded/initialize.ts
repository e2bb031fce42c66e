/** The data directory of a new cluster: UTF-8, one collation on every machine, SCRAM for everybody. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { SqlError } from '../errors.ts'
import type { Account } from './account.ts'
import type { Major } from './binaries.ts'
import { systemFailure } from './failures.ts'
import { type Folder, makeOwned, readNote, readText, writeNote } from './folder.ts'
import type { Watchdog } from './watchdog.ts'

export interface InitializeOptions {
  readonly folder: Folder
  readonly account: Account | undefined
  readonly binaries: string
  readonly pgdata: string
  readonly major: Major
  readonly superuser: string
  /** Absent: what the folder has, or else a random one. */
  readonly password: string | undefined
  readonly log: { path: string; descriptor: number }
  readonly watchdog: Watchdog
}

/** Makes the data unless they are there. Answers the superuser's password. Errors as startCluster. */
export async function initializeData(o: InitializeOptions): Promise<string> {
  const version = readText(join(o.pgdata, 'PG_VERSION'))?.trim()
  if (version !== undefined) return checkExisting(o, version)
  const password = o.password ?? randomBytes(24).toString('base64url')
  for (const name of fs.readdirSync(o.folder.path))
    if (name.startsWith('pgdata.')) fs.rmSync(join(o.folder.path, name), { recursive: true }) // a start cut short
  // Made aside and renamed at the end, so that pgdata is whole or absent.
  const fresh = `${o.pgdata}.${randomBytes(6).toString('hex')}`
  const locales = o.major >= 17 ? [builtinLocale] : [libcLocale, plainLocale]
  for (const [index, locale] of locales.entries()) {
    makeOwned(fresh, o.account)
    if (await runInitdb(o, fresh, locale, password)) break
    fs.rmSync(fresh, { recursive: true, force: true })
    if (index === locales.length - 1)
      throw systemFailure('the embedded Postgres could not make its data', { log: readText(o.log.path) ?? '' })
  }
  writeNote(o.folder, 'password', password)
  fs.renameSync(fresh, o.pgdata)
  return password
}

const builtinLocale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
/** Before 17 there is no builtin provider: the same order of strings, and character classes where the system has them. */
const libcLocale = ['--locale=C', '--lc-ctype=C.UTF-8']
const plainLocale = ['--locale=C']

function checkExisting(o: InitializeOptions, version: string): string {
  if (version !== String(o.major)) {
    throw new SqlError({
      code: '0A000',
      message: `${o.folder.path} holds data of Postgres ${version}, not ${o.major}`,
      hint: 'Name another data folder, or dump and load the data.',
    })
  }
  const password = readNote(o.folder, 'password')
  if (password === undefined || (o.password !== undefined && o.password !== password)) {
    throw new SqlError({
      code: '28P01',
      message: `the password for the data in ${o.folder.path} is ${password === undefined ? 'missing' : 'another one'}`,
      hint: 'It is in the file "password" beside the data; restore that file, or name another data folder.',
    })
  }
  return password
}

async function runInitdb(o: InitializeOptions, target: string, locale: string[], password: string): Promise<boolean> {
  const passwordDir = `${target}.password`
  const passwordFile = join(passwordDir, 'password')
  makeOwned(passwordDir, undefined)
  try {
    fs.writeFileSync(passwordFile, `${password}\n`, { flag: 'wx', mode: 0o600 })
    if (o.account !== undefined) {
      fs.chownSync(passwordFile, o.account.uid, o.account.gid)
      fs.chmodSync(passwordDir, 0o711)
    }
    // --auth fills pg_hba.conf (manual 20.1): a password in SCRAM on every way in, sockets included.
    const args = ['-D', target, '-U', o.superuser, '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
    const more = ['--encoding=UTF8', ...locale, ...(o.folder.temporary ? ['--no-sync'] : [])]
    const initdb = o.watchdog.start(join(o.binaries, 'bin', 'initdb'), [...args, ...more], {
      account: o.account,
      cwd: '/',
      log: o.log.descriptor,
    })
    const [code] = await once(initdb, 'exit')
    o.watchdog.forget()
    return code === 0
  } finally {
    fs.rmSync(passwordDir, { recursive: true, force: true })
  }
}
