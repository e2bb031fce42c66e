/** The house keeps its own rules: who may import whom, how long things get, and that nothing lies about unused. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSources, roomOf, root, type Source } from './house/source.ts'

/** Small, for every room. */
const forAll: ReadonlySet<string> = new Set(['errors', 'nearest', 'transaction'])

/** What each room may import besides those. Change it deliberately, with the reason in ARCHITECTURE.md. */
const mayImport: { readonly [room: string]: readonly string[] | 'all' } = {
  errors: [],
  nearest: [],
  transaction: [],
  config: ['guard', 'gateway', 'upstream'], // the names and defaults of their limits
  serve: 'all', // part of the composition root: what the commands put together
  wire: [],
  guard: [],
  observe: [],
  upstream: ['wire'],
  control: [],
  audit: [],
  identity: ['control', 'wire'], // wire for SCRAM, which both sides of the gate speak
  provision: ['control', 'upstream', 'guard', 'wire'], // wire for SCRAM verifiers of the logins that it makes
  session: ['guard', 'upstream', 'wire'],
  gateway: ['session', 'identity', 'wire'],
  budgets: [], // counts calls; stores are handed in
  catalog: ['session', 'control', 'guard'], // guard: which tables may be read is decided in one place
  materialize: ['session', 'control', 'provision', 'catalog'],
  mcp: ['session', 'identity', 'catalog', 'materialize', 'control', 'budgets'],
  worker: ['session', 'materialize', 'control', 'provision'],
  main: 'all',
  cli: 'all',
  embedded: 'all',
}

/** Types of what a room is handed by the composition root, and no more than types. */
const isHanded: { readonly [room: string]: readonly string[] } = {
  session: ['audit', 'control', 'identity', 'observe', 'provision'],
  gateway: ['audit', 'observe'],
  upstream: ['observe'],
  identity: ['observe'],
  provision: ['observe'],
  audit: ['observe'],
  control: ['guard', 'observe'],
  budgets: ['observe'],
  catalog: ['identity', 'observe'],
  materialize: ['audit', 'identity', 'observe'],
  mcp: ['audit', 'guard', 'observe', 'wire'],
  worker: ['audit', 'observe'],
}

const fileLinesMax = 300
const functionLinesMax = 70

const src = readSources('src')
const around = ['scripts', 'bench', 'test'].flatMap(readSources)
const byPath = new Map([...src, ...around].map(source => [source.path, source]))

describe('rooms', () => {
  it('all stand in the table', () => {
    expect([...new Set(src.map(source => source.room))].filter(room => !(room in mayImport))).toEqual([])
  })

  it('import only what the table lets them', () => {
    const strays = src.flatMap(source =>
      source.imports
        .filter(
          ({ from, ours, typeOnly }) =>
            ours && from.startsWith('src/') && !allowed(source.room, roomOf(from), typeOnly),
        )
        .map(({ from, typeOnly }) => `${source.path} imports ${typeOnly ? 'types of ' : ''}${from}`),
    )
    expect(strays).toEqual([])
  })

  it('that are pure touch nothing outside', () => {
    const pure = new Set(['wire', 'guard', 'errors'])
    const harmless = new Set(['node:crypto', 'node:buffer', 'node:util'])
    const parsing = /^src\/guard\/(parse|grammar)[-.\w]*$/ // the one stateful module of the guard: wasm instances, a worker
    const strays = src
      .filter(source => pure.has(source.room) && !parsing.test(source.path))
      .flatMap(source =>
        source.imports
          .filter(({ from, ours }) => !ours && !harmless.has(from))
          .map(({ from }) => `${source.path} imports ${from}`),
      )
    expect(strays).toEqual([])
  })

  it('have no cycles, types aside', () => {
    expect(cycles()).toEqual([])
  })
})

