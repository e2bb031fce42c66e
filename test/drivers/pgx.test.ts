import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { isHere } from './process.ts'
import { describeScript } from './script.ts'

const source = 'go/main.go'

/** TEST_PGX is a folder with a go.mod and go.sum that ask for pgx. */
function scriptOf() {
  const module = process.env.TEST_PGX
  if (module === undefined) {
    console.log('TEST_PGX names no Go module: pgx is not tried')
    return undefined
  }
  if (!isHere('Go', 'go', ['version'])) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'postern-pgx-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  for (const file of ['go.mod', 'go.sum']) cpSync(join(module, file), join(folder, file))
  cpSync(fileURLToPath(new URL(source, import.meta.url)), join(folder, 'main.go'))
  const { HOME = '', GOFLAGS = '', GOPROXY = '', GOCACHE = '', GOMODCACHE = '' } = process.env
  const environment = { HOME, GOFLAGS, GOPROXY, GOCACHE, GOMODCACHE, GOTOOLCHAIN: 'local' }
  return { command: 'go', args: ['run', '.'], folder, environment }
}

describeScript('pgx', source, scriptOf())
