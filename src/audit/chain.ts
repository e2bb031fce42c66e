/**
 * The chain of an instance's records. A record's hash is the SHA-256 of its predecessor's hash (64 hex digits) followed by
 * its own body: the JSON that encode makes of it, in UTF-8. The first one's predecessor is a hash of the instance's name,
 * so that no chain passes for another's.
 */
import { hash } from 'node:crypto'

/** The place of one record in its chain. */
export interface Link {
  readonly sequence: number
  /** 64 hex digits. */
  readonly hash: string
}

export function genesisOf(instance: string): string {
  return hash('sha256', `postern audit chain ${instance}`)
}

export function hashRecord(previous: string, body: string): string {
  return hash('sha256', previous + body)
}

/** A line of the spool, with its newline: the body, and last in it the hash. */
export function toLine(body: string, recordHash: string): string {
  return `${body.slice(0, -1)},"hash":"${recordHash}"}\n`
}

const linkPattern = /^\{"sequence":(\d+),(?:.*,"hash":"([0-9a-f]{64})"\}$)?/s

/** The hash is undefined in lines from before there was a chain. Undefined: this is no line of ours. */
export function linkOf(line: string): { readonly sequence: number; readonly hash: string | undefined } | undefined {
  const match = linkPattern.exec(line)
  const sequence = Number(match?.[1])
  return Number.isSafeInteger(sequence) ? { sequence, hash: match?.[2] } : undefined
}
