/**
 * Postern beside Postgres, a bare relay and PgBouncer: alternating rounds in one run, medians, ratios.
 * npm run bench -- [--rounds 5] [--seconds 3] [--only simple,prepared]
 */
import { execFile, execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { bouncerKnowsPrepared, bouncerVersion, type Peer, raised, startPeers } from './peers.ts'

const run = promisify(execFile)

interface Work {
  readonly name: string
  readonly unit: string
  skips?(peer: Peer): boolean
  measure(peer: Peer, seconds: number): Promise<number>
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string' },
  },
})

const environment = (peer: Peer) => ({
  ...process.env,
  PGHOST: '127.0.0.1',
  PGPORT: String(peer.port),
  PGUSER: peer.user,
  PGPASSWORD: peer.password,
  PGDATABASE: peer.database,
  PGSSLMODE: 'disable',
  PGOPTIONS: '',
})

const script = join(tmpdir(), `postern-bench-${process.pid}.sql`)
writeFileSync(script, 'select abalance from crm.pgbench_accounts where aid = 4711;\n')
const pointRead = join(tmpdir(), `postern-bench-${process.pid}-point.sql`)
writeFileSync(pointRead, '\\set aid random(1, 100000)\nselect abalance from crm.pgbench_accounts where aid = :aid;\n')

async function pgbench(peer: Peer, seconds: number, args: readonly string[]): Promise<number> {
  const { stdout } = await run('pgbench', ['-n', '-T', String(seconds), ...args], {
    env: environment(peer),
    maxBuffer: 1e7,
  })
  const tps = /tps = ([\d.]+) \(without|tps = ([\d.]+)/.exec(stdout)
  return Number(tps?.[1] ?? tps?.[2])
}

const transactions = (name: string, clients: number, mode: string, file: string): Work => ({
  name: `${name}, ${clients} client${clients === 1 ? '' : 's'}`,
  unit: 'tps',
  skips: peer => peer.name === 'pgbouncer' && mode === 'prepared' && !bouncerKnowsPrepared(),
  measure: (peer, seconds) =>
    pgbench(peer, seconds, ['-c', String(clients), '-j', clients > 1 ? '2' : '1', '-M', mode, '-f', file]),
})

const rows = (name: string, sql: string, count: number): Work => ({
  name,
  unit: 'rows/s',
  measure: async peer => {
    const began = performance.now()
    await run('sh', ['-c', `psql -XAtq -c "${sql}" > /dev/null`], { env: environment(peer) })
    return count / ((performance.now() - began) / 1000)
  },
})

const works: readonly Work[] = [
  ...[1, 16].flatMap(clients => [
    transactions('simple, one text', clients, 'simple', script),
    transactions('simple, new texts', clients, 'simple', pointRead),
    transactions('extended', clients, 'extended', pointRead),
    transactions('prepared', clients, 'prepared', pointRead),
  ]),
  rows('1,000,000 rows of 100 bytes', 'select * from crm.bench_rows', 1_000_000),
  {
    name: 'logins with SCRAM',
    unit: 'logins/s',
    measure: (peer, seconds) => pgbench(peer, seconds, ['-C', '-c', '4', '-j', '2', '-f', script]),
  },
]

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

const peers = await startPeers()
try {
  const admin = environment(peers.admin)
  execFileSync(
    'psql',
    [
      '-XqAt',
      '-c',
      'create schema if not exists crm',
      '-c',
      "create table crm.bench_rows as select g as id, repeat('x', 88) as text from generate_series(1, 1000000) g",
    ],
    { env: admin },
  )
  execFileSync('pgbench', ['-i', '-q', '-s', '1'], {
    env: { ...admin, PGOPTIONS: '-c search_path=crm' },
    stdio: 'ignore',
  })
  execFileSync(
    'psql',
    [
      '-XqAt',
      '-c',
      'grant usage on schema crm to public; grant select on all tables in schema crm to public; vacuum analyze'.split(
        ';',
      )[0]!,
      '-c',
      'grant select on all tables in schema crm to public',
      '-c',
      'vacuum analyze',
    ],
    { env: admin },
  )
  const only = values.only?.split(',')
  const chosen = works.filter(work => only === undefined || only.some(word => work.name.includes(word)))
  const results = new Map(chosen.map(work => [work, new Map<string, number[]>()]))
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const work of chosen) {
      for (const peer of peers.peers) {
        if (work.skips?.(peer)) continue
        const figures = results.get(work)!
        figures.set(peer.name, [...(figures.get(peer.name) ?? []), await work.measure(peer, Number(values.seconds))])
      }
    }
    console.error(`round ${round + 1} of ${values.rounds}`)
  }
  const table = report(results)
  console.log(table)
  if (only === undefined) writeFileSync(new URL('RESULTS.md', import.meta.url), `${heading()}\n${table}\n`)
} finally {
  await peers.stop()
}

function heading(): string {
  const cpu = cpus()[0]?.model ?? 'unknown'
  const limits = Object.entries(raised)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
  return `# Benchmarks

\`npm run bench\`: medians of ${values.rounds} alternating rounds of ${values.seconds} s, everything on one machine (${cpus().length} × ${cpu}, ${Math.round(totalmem() / 1024 ** 3)} GiB, Node ${process.version}), so that clients, proxy and Postgres share its cores: read the ratios.
PgBouncer ${bouncerVersion()} in transaction mode with SCRAM, 20 server connections; Postern with guard, counting and audit (shipping included) on, 20 server connections, raised: ${limits}. The relay is a bare Node program that copies bytes.
`
}

function report(results: ReadonlyMap<Work, ReadonlyMap<string, readonly number[]>>): string {
  const lines = [
    '| work | direct | relay | PgBouncer | Postern | Postern / PgBouncer | Postern / relay |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (const [work, figures] of results) {
    const of = (name: string) => (figures.has(name) ? median(figures.get(name)!) : undefined)
    const [direct, relay, bouncer, postern] = ['direct', 'relay', 'pgbouncer', 'postern'].map(of)
    const show = (value: number | undefined) => (value === undefined ? '–' : Math.round(value).toLocaleString('en'))
    const ratio = (other: number | undefined) =>
      other === undefined || postern === undefined ? '–' : (postern / other).toFixed(2)
    lines.push(
      `| ${work.name} (${work.unit}) | ${show(direct)} | ${show(relay)} | ${show(bouncer)} | ${show(postern)} | ${ratio(bouncer)} | ${ratio(relay)} |`,
    )
  }
  return lines.join('\n')
}
