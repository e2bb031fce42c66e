/** `semantic/<tenant>.yml`: read when asked for, kept until it changes. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SqlError } from '../errors.ts'
import type { SemanticLayer } from './semantic-layer.ts'
import type { ExpressionReader } from './semantic-sql.ts'
import { parseSemantics, type ReadFile, refusedSemantics } from './semantic-yaml.ts'

// Reading YAML holds up everything else of the process for about a second per half megabyte.
const fileMaxBytes = 256 * 1024

interface Kept {
  readonly stamp: string
  /** As it last made sense. */
  readonly good: ReadFile | undefined
  readonly error: SqlError | undefined
}

export class SemanticFolder {
  readonly #folder: string
  readonly #parser: ExpressionReader
  readonly #kept = new Map<string, Kept>()

  constructor(folder: string, parser: ExpressionReader) {
    this.#folder = folder
    this.#parser = parser
  }

  /**
   * The tenant's file as it stands, or as it last made sense; undefined: there is none.
   * @throws SqlError F0000 with everything that is wrong, where it never made sense to this process
   */
  async read(tenantName: string): Promise<{ layer: SemanticLayer; warnings: readonly string[] } | undefined> {
    const path = await this.find(tenantName)
    if (path === undefined) {
      this.#kept.delete(tenantName)
      return undefined
    }
    const before = this.#kept.get(tenantName)
    const stamp = await stampOf(path)
    const kept = before?.stamp === stamp ? before : await this.#load(path, stamp, before)
    this.#kept.set(tenantName, kept)
    if (kept.error === undefined) return kept.good === undefined ? undefined : { layer: kept.good.layer, warnings: [] }
    if (kept.good === undefined) throw kept.error
    const warning = `${basename(path)} has faults since it was changed; what it said before them holds ("postern semantic validate" tells).`
    return { layer: kept.good.layer, warnings: [warning] }
  }

  /** Its path, where the folder has a file of exactly this name: not one that differs in case or in Unicode's form. */
  async find(tenantName: string): Promise<string | undefined> {
    const name = `${tenantName}.yml`
    try {
      return (await readdir(this.#folder)).includes(name) ? join(this.#folder, name) : undefined
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw unreadable(this.#folder, error)
    }
  }

  async #load(path: string, stamp: string, before: Kept | undefined): Promise<Kept> {
    try {
      return { stamp, good: await readSemanticFile(path, this.#parser), error: undefined }
    } catch (error) {
      if (!(error instanceof SqlError) || error.code !== 'F0000') throw error
      return { stamp, good: before?.good, error }
    }
  }
}

/** @throws SqlError F0000 with every fault and its line; 58030 where it cannot be read */
export async function readSemanticFile(path: string, parser: ExpressionReader): Promise<ReadFile> {
  let text: string
  try {
    const { size } = await stat(path)
    if (size > fileMaxBytes) throw refusedSemantics([`${basename(path)}: larger than ${fileMaxBytes} bytes`])
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw error instanceof SqlError ? error : unreadable(path, error)
  }
  return parseSemantics(text, basename(path), parser)
}

function unreadable(path: string, cause: unknown): SqlError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SqlError({ code: '58030', message: `${path} cannot be read: ${why}`, cause })
}

async function stampOf(path: string): Promise<string> {
  try {
    const { mtimeMs, ctimeMs, size, ino } = await stat(path)
    return `${mtimeMs} ${ctimeMs} ${size} ${ino}`
  } catch (error) {
    throw unreadable(path, error)
  }
}