describe('files', () => {
  it(`are at most ${fileLinesMax} lines`, () => {
    expect(
      [...src, ...around]
        .filter(source => source.lines > fileLinesMax)
        .map(source => `${source.path}: ${source.lines}`),
    ).toEqual([])
  })

  it(`hold functions of at most ${functionLinesMax} lines`, () => {
    const long = [...src, ...around.filter(source => !source.path.startsWith('test/'))].flatMap(source =>
      source.functions
        .filter(({ lines }) => lines > functionLinesMax)
        .map(({ name, line, lines }) => `${source.path}:${line} ${name}: ${lines}`),
    )
    expect(long).toEqual([])
  })

  it('are in kebab-case, and none is an index, utils or types', () => {
    const names = src.filter(
      ({ path }) =>
        !/^[a-z\d]+(-[a-z\d]+)*(\/[a-z\d]+(-[a-z\d]+)*)*(\.d)?\.ts$/.test(path) ||
        /(^|\/)(index|utils?|helpers?|types)(\.ts|\/)/.test(path),
    )
    expect(names.map(({ path }) => path)).toEqual([])
  })

  it('are all reached from main', () => {
    const reached = new Set<string>()
    const visit = (path: string) => {
      if (reached.has(path)) return
      reached.add(path)
      for (const { from, ours } of byPath.get(path)?.imports ?? []) if (ours) visit(from)
    }
    visit('src/main.ts')
    expect(src.map(({ path }) => path).filter(path => !reached.has(path))).toEqual([])
  })

  it('export nothing that nobody takes', () => {
    const taken = new Set(
      [...src, ...around].flatMap(source =>
        source.imports.filter(({ ours }) => ours).flatMap(({ from, names }) => names.map(name => `${from} ${name}`)),
      ),
    )
    const dead = src.flatMap(source =>
      source.exports
        .filter(
          ({ name, type, usedHere }) =>
            !taken.has(`${source.path} ${name}`) && !taken.has(`${source.path} *`) && !(type && usedHere),
        )
        .map(({ name }) => `${source.path}: ${name}`),
    )
    expect(dead).toEqual([])
  })
})

describe('code', () => {
  it('reads the environment in config.ts alone', () => {
    expect(marked('process.env').filter(place => !place.startsWith('src/config.ts:'))).toEqual([])
    expect(src.filter(({ text }) => /from 'node:process'/.test(text)).map(({ path }) => path)).toEqual([])
  })

  it('asserts types nowhere but in the codec', () => {
    expect(marked('as').filter(place => !place.startsWith('src/wire/'))).toEqual([])
  })

  it('leaves no notes to self and silences no checker', () => {
    const notes = /\b(TODO|FIXME)\b|@ts-(ignore|expect-error|nocheck)|biome-ignore (?!format)/
    expect(
      [...src, ...around]
        .filter(({ path, text }) => path !== 'test/house.test.ts' && notes.test(text))
        .map(({ path }) => path),
    ).toEqual([])
  })

  it('is SQL in six-digit files where it migrates', () => {
    const files = readdirSync(join(root, 'sql/control'))
    expect(files.filter(name => !/^\d{6}-[a-z\d-]+\.sql$/.test(name))).toEqual([])
    const numbers = files.map(name => name.slice(0, 6)).sort()
    expect(new Set(numbers).size).toBe(numbers.length)
  })

  it('ships one launcher in plain JavaScript', () => {
    expect(readFileSync(join(root, 'bin/postern.mjs'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })
})

function allowed(room: string, other: string, typeOnly: boolean): boolean {
  const table = mayImport[room] ?? []
  if (table === 'all' || room === other || forAll.has(other) || table.includes(other)) return true
  return typeOnly && (isHanded[room] ?? []).includes(other)
}

function marked(mark: Source['marks'][number]['mark']): string[] {
  return src.flatMap(source =>
    source.marks.filter(found => found.mark === mark).map(({ line }) => `${source.path}:${line}`),
  )
}

function cycles(): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
    if (done.has(path) || trail.includes(path)) return
    for (const { from, ours, typeOnly } of byPath.get(path)?.imports ?? [])
      if (ours && !typeOnly) visit(from, [...trail, path])
    done.add(path)
  }
  for (const { path } of src) visit(path, [])
  return found
}
