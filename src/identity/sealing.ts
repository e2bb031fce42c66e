/** Secrets at rest: AES-256-GCM envelopes under a master key that is in the environment or a file, never in a database. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import type { Sealer } from '../control/sealer.ts'
import { SqlError } from '../errors.ts'

export interface KeyRing extends Sealer {
  /** 32 bytes for another purpose, the same for the same master key (HKDF, RFC 5869). */
  derive(purpose: string): Buffer
  /** Whether what the master key of this id has sealed can be opened. */
  opens(keyId: string): boolean
}

const version = 'v1'
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

/**
 * Seals with `master`, opens with it and with `older` keys that it follows, or that `others` then has. An envelope is
 * `v1$<key id>$<data key, encrypted with the master key>$<secret, encrypted with the data key>`; version, key id and
 * context are authenticated in both.
 * @throws SqlError F0000 where a key is not 32 bytes
 */
export function createSealer(
  master: Uint8Array,
  older: readonly Uint8Array[] = [],
  others: () => readonly Uint8Array[] = () => [],
): KeyRing {
  const keys = new Map<string, Uint8Array>()
  const add = (key: Uint8Array): void => {
    if (key.length !== keyBytes)
      throw new SqlError({ code: 'F0000', message: `a master key must be ${keyBytes} bytes` })
    keys.set(idOf(key), key)
  }
  for (const key of [master, ...older]) add(key)
  const look = (id: string): Uint8Array | undefined => {
    if (!keys.has(id)) for (const key of others()) add(key)
    return keys.get(id)
  }
  const find = (id: string): Uint8Array => {
    const key = look(id)
    if (key === undefined) throw keyMissing(id)
    return key
  }
  const keyId = idOf(master)
  return {
    keyId,
    seal(plain, context) {
      const dataKey = randomBytes(keyBytes)
      const bound = `${version}$${keyId}$${context}`
      const wrapped = encrypt(master, dataKey, bound)
      const body = encrypt(dataKey, Buffer.from(plain, 'utf8'), bound)
      return `${version}$${keyId}$${wrapped.toString('base64url')}$${body.toString('base64url')}`
    },
    open(sealed, context) {
      const [form, id, wrapped, body] = sealed.split('$')
      if (form !== version || id === undefined || wrapped === undefined || body === undefined) throw damaged()
      const key = find(id)
      const bound = `${version}$${id}$${context}`
      const dataKey = decrypt(key, Buffer.from(wrapped, 'base64url'), bound)
      return decrypt(dataKey, Buffer.from(body, 'base64url'), bound).toString('utf8')
    },
    derive: purpose => Buffer.from(hkdfSync('sha256', master, '', `postern ${purpose}`, keyBytes)),
    opens: id => look(id) !== undefined,
  }
}

function idOf(key: Uint8Array): string {
  return createHash('sha256').update('postern key id\0').update(key).digest('hex').slice(0, 16)
}

/** nonce, ciphertext, tag */
function encrypt(key: Uint8Array, plain: Uint8Array, bound: string): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(bound, 'utf8'))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: Uint8Array, bytes: Buffer, bound: string): Buffer {
  if (bytes.length < nonceBytes + tagBytes) throw damaged()
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(bound, 'utf8'))
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()])
  } catch {
    throw damaged()
  }
}

function damaged(): SqlError {
  return new SqlError({ code: 'XX001', message: 'a sealed secret is damaged or was moved from another place' })
}

function keyMissing(id: string): SqlError {
  return new SqlError({
    code: 'XX001',
    message: `a sealed secret needs the master key ${id}, which is not here`,
    hint: 'Give Postern the master key with which it was sealed (POSTERN_MASTER_KEY, or the file master.key).',
  })
}
