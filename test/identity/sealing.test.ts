import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseMasterKey, readMasterKeyFile } from '../../src/identity/master-key.ts'
import { createSealer } from '../../src/identity/sealing.ts'

const key = new Uint8Array(32).fill(1)
const otherKey = new Uint8Array(32).fill(2)
const damaged = expect.objectContaining({ code: 'XX001' })

test('what is sealed opens in its place, and never looks the same twice', () => {
  const sealer = createSealer(key)
  for (const secret of ['', 'hunter2', 'pässwörd ☃ 🂡', 'x'.repeat(10_000)]) {
    const sealed = sealer.seal(secret, 'reader/1')
    expect(sealer.open(sealed, 'reader/1')).toBe(secret)
    expect(sealed).not.toBe(sealer.seal(secret, 'reader/1'))
    if (secret !== '') expect(sealed).not.toContain(secret)
  }
})

test('it opens in no other place, and no bit of it can be changed', () => {
  const sealer = createSealer(key)
  const sealed = sealer.seal('hunter2', 'reader/1')
  expect(() => sealer.open(sealed, 'reader/2')).toThrow(damaged)
  for (let at = 0; at < sealed.length; at++) {
    const other = sealed[at] === 'A' ? 'B' : 'A'
    const changed = sealed.slice(0, at) + other + sealed.slice(at + 1)
    // The last character of a part may hold bits that base64 does not use.
    if (decoded(changed) === decoded(sealed)) continue
    expect(() => sealer.open(changed, 'reader/1'), `character ${at}`).toThrow(damaged)
  }
  for (const nonsense of ['', 'v1', 'v1$$$', 'v2$a$b$c', sealed.slice(0, -30)]) {
    expect(() => sealer.open(nonsense, 'reader/1')).toThrow(damaged)
  }
})

function decoded(sealed: string): string {
  const [form, id, wrapped = '', body = ''] = sealed.split('$')
  return [
    form,
    id,
    Buffer.from(wrapped, 'base64url').toString('hex'),
    Buffer.from(body, 'base64url').toString('hex'),
  ].join()
}

test('after a rotation old envelopes open with the older key, and say which key is missing without it', () => {
  const before = createSealer(key)
  const sealed = before.seal('hunter2', 'x')
  const after = createSealer(otherKey, [key])
  expect(after.open(sealed, 'x')).toBe('hunter2')
  expect(after.keyId).not.toBe(before.keyId)
  expect(after.opens(before.keyId)).toBe(true)
  expect(createSealer(otherKey).opens(before.keyId)).toBe(false)
  expect(after.seal('hunter2', 'x')).toContain(after.keyId)
  expect(() => createSealer(otherKey).open(sealed, 'x')).toThrow(
    expect.objectContaining({ message: expect.stringContaining(before.keyId) }),
  )
})

test('derived secrets are the same for the same key and purpose only', () => {
  const sealer = createSealer(key)
  expect(sealer.derive('a')).toEqual(createSealer(key).derive('a'))
  expect(sealer.derive('a')).not.toEqual(sealer.derive('b'))
  expect(sealer.derive('a')).not.toEqual(createSealer(otherKey).derive('a'))
  expect(sealer.derive('a')).toHaveLength(32)
  expect(() => createSealer(new Uint8Array(31))).toThrow(expect.objectContaining({ code: 'F0000' }))
})

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'postern-key-'))
  onTestFinished(() => rm(made, { recursive: true }))
  return made
}

test('processes that start at once make one key file, for the owner alone', async () => {
  const dir = await folder()
  const path = join(dir, 'deep', 'master.key')
  const keys = await Promise.all(Array.from({ length: 8 }, () => readMasterKeyFile(path)))
  expect(new Set(keys.map(bytes => bytes.toString('hex'))).size).toBe(1)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(dir, 'deep'))).toEqual(['master.key'])
  expect(parseMasterKey(await readFile(path, 'utf8'), 'it')).toEqual(keys[0])
})

test('a key file that others can read, or that holds no key, is refused', async () => {
  const path = join(await folder(), 'master.key')
  await readMasterKeyFile(path)
  await chmod(path, 0o640)
  await expect(readMasterKeyFile(path)).rejects.toMatchObject({
    code: 'F0000',
    hint: expect.stringContaining('chmod 600'),
  })
  await writeFile(path, 'secret')
  await chmod(path, 0o600)
  await expect(readMasterKeyFile(path)).rejects.toMatchObject({
    code: 'F0000',
    message: expect.not.stringContaining('secret'),
  })
})
