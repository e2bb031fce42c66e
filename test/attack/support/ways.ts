/** The ways in which a client can hand over a text. */
import { encodeBind, encodeDescribe, encodeExecute, encodeParse } from '../../../src/wire/extended-query.ts'
import { encodeQuery, sync } from '../../../src/wire/query.ts'

export interface Way {
  readonly name: string
  /** Takes queries alone. */
  readonly queriesOnly: boolean
  /** Undefined: as an agent, by the MCP tool `query`. */
  readonly messages: ((text: string) => readonly Buffer[]) | undefined
}

interface WireWay extends Way {
  readonly messages: (text: string) => readonly Buffer[]
}

const bind = encodeBind({ portal: '', statement: '', parameterFormats: [], parameters: [], resultFormats: [] })
const execute = encodeExecute({ portal: '', rowsMax: 0 })
const parse = (text: string, name = '') => encodeParse({ name, text, parameterTypes: [] })

export const simple: WireWay = {
  name: 'simple',
  queriesOnly: false,
  messages: text => [encodeQuery(text)],
}

export const extended: WireWay = {
  name: 'extended',
  queriesOnly: false,
  messages: text => [parse(text), bind, encodeDescribe({ kind: 'P', name: '' }), execute, sync],
}

const named: WireWay = {
  name: 'prepared',
  queriesOnly: false,
  messages: text => [
    encodeQuery('deallocate all'),
    parse(text, 's'),
    encodeDescribe({ kind: 'S', name: 's' }),
    sync,
    encodeBind({ portal: 'p', statement: 's', parameterFormats: [], parameters: [], resultFormats: [1] }),
    encodeExecute({ portal: 'p', rowsMax: 1 }),
    encodeExecute({ portal: 'p', rowsMax: 0 }),
    sync,
  ],
}

const pipelined: WireWay = {
  name: 'pipelined',
  queriesOnly: false,
  messages: text => [
    parse('select 1'),
    bind,
    execute,
    parse(text),
    bind,
    execute,
    parse('select 1'),
    bind,
    execute,
    sync,
  ],
}

const second: WireWay = {
  name: 'second statement',
  queriesOnly: false,
  messages: text => [encodeQuery(`select 1;${text}`)],
}

const inTransaction: WireWay = {
  name: 'in a transaction',
  queriesOnly: false,
  messages: text => [encodeQuery('begin read write'), encodeQuery(text), encodeQuery('rollback')],
}

const afterCommit: WireWay = {
  name: 'after commit',
  queriesOnly: false,
  messages: text => [encodeQuery(`begin; select 1; commit; ${text}`), encodeQuery('rollback')],
}

const cursor: WireWay = {
  name: 'cursor',
  queriesOnly: true,
  messages: text => [
    encodeQuery('begin'),
    encodeQuery(`declare c cursor for ${text}`),
    encodeQuery('fetch all from c'),
    encodeQuery('rollback'),
  ],
}

const copy: WireWay = {
  name: 'copy',
  queriesOnly: true,
  messages: text => [encodeQuery(`copy (${text}\n) to stdout`)],
}

const explain: WireWay = {
  name: 'explain analyze',
  queriesOnly: true,
  messages: text => [encodeQuery(`explain (analyze, verbose) ${text}`)],
}

const sqlPrepare: WireWay = {
  name: 'SQL prepare',
  queriesOnly: true,
  messages: text => [encodeQuery(`prepare q as ${text}`), encodeQuery('execute q'), encodeQuery('deallocate all')],
}

const inner: WireWay = {
  name: 'inside another',
  queriesOnly: true,
  messages: text => [encodeQuery(`explain (format json) select * from (${text}\n) explained`)],
}

const queryTool: Way = { name: 'MCP query', queriesOnly: false, messages: undefined }

export const wireWays: readonly WireWay[] = [
  simple,
  extended,
  named,
  pipelined,
  second,
  inTransaction,
  afterCommit,
  cursor,
  copy,
  explain,
  sqlPrepare,
  inner,
]

export const ways: readonly Way[] = [...wireWays, queryTool]

/** What the ways send besides the attack itself: their running proves nothing. */
export const bystanders: ReadonlySet<string> = new Set([
  'select 1',
  'begin',
  'begin read write',
  'commit',
  'rollback',
  'deallocate all',
  'fetch all from c',
])
