/** The master key from the configuration, or from a file that only we can read. */
import { randomBytes } from 'node:crypto'
import { type FileHandle, link, mkdir, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SqlError } from '../errors.ts'

const keyBytes = 32
const keyPattern = /^[A-Za-z0-9+/]{43}=$/

/** 32 bytes in base64. @throws SqlError F0000 */
export function parseMasterKey(text: string, from: string): Buffer {
  const trimmed = text.trim()
  if (!keyPattern.test(trimmed)) {
    const hint = 'It is 32 random bytes in base64: openssl rand -base64 32'
    throw new SqlError({ code: 'F0000', message: `${from} does not hold a master key`, hint })
  }
  return Buffer.from(trimmed, 'base64')
}

/**
 * Reads the file, and makes it (0600) where there is none. Processes that start at once come to the same key.
 * @throws SqlError F0000 where it holds no key, or others may read it
 */
export async function readMasterKeyFile(path: string): Promise<Buffer> {
  const found = await readIfThere(path)
  if (found !== undefined) return found
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(`${randomBytes(keyBytes).toString('base64')}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    // link(2) fails where another process was first: then its key counts.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(draft, { force: true })
  }
  const made = await readIfThere(path)
  if (made === undefined) throw new SqlError({ code: 'F0000', message: `${path} was removed while it was made` })
  return made
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { mode } = await file.stat()
    if ((mode & 0o077) !== 0) {
      throw new SqlError({ code: 'F0000', message: `${path} can be read by others`, hint: `chmod 600 ${path}` })
    }
    return parseMasterKey(await file.readFile('utf8'), path)
  } finally {
    await file.close()
  }
}
