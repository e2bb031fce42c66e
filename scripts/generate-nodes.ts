/**
 * Writes src/guard/data/nodes.json: every node of the parser with every field and its kind, from the type definitions
 * that libpg-query ships (@pgsql/types). With a folder of statements it also parses them all and fails on a node,
 * field or kind that the definitions do not have:
 *
 *     node scripts/generate-nodes.ts [folder of *.sql, statements between lines `-- @@`]
 *
 * Kinds: node, nodes (wrapped: `{ "ColumnRef": { … } }`; `{}` is an empty place), the name of a node (inline, without
 * the wrapper), string, strings, number, numbers, bool, enum.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SqlError } from '../src/errors.ts'
import { loadGrammar } from '../src/guard/grammar.ts'

type Nodes = ReadonlyMap<string, ReadonlyMap<string, string>>

const scalars = new Map([
  ['Node', 'node'],
  ['Node[]', 'nodes'],
  ['string', 'string'],
  ['string[]', 'strings'],
  ['number', 'number'],
  ['bigint', 'number'],
  ['bigint[]', 'numbers'],
  ['boolean', 'bool'],
])
/** Results of the package's other functions (scan, summary): no part of a tree. */
const foreign = new Set([
  'ParseResult',
  'ScanResult',
  'ScanToken',
  'SummaryResult',
  'Table',
  'Function',
  'FilterColumn',
])

function readDefinitions(): Nodes {
  const require = createRequire(import.meta.resolve('libpg-query'))
  const folder = dirname(require.resolve('@pgsql/types/package.json'))
  const text = readFileSync(join(folder, 'types.d.ts'), 'utf8')
  const enums = new Set(readFileSync(join(folder, 'enums.d.ts'), 'utf8').match(/(?<=export type )\w+/g))
  const interfaces = [...text.matchAll(/export interface (\w+) \{([^}]*)\}/g)].filter(found => !foreign.has(found[1]!))
  const names = new Set(interfaces.map(found => found[1]!))
  const kindOf = (type: string) => {
    const kind = scalars.get(type) ?? (enums.has(type) ? 'enum' : names.has(type) ? type : undefined)
    if (kind === undefined) throw new Error(`unknown type ${type}`)
    return kind
  }
  const fieldsOf = (body: string) =>
    [...body.matchAll(/(\w+)\?: ([^;]+);/g)].map(found => [found[1]!, kindOf(found[2]!)] as const)
  return new Map(interfaces.map(found => [found[1]!, new Map(fieldsOf(found[2]!))]))
}

async function checkAgainst(nodes: Nodes, folder: string): Promise<void> {
  const grammar = await loadGrammar()
  const check = new Checker(nodes)
  let parsed = 0
  for (const file of readdirSync(folder).filter(name => name.endsWith('.sql'))) {
    for (const text of readFileSync(join(folder, file), 'utf8').split(/^-- @@$/m)) {
      const json = tryParse(() => grammar.parse(text))
      if (json === undefined) continue
      parsed += 1
      for (const statement of JSON.parse(json).stmts) check.node(statement.stmt)
    }
  }
  console.log(`${parsed} statements hold ${check.seen.size} of ${nodes.size} nodes`)
}

class Checker {
  readonly #nodes: Nodes
  readonly seen = new Set<string>()

  constructor(nodes: Nodes) {
    this.#nodes = nodes
  }

  node(value: object): void {
    const entries = Object.entries(value)
    if (entries.length === 0) return
    if (entries.length > 1) throw new Error(`more than one name: ${JSON.stringify(value).slice(0, 200)}`)
    this.#fields(entries[0]![0], entries[0]![1])
  }

  #fields(name: string, value: object): void {
    const fields = this.#nodes.get(name)
    if (fields === undefined) throw new Error(`unknown node ${name}`)
    this.seen.add(name)
    for (const [field, content] of Object.entries(value)) this.#field(`${name}.${field}`, fields.get(field), content)
  }

  #field(path: string, kind: string | undefined, content: unknown): void {
    if (kind === undefined) throw new Error(`unknown field ${path}`)
    const expected = { string: 'string', enum: 'string', number: 'number', bool: 'boolean' }[kind]
    if (kind === 'node' && isObject(content)) this.node(content)
    else if (kind === 'nodes' && Array.isArray(content)) for (const entry of content) this.node(entry)
    else if (this.#nodes.has(kind) && isObject(content)) this.#fields(kind, content)
    else if (typeof content !== expected)
      throw new Error(`${path} is no ${kind}: ${JSON.stringify(content).slice(0, 200)}`)
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function tryParse(parse: () => string): string | undefined {
  try {
    return parse()
  } catch (thrown) {
    if (!(thrown instanceof SqlError)) throw thrown
    return undefined
  }
}

const nodes = readDefinitions()
const folder = process.argv[2]
if (folder !== undefined) await checkAgainst(nodes, folder)
const plain = Object.fromEntries([...nodes].map(([name, fields]) => [name, Object.fromEntries(fields)]))
writeFileSync(join(import.meta.dirname, '../src/guard/data/nodes.json'), `${JSON.stringify(plain, null, 1)}\n`)
console.log(`${nodes.size} nodes`)
