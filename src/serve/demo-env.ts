/** `.postern/demo.env`: what psql, agents and the examples need to come in as alice, for `set -a; . .postern/demo.env`. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'

export interface DemoEnv {
  readonly PGHOST: string
  readonly PGPORT: string
  readonly PGUSER: string
  readonly PGPASSWORD: string
  readonly PGDATABASE: string
  readonly POSTERN_BOB_PASSWORD: string
  readonly POSTERN_MCP_URL: string
  /** alice's API key. */
  readonly POSTERN_MCP_TOKEN: string
  /** The embedded cluster's administrator at acme's real database, for comparison. */
  readonly POSTERN_DIRECT_URL: string
}

/** Undefined where there is none. Names and values as they stand in it, `NAME='value'` a line. */
export function readDemoEnv(path: string): ReadonlyMap<string, string> | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  return new Map([...text.matchAll(/^([A-Z_]+)='([^']*)'$/gm)].map(match => [match[1]!, match[2]!]))
}

/** Written aside and renamed; readable by us alone. */
export function writeDemoEnv(path: string, values: DemoEnv): void {
  const lines = Object.entries(values).map(([name, value]) => `${name}='${value}'`)
  writeFileSync(`${path}.new`, `# set -a; . ${path}; set +a; psql\n${lines.join('\n')}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
