#!/usr/bin/env node
// Plain JavaScript that any Node since 18 reads: runs src/main.ts (dist/main.js once published) on a Node that can,
// which is the caller's, or else the one that npm installed beside us for this platform.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const compiled = join(root, 'dist/main.js')
const entry = existsSync(join(root, 'src/main.ts')) ? join(root, 'src/main.ts') : compiled

if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(pathToFileURL(entry).href)
} else {
  const child = spawn(bundledNode(), [entry, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => fail(error.message))
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]))
}

function bundledNode() {
  const { platform, arch } = process
  const kind = platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${kind}-${platform}-${arch}/package.json`)), 'bin/node')
  } catch {
    return fail(
      `it needs Node 24 and runs on ${process.version}. "npm install" (with optional dependencies) brings the right one along.`,
    )
  }
}

function fail(message) {
  console.error(`postern: ${message}`)
  process.exit(1)
}
