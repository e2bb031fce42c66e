/** The master keys of an installation: the one that seals, and those that still open, from the settings or from files. */
import { copyFileSync, existsSync, linkSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { SqlError } from '../errors.ts'
import { parseMasterKey, readMasterKeyFile } from './master-key.ts'
import { createSealer, type KeyRing } from './sealing.ts'

/** As the settings have them, in base64; null: they are in files. */
export interface ConfiguredKeys {
  readonly masterKey: string | null
  readonly previous: string | null
}

const fileName = 'master.key'
const nextName = 'master.key.next'
const previousName = 'master.key.previous'

/**
 * Files in `folder` (made where there is none): `master.key`, and during a rotation `master.key.next` and
 * `master.key.previous`, which open too, also for a process that started before the rotation did.
 * @throws SqlError F0000
 */
export async function openKeyRing(folder: string, { masterKey, previous }: ConfiguredKeys): Promise<KeyRing> {
  if (masterKey !== null) {
    const older = previous === null ? [] : [parseMasterKey(previous, 'masterKeyPrevious (POSTERN_MASTER_KEY_PREVIOUS)')]
    return createSealer(parseMasterKey(masterKey, 'masterKey (POSTERN_MASTER_KEY)'), older)
  }
  const current = await readMasterKeyFile(join(folder, fileName))
  return createSealer(current, [], () => readOthers(folder))
}

/** Looks again at each key that is not known: a rotation may have begun or ended. */
function readOthers(folder: string): readonly Buffer[] {
  return [nextName, fileName, previousName]
    .map(name => join(folder, name))
    .filter(path => existsSync(path))
    .map(path => parseMasterKey(readFileSync(path, 'utf8'), path))
}

/** A rotation of the keys in files. */
export interface FileRotation {
  /** Seals with the next key, opens with that and the current one. */
  readonly ring: KeyRing
  /** Puts the next key in the current one's place, which is kept as `master.key.previous`. Again where it was interrupted. */
  finish(): Promise<void>
}

/** Begins a rotation, or takes up one that was interrupted: then the next key is there already. @throws SqlError F0000 */
export async function beginRotation(folder: string): Promise<FileRotation> {
  const [path, nextPath, previousPath] = [fileName, nextName, previousName].map(name => join(folder, name))
  const current = await readMasterKeyFile(path!)
  const next = await readMasterKeyFile(nextPath!)
  return {
    ring: createSealer(next, [current], () => readOthers(folder)),
    async finish() {
      keepAs(path!, previousPath!)
      // There is a master.key at every moment: without one the next start would make another.
      renameSync(nextPath!, path!)
      await syncFolder(folder)
    },
  }
}

/** Where nothing is sealed with it any more. @returns false: there was none */
export function forgetPreviousKey(folder: string): boolean {
  const path = join(folder, previousName)
  if (!existsSync(path)) return false
  rmSync(path)
  return true
}

/** `path` stays; the other is the same, or a copy where the file system has no links. */
function keepAs(path: string, other: string): void {
  rmSync(other, { force: true })
  try {
    linkSync(path, other)
  } catch {
    copyFileSync(path, other)
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Not every system syncs folders; then the rename is as safe as it makes it.
    if (!(error instanceof Error && 'code' in error && (error.code === 'EINVAL' || error.code === 'EPERM'))) throw error
  } finally {
    await handle.close()
  }
}

/** Keys from the settings are rotated by giving both. @throws SqlError 55000 */
export function checkConfiguredRotation({ previous }: ConfiguredKeys): void {
  if (previous !== null) return
  throw new SqlError({
    code: '55000',
    message: 'the master key comes from the settings, and the previous one is not there',
    hint: 'Give every instance the new key as POSTERN_MASTER_KEY and the old one as POSTERN_MASTER_KEY_PREVIOUS, restart them, and run this again.',
  })
}
