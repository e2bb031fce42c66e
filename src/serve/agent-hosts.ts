/** `.postern/mcp/`: configuration files for agent hosts, ready to be copied: one per host and transport. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export interface AgentAccess {
  /** `http://127.0.0.1:8432/mcp` */
  readonly url: string
  /** An API key. */
  readonly token: string
  /** Whom the stdio server speaks for: `alice@acme`. */
  readonly login: string
  /** The launcher, bin/postern.mjs. */
  readonly launcher: string
  readonly dataDir: string
}

interface HostFile {
  readonly name: string
  readonly content: unknown
}

/** Written anew at each start, readable by us alone: the key is in them. Answers the folder. */
export function writeAgentHosts(access: AgentAccess): string {
  const folder = resolve(access.dataDir, 'mcp')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const { name, content } of hostFiles(access))
    writeFileSync(join(folder, name), `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
  return folder
}

function hostFiles(access: AgentAccess): readonly HostFile[] {
  const headers = { Authorization: `Bearer ${access.token}` }
  const stdio = {
    command: process.execPath,
    args: [access.launcher, 'mcp', '--principal', access.login],
    env: { POSTERN_DATA_DIR: resolve(access.dataDir) },
  }
  const http = { type: 'http', url: access.url, headers }
  return [
    { name: 'claude-code.http.json', content: { mcpServers: { postern: http } } },
    { name: 'claude-code.stdio.json', content: { mcpServers: { postern: { type: 'stdio', ...stdio } } } },
    { name: 'claude-desktop.stdio.json', content: { mcpServers: { postern: stdio } } },
    { name: 'cursor.http.json', content: { mcpServers: { postern: { url: access.url, headers } } } },
    { name: 'cursor.stdio.json', content: { mcpServers: { postern: stdio } } },
    { name: 'vscode.http.json', content: { servers: { postern: http } } },
    { name: 'vscode.stdio.json', content: { servers: { postern: { type: 'stdio', ...stdio } } } },
  ]
}
