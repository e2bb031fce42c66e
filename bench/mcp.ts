/**
 * The MCP server over stdio beside DBHub and the archived reference server: alternating rounds in one run, medians.
 * node bench/mcp.ts [--rounds 7] [--calls 1000] [--flight 8]
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { type McpPeer, raised, startMcpPeers } from './mcp-peers.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    calls: { type: 'string', default: '1000' },
    flight: { type: 'string', default: '8' },
  },
})
const [rounds, calls, flight] = [values.rounds, values.calls, values.flight].map(Number)

const point = (id: number) => `select balance from accounts where id = ${id}`
const hundred = 'select id, owner, balance, opened from accounts order by id limit 100'

interface Figures {
  readonly callsPerSecond: number[]
  /** One at a time, milliseconds. */
  readonly aloneMs: number[]
  readonly hundredMs: number[]
}

const median = (numbers: readonly number[]) =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN

async function call({ client, tool }: McpPeer, sql: string) {
  const answer = await client.callTool({ name: tool, arguments: { sql } })
  if (answer.isError === true) throw new Error(JSON.stringify(answer.content))
  return answer
}

async function inFlight(peer: McpPeer, count: number): Promise<number> {
  let next = 0
  const began = performance.now()
  const one = async () => {
    while (next < count) await call(peer, point((next++ * 7919) % 100_000 || 1))
  }
  await Promise.all(Array.from({ length: flight! }, one))
  return count / ((performance.now() - began) / 1000)
}

async function alone(run: (sql: string) => Promise<unknown>, sqls: readonly string[]): Promise<number> {
  const times: number[] = []
  for (const sql of sqls) {
    const began = performance.now()
    await run(sql)
    times.push(performance.now() - began)
  }
  return median(times)
}

const points = Array.from({ length: 200 }, (_, index) => point(index * 13 + 1))
const hundreds = Array.from({ length: 50 }, () => hundred)
const fresh = (): Figures => ({ callsPerSecond: [], aloneMs: [], hundredMs: [] })

async function tokensOf(peer: McpPeer): Promise<{ tools: number; definitions: number; result: number }> {
  const { tools } = await peer.client.listTools()
  const told = tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }))
  const { content } = await call(peer, hundred)
  const text = content.map(part => (part.type === 'text' ? part.text : '')).join('\n')
  return { tools: tools.length, definitions: encode(JSON.stringify(told)).length, result: encode(text).length }
}

const { peers, direct, stop } = await startMcpPeers()
try {
  const wire = fresh()
  const figures = new Map(peers.map(peer => [peer, fresh()]))
  for (const peer of peers) await inFlight(peer, 500) // warm
  for (let round = 0; round < rounds!; round++) {
    wire.aloneMs.push(await alone(sql => direct.query(sql), points))
    wire.hundredMs.push(await alone(sql => direct.query(sql), hundreds))
    for (const [peer, { callsPerSecond, aloneMs, hundredMs }] of figures) {
      callsPerSecond.push(await inFlight(peer, calls!))
      aloneMs.push(await alone(sql => call(peer, sql), points))
      hundredMs.push(await alone(sql => call(peer, sql), hundreds))
    }
    console.error(`round ${round + 1} of ${rounds}`)
  }
  const wireMs = median(wire.aloneMs)
  console.log(`MCP over stdio on ${cpus().length} cores; medians of ${rounds} alternating rounds of ${calls} calls.`)
  console.log(
    `Raised for Postern: ${Object.keys(raised).join(', ')}. By wire: ${wireMs.toFixed(2)} ms, 100 rows ${median(wire.hundredMs).toFixed(2)} ms.\n`,
  )
  console.log(
    `| server | calls/s, ${flight} in flight | one at a time, ms | added to the wire, ms | 100 rows, ms | tools | tokens of definitions | tokens of 100 rows |`,
  )
  console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
  for (const [peer, { callsPerSecond, aloneMs, hundredMs }] of figures) {
    const { tools, definitions, result } = await tokensOf(peer)
    const alone = median(aloneMs)
    const cells = [
      peer.name,
      Math.round(median(callsPerSecond)),
      alone.toFixed(2),
      (alone - wireMs).toFixed(2),
      median(hundredMs).toFixed(2),
      tools,
      definitions,
      result,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
} finally {
  await stop()
}
