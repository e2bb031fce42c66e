/** Which pipelines and connector types there are, as their files describe them. */
import type { Dirent } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { SqlError } from '../errors.ts'
import { type ConnectorType, parseConnectorType, type Read } from './connector-types.ts'
import { knobsSchemaFault } from './knobs.ts'
import type { Pipeline } from './pipeline.ts'
import { parsePipeline } from './pipeline-definition.ts'

/** What lists of pipelines tell of one. */
export interface PipelineDefinition {
  readonly name: string
  readonly description: string | null
  readonly version: string | null
  /** The type of connector that it loads from; null: its file does not even tell that. */
  readonly connectorType: string | null
  readonly sources: readonly {
    readonly name: string
    readonly table: string
    readonly mode: 'replace' | 'append' | 'merge'
  }[]
  readonly entities: readonly string[]
  /** Cron. */
  readonly schedule: string | null
  /** Why its file does not validate: all faults, each with file and line. */
  readonly fault: string | null
}

/** A file that does not validate. */
export interface FaultyPipeline extends PipelineDefinition {
  readonly fault: string
}

export interface FaultyType {
  readonly name: string
  readonly fault: string
}

export interface PipelineRegistry {
  /** Reads what has changed since the last time. */
  refresh(): Promise<void>
  pipelines(): readonly PipelineDefinition[]
  connectorType(name: string): Pick<ConnectorType, 'name' | 'knobs' | 'fixed'> | undefined
}

const fileMaxBytes = 256 * 1024
const filesMax = 1_000

interface Kept<Value> {
  readonly stamp: string
  readonly read: Value
}

export interface RegistryOptions {
  /** Folders of folders with a `connector.yml` each; those that ship come first. A folder that is not there is empty. */
  readonly connectorsDirs: readonly string[]
  readonly pipelinesDir: string
}

/** The files, read again when they change. One that does not validate is listed with its faults; the others still load. */
export class Registry implements PipelineRegistry {
  readonly #options: RegistryOptions
  #typeFiles = new Map<string, Kept<Read<ConnectorType>>>()
  #pipelineFiles = new Map<string, Kept<Read<string>>>()
  #types = new Map<string, ConnectorType | FaultyType>()
  #pipelines: readonly (Pipeline | FaultyPipeline)[] = []
  #refreshing: Promise<void> | undefined

  constructor(options: RegistryOptions) {
    this.#options = options
  }

  /** @throws SqlError 58030 where a folder that is there cannot be read */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  pipelines(): readonly (Pipeline | FaultyPipeline)[] {
    return this.#pipelines
  }

  connectorType(name: string): ConnectorType | undefined {
    const type = this.#types.get(name)
    return type === undefined || 'fault' in type ? undefined : type
  }

  /** By name. */
  connectorTypes(): readonly (ConnectorType | FaultyType)[] {
    return [...this.#types.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** A file that may be anywhere, against the types that there are. */
  async read(path: string): Promise<Pipeline | FaultyPipeline> {
    return this.#parse(path, await readText(resolve(path), path), path)
  }

  async #refresh(): Promise<void> {
    const typesChanged = await this.#refreshTypes()
    const { pipelinesDir } = this.#options
    const files = (await list(pipelinesDir)).filter(entry => !entry.isDirectory() && /\.ya?ml$/.test(entry.name))
    const kept = await keepFiles(
      files.map(({ name }) => join(pipelinesDir, name)),
      this.#pipelineFiles,
      path => readText(path, shortName(path)),
    )
    if (!typesChanged && kept === this.#pipelineFiles) return
    this.#pipelineFiles = kept
    const parsed = [...kept].map(([path, { read }]) => this.#parse(shortName(path), read, path))
    const firsts = new Map<string, string>()
    this.#pipelines = parsed.map((pipeline, index) => {
      const file = shortName([...kept.keys()][index]!)
      const first = firsts.get(pipeline.name)
      if (first === undefined) firsts.set(pipeline.name, file)
      if (first === undefined || pipeline.fault !== null) return pipeline
      return faulty({ pipeline: file, connector: pipeline.connectorType }, file, [
        `${file}:1: pipeline "${pipeline.name}" stands in ${first} too`,
      ])
    })
  }

  async #refreshTypes(): Promise<boolean> {
    const folders = await Promise.all(
      this.#options.connectorsDirs.map(async dir =>
        (await list(dir)).filter(entry => entry.isDirectory()).map(({ name }) => join(dir, name)),
      ),
    )
    const kept = await keepFiles(
      folders.flat().map(folder => join(folder, 'connector.yml')),
      this.#typeFiles,
      async path => {
        const name = shortName(path, 3)
        const text = await readText(path, name)
        return 'faults' in text ? text : parseConnectorType(text.value, name, join(path, '..'))
      },
    )
    if (kept === this.#typeFiles) return false
    this.#typeFiles = kept
    this.#types = new Map()
    for (const [path, { read }] of kept) {
      const type = typeOf(read, path)
      const before = this.#types.get(type.name)
      if (before === undefined) this.#types.set(type.name, type)
      // Not the one nor the other: credentials would go where the first of them says, or where the second does.
      else
        this.#types.set(type.name, {
          name: type.name,
          fault: `${shortName(path, 3)}:1: there are two types of this name`,
        })
    }
    return true
  }

  #parse(name: string, text: Read<string>, path: string): Pipeline | FaultyPipeline {
    if ('faults' in text) return faulty({}, name, text.faults)
    const read = parsePipeline(text.value, {
      name,
      folder: join(path, '..'),
      type: wanted => this.#types.get(wanted),
      typeNames: [...this.#types.keys()],
    })
    return 'value' in read ? read.value : faulty(read.named ?? {}, name, read.faults)
  }
}

