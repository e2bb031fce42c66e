/** Our own source as the house test sees it: parsed files with their imports, exports and functions. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { parseAst } from 'vitest/node'

export const root = resolve(import.meta.dirname, '../..')

export interface Import {
  /** Path from the root for our own files, else the package or `node:` name. */
  readonly from: string
  readonly ours: boolean
  readonly typeOnly: boolean
  /** Imported names; `*` for the whole module. */
  readonly names: readonly string[]
}

export interface Source {
  /** From the root: `src/wire/frame.ts`. */
  readonly path: string
  /** First folder under src, or the file's own name there (`config`, `main`). */
  readonly room: string
  readonly lines: number
  readonly text: string
  readonly imports: readonly Import[]
  readonly exports: readonly { readonly name: string; readonly type: boolean; readonly usedHere: boolean }[]
  readonly functions: readonly { readonly name: string; readonly line: number; readonly lines: number }[]
  /** Kinds of node that have a rule of their own: `process.env`, `as`. */
  readonly marks: readonly { readonly mark: 'process.env' | 'as'; readonly line: number }[]
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

export function readSources(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => readSource(join(folder, name)))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const nodes = [...everyNode(parseAst(text, { lang: 'ts' }), undefined)]
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length
  return {
    path,
    room: roomOf(path),
    lines: text.trimEnd().split('\n').length,
    text,
    imports: nodes.flatMap(({ node }) => importsOf(node, path)),
    exports: exportsOf(nodes.map(({ node }) => node)),
    functions: nodes
      .filter(({ node }) => isFunction(node))
      .map(({ node, parent }) => ({
        name: functionName(node, parent),
        line: lineOf(node.start),
        lines: lineOf(node.end) - lineOf(node.start) + 1,
      })),
    marks: nodes.flatMap(({ node }) => {
      const mark = markOf(node)
      return mark === undefined ? [] : [{ mark, line: lineOf(node.start) }]
    }),
  }
}

export function roomOf(path: string): string {
  const [top, room] = path.split('/')
  return top === 'src' ? (room ?? '').replace(/\.ts$/, '') : (top ?? '')
}

function isNode(value: unknown): value is Node {
  return (
    typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'start' in value
  )
}

function* everyNode(value: unknown, parent: Node | undefined): Generator<{ node: Node; parent: Node | undefined }> {
  if (Array.isArray(value)) {
    for (const item of value) yield* everyNode(item, parent)
    return
  }
  if (!isNode(value)) return
  yield { node: value, parent }
  for (const field of Object.values(value)) if (typeof field === 'object') yield* everyNode(field, value)
}

function text(value: unknown, ...path: string[]): string | undefined {
  let at: unknown = value
  for (const part of path) at = isRecord(at) ? at[part] : undefined
  return typeof at === 'string' ? at : undefined
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null
}

function list(value: unknown): Node[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

function importsOf(node: Node, path: string): Import[] {
  if (node.type === 'ImportDeclaration') {
    const specifiers = list(node.specifiers)
    const typeOnly =
      node.importKind === 'type' || (specifiers.length > 0 && specifiers.every(item => item.importKind === 'type'))
    return [
      reference(
        text(node.source, 'value'),
        path,
        typeOnly,
        specifiers.map(
          item => text(item.imported, 'name') ?? (item.type === 'ImportDefaultSpecifier' ? 'default' : '*'),
        ),
      ),
    ]
  }
  if (node.type === 'ExportNamedDeclaration' || node.type === 'ExportAllDeclaration') {
    const from = text(node.source, 'value')
    return from === undefined
      ? []
      : [
          reference(
            from,
            path,
            node.exportKind === 'type',
            node.type === 'ExportAllDeclaration'
              ? ['*']
              : list(node.specifiers).map(item => text(item.local, 'name') ?? '*'),
          ),
        ]
  }
  if (node.type === 'ImportExpression') return [reference(text(node.source, 'value'), path, false, ['*'])]
  if (node.type === 'TSImportType')
    return [reference(text(node.source, 'value') ?? text(node.argument, 'literal', 'value'), path, true, ['*'])]
  // A file that is started rather than imported: new Worker(new URL('./x.ts', import.meta.url)), fork(join(…, 'x.ts')).
  if (node.type === 'Literal' && typeof node.value === 'string' && /^\.{0,2}[\w./-]+\.ts$/.test(node.value))
    return [reference(node.value.startsWith('.') ? node.value : `./${node.value}`, path, true, ['*'])]
  return []
}

function reference(from: string | undefined, path: string, typeOnly: boolean, names: readonly string[]): Import {
  if (from === undefined) return { from: '(computed)', ours: false, typeOnly, names }
  const ours = from.startsWith('.')
  return { from: ours ? relative(root, resolve(root, dirname(path), from)) : from, ours, typeOnly, names }
}

function exportsOf(nodes: readonly Node[]): Source['exports'] {
  const uses = new Map<string, number>()
  for (const node of nodes)
    if (node.type === 'Identifier' && typeof node.name === 'string') uses.set(node.name, (uses.get(node.name) ?? 0) + 1)
  return nodes
    .filter(node => node.type === 'ExportNamedDeclaration' && node.source === null)
    .flatMap(node => {
      const declaration = isNode(node.declaration) ? node.declaration : undefined
      const type =
        node.exportKind === 'type' ||
        declaration?.type === 'TSInterfaceDeclaration' ||
        declaration?.type === 'TSTypeAliasDeclaration'
      const named =
        declaration === undefined
          ? list(node.specifiers).map(item => text(item.exported, 'name'))
          : declaredNames(declaration)
      return named.filter(name => name !== undefined).map(name => ({ name, type, usedHere: (uses.get(name) ?? 0) > 1 }))
    })
}

function declaredNames(declaration: Node): (string | undefined)[] {
  if (declaration.type !== 'VariableDeclaration') return [text(declaration.id, 'name')]
  return list(declaration.declarations).flatMap(item =>
    text(item.id, 'name') === undefined
      ? list(isRecord(item.id) ? item.id.properties : []).map(property => text(property.value, 'name'))
      : [text(item.id, 'name')],
  )
}

function isFunction(node: Node): boolean {
  return (
    (node.type === 'FunctionDeclaration' ||
      node.type === 'FunctionExpression' ||
      node.type === 'ArrowFunctionExpression') &&
    isNode(node.body)
  )
}

function functionName(node: Node, parent: Node | undefined): string {
  return text(node.id, 'name') ?? text(parent?.key, 'name') ?? text(parent?.id, 'name') ?? '(anonymous)'
}

function markOf(node: Node): 'process.env' | 'as' | undefined {
  if (
    node.type === 'MemberExpression' &&
    text(node.object, 'name') === 'process' &&
    text(node.property, 'name') === 'env'
  )
    return 'process.env'
  if (node.type === 'TSAsExpression' && text(node.typeAnnotation, 'typeName', 'name') !== 'const') return 'as'
  if (node.type === 'TSTypeAssertion') return 'as'
  return undefined
}
