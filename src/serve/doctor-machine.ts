/** What the machine must give: Node, files, their room and rights, TLS files, the ports. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { access, constants, stat, statfs } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { makeDataDir } from './data-dir.ts'
import type { Finding } from './finding.ts'

const dayMs = 86_400_000
const spareFiles = 256

export async function checkMachine(config: Config): Promise<Finding[]> {
  return [
    checkNode(),
    ...(await checkDataDir(config)),
    await checkMasterKey(config),
    ...checkOpenFiles(config),
    checkTls(config),
    await checkPort('wire', config.gateway),
    ...(config.mcp.enabled ? [await checkPort('MCP', config.mcp), ...checkMcpAddress(config)] : []),
  ]
}

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const good = major >= 24
  const works = good || major > 22 || (major === 22 && minor >= 18)
  const mend = 'npm install brings Node 24 along; start by "npx postern" or "npm start".'
  return { what: 'Node', state: good ? 'good' : works ? 'doubt' : 'fault', found: process.version, mend }
}

async function checkDataDir(config: Config): Promise<Finding[]> {
  const what = `data folder ${config.dataDir}`
  try {
    makeDataDir(config.dataDir)
    await access(config.dataDir, constants.W_OK)
  } catch (error) {
    return [
      { what, state: 'fault', found: String(error), mend: 'Make it writable, or name another: POSTERN_DATA_DIR.' },
    ]
  }
  const { mode } = await stat(config.dataDir)
  const open = (mode & 0o022) !== 0
  const { bavail, bsize } = await statfs(config.audit.dir ?? config.dataDir)
  const freeBytes = bavail * bsize
  return [
    {
      what,
      state: open ? 'fault' : 'good',
      found: open ? 'others may write to it' : 'writable, by us alone',
      mend: `chmod go-w ${config.dataDir}`,
    },
    {
      what: 'room for the audit spool',
      state: freeBytes > config.audit.spoolMaxBytes ? 'good' : 'doubt',
      found: `${inMiB(freeBytes)} MiB free, audit.spoolMaxBytes is ${inMiB(config.audit.spoolMaxBytes)} MiB`,
      mend: 'A full disk stops every statement: free some room, or lower audit.spoolMaxBytes.',
    },
  ]
}

async function checkMasterKey(config: Config): Promise<Finding> {
  const what = 'master key'
  if (config.masterKey !== null) return { what, state: 'good', found: 'from the settings' }
  const path = join(config.dataDir, 'master.key')
  const apart = config.control.url === null
  const mend =
    'Keep it in a secrets store and give it as POSTERN_MASTER_KEY: without it nothing sealed can be opened again.'
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0)
      return { what, state: 'fault', found: `${path} can be read by others`, mend: `chmod 600 ${path}` }
  } catch {
    return { what, state: 'good', found: `${path} is made at the first start` }
  }
  return { what, state: apart ? 'good' : 'doubt', found: `in ${path}`, mend }
}

/** Each client and each upstream is an open file. Only Linux tells its limit here. */
function checkOpenFiles(config: Config): Finding[] {
  const what = 'open files'
  const mend = 'Raise it (ulimit -n, LimitNOFILE=), or lower gateway.connectionsMax.'
  let limits: string
  try {
    limits = readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return []
  }
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  const needed = config.gateway.connectionsMax + config.pool.totalMax + spareFiles
  const enough = soft === undefined || Number(soft) >= needed
  return [
    {
      what,
      state: enough ? 'good' : 'doubt',
      found: `${soft ?? 'unlimited'} allowed, ${needed} at the configured limits`,
      mend,
    },
  ]
}

function checkTls(config: Config): Finding {
  const what = 'TLS'
  const { tls, host } = config.gateway
  if (tls.cert === null || tls.key === null) {
    const local = isLocal(host)
    const found = local ? 'off; only this machine can connect' : `off, and ${host} can be reached from outside`
    return {
      what,
      state: local ? 'good' : 'doubt',
      found,
      mend: 'Set gateway.tls.cert and gateway.tls.key, and gateway.requireTls.',
    }
  }
  try {
    const certificate = new X509Certificate(readFileSync(tls.cert))
    if (!certificate.checkPrivateKey(createPrivateKey(readFileSync(tls.key)))) {
      return {
        what,
        state: 'fault',
        found: 'key and certificate do not belong together',
        mend: 'Name the key of this certificate in gateway.tls.key.',
      }
    }
    const daysLeft = Math.floor((certificate.validToDate.getTime() - Date.now()) / dayMs)
    const state = daysLeft < 0 ? 'fault' : daysLeft < 14 ? 'doubt' : 'good'
    return {
      what,
      state,
      found: `${certificate.subject.replaceAll('\n', ', ')}, ${daysLeft} days left`,
      mend: 'Renew the certificate.',
    }
  } catch (error) {
    return { what, state: 'fault', found: String(error), mend: 'Both files must be PEM and readable by Postern.' }
  }
}

function checkMcpAddress({ mcp: { host, publicUrl } }: Config): Finding[] {
  if (isLocal(host) || publicUrl !== null) return []
  const mend = 'Set mcp.publicUrl to the https:// address that clients use, with a proxy that ends TLS there.'
  return [{ what: 'mcp.publicUrl', state: 'fault', found: `not set, and ${host} can be reached from outside`, mend }]
}

function isLocal(host: string): boolean {
  return /^(127\.|localhost$|::1$)/.test(host)
}

function checkPort(door: string, { host, port }: { readonly host: string; readonly port: number }): Promise<Finding> {
  const what = `${door} port ${port}`
  return new Promise(resolve => {
    const probe = connect({ host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port, timeout: 2_000 })
    const end = (found: string) => {
      probe.destroy()
      resolve({ what, state: 'good', found })
    }
    probe.on('connect', () => end('somebody listens: Postern itself, or a program that must give way to it'))
    probe.on('timeout', () => end('no answer'))
    probe.on('error', () => end('free'))
  })
}

function inMiB(bytes: number): number {
  return Math.floor(bytes / 1024 ** 2)
}