function typeOf(read: Read<ConnectorType>, path: string): ConnectorType | FaultyType {
  const folder = path.split('/').at(-2) ?? path
  const place = shortName(path, 3)
  if ('faults' in read) return { name: folder, fault: read.faults.join('; ') }
  if (read.value.name !== folder)
    return { name: folder, fault: `${place}:1: name is "${read.value.name}", and the folder is "${folder}"` }
  const fault = knobsSchemaFault(read.value)
  return fault === undefined ? read.value : { name: folder, fault: `${place}:1: knobs: ${fault}` }
}

function faulty(
  named: { readonly pipeline?: string; readonly connector?: string | null },
  file: string,
  faults: readonly string[],
): FaultyPipeline {
  return {
    name: named.pipeline ?? file,
    description: null,
    version: null,
    connectorType: named.connector ?? null,
    sources: [],
    entities: [],
    schedule: null,
    fault: faults.join('; '),
  }
}

/** The same map where nothing has changed. */
async function keepFiles<Value>(
  paths: readonly string[],
  before: Map<string, Kept<Value>>,
  read: (path: string) => Promise<Value>,
): Promise<Map<string, Kept<Value>>> {
  const kept = new Map<string, Kept<Value>>()
  for (const path of paths.slice(0, filesMax)) {
    const stamp = await stampOf(path)
    if (stamp === undefined) continue
    const known = before.get(path)
    kept.set(path, known?.stamp === stamp ? known : { stamp, read: await read(path) })
  }
  const same = kept.size === before.size && [...kept].every(([path, one]) => before.get(path) === one)
  return same ? before : kept
}

async function list(dir: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true })
    return entries.filter(({ name }) => !name.startsWith('.')).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    if (isMissing(error)) return []
    throw new SqlError({ code: '58030', message: `the folder ${dir} cannot be read`, cause: error })
  }
}

async function stampOf(path: string): Promise<string | undefined> {
  try {
    const { mtimeMs, ctimeMs, size, ino } = await stat(path)
    return [mtimeMs, ctimeMs, size, ino].join(' ')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw new SqlError({ code: '58030', message: `${path} cannot be read`, cause: error })
  }
}

/** A text that is too long is none: YAML of such a size would hold up everything else of the process. @throws SqlError 58030 */
async function readText(path: string, name: string): Promise<Read<string>> {
  try {
    const { size } = await stat(path)
    if (size > fileMaxBytes) return { faults: [`${name}: larger than ${fileMaxBytes} bytes`] }
    return { value: await readFile(path, 'utf8') }
  } catch (cause) {
    throw new SqlError({ code: '58030', message: `${path} cannot be read`, cause })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}

/** The last parts of a path: no more of the machine is anybody's business. */
function shortName(path: string, parts = 2): string {
  return path.split('/').slice(-parts).join('/')
}
