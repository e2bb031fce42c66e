/**
 * Signatures that vouch for a chain's end (its head) and for runs of records that retention dropped. Ed25519, so that who
 * verifies needs no secret; the private key is sealed with the master key and is not derived from it, so that it outlives
 * the master key's rotation. Whoever owns the database without having the master key can forge none of them: the public
 * key that counts is that of the sealed one.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import type { ClientBase, Pool } from 'pg'
import { SqlError } from '../errors.ts'

/** The key ring. */
export interface Sealer {
  seal(plain: string, context: string): string
  open(sealed: string, context: string): string
}

export interface Signer {
  /** Number of the key in postern.audit_key. */
  readonly key: number
  sign(text: string): Buffer
}

export type Signatures = (key: number, text: string, signature: Buffer) => boolean

interface KeyRow {
  readonly number: number
  readonly private_key_sealed: string
}

const readKeys = 'select number, private_key_sealed from postern.audit_key order by number'
const addKey = `
  insert into postern.audit_key (number, public_key, private_key_sealed) values ($1, $2, $3) on conflict do nothing`

/** With the newest key; makes the first one. @throws SqlError XX001 where the master key does not open it */
export async function openSigner(db: Pool | ClientBase, sealer: Sealer): Promise<Signer> {
  const newest = async () => (await db.query<KeyRow>(readKeys)).rows.at(-1)
  let row = await newest()
  if (row === undefined) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const sealed = sealer.seal(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), contextOf(1))
    await db.query(addKey, [1, publicKey.export({ type: 'spki', format: 'pem' }).toString(), sealed])
    // Another process may have been first: then its key counts.
    row = await newest()
  }
  if (row === undefined) throw new SqlError({ code: 'XX000', message: 'the key of the audit log was not kept' })
  const { number } = row
  const privateKey = openKey(row, sealer)
  return { key: number, sign: text => sign(null, Buffer.from(text, 'utf8'), privateKey) }
}

/** @throws SqlError XX001 where a key is not one that our master key sealed */
export async function readSignatures(db: Pool | ClientBase, sealer: Sealer): Promise<Signatures> {
  const { rows } = await db.query<KeyRow>(readKeys)
  const keys = new Map(rows.map(row => [row.number, createPublicKey(openKey(row, sealer))]))
  return (number, text, signature) => {
    const key = keys.get(number)
    return key !== undefined && verify(null, Buffer.from(text, 'utf8'), key, signature)
  }
}

function openKey(row: KeyRow, sealer: Sealer): KeyObject {
  return createPrivateKey(sealer.open(row.private_key_sealed, contextOf(row.number)))
}

function contextOf(number: number): string {
  return `audit key ${number}`
}

export interface Head {
  readonly instance: string
  readonly sequence: number
  readonly hash: string
}

/** What is signed of a chain's end. */
export function headText({ instance, sequence, hash }: Head): string {
  return JSON.stringify(['postern audit head', instance, sequence, hash])
}

/** A run of records that is not there any more, and how the chain goes on over it. */
export interface Checkpoint {
  readonly instance: string
  readonly firstSequence: number
  readonly lastSequence: number
  readonly records: number
  /** The hash before the run, and that of its last record. */
  readonly previous: string
  readonly hash: string
}

/** What is signed of a dropped run. */
export function checkpointText(run: Checkpoint): string {
  const { instance, firstSequence, lastSequence, records, previous, hash } = run
  return JSON.stringify(['postern audit checkpoint', instance, firstSequence, lastSequence, records, previous, hash])
}
