/** The product as its user meets it: an empty folder, `postern up`, and the lines that it prints, typed into a shell. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort, type Running, startRunning } from '../cli/running.ts'
import { run, start } from './process.ts'
import { psqlIsHere } from './psql.ts'

describe.skipIf(!psqlIsHere)('the demo', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'postern-demo-'))
  chmodSync(cwd, 0o755) // the account that Postgres runs as must get in
  const env: Record<string, string> = {}
  let up: Running | undefined
  const startUp = async () => {
    up = await startRunning(['up'], 'Stop: Ctrl-C', { cwd, env })
  }
  const shell = (script: string, input = '') => run('sh', ['-c', script], { folder: cwd, input })
  const demoEnv = 'set -a; . .postern/demo.env; set +a'

  beforeAll(async () => {
    env.POSTERN_GATEWAY_PORT = String(await freePort())
    env.POSTERN_MCP_PORT = String(await freePort())
    await startUp()
  })
  afterAll(async () => {
    await up?.stop('SIGINT')
    rmSync(cwd, { recursive: true })
  })

  it('is reached by the psql line that is printed', async () => {
    const line = up?.screen.match(/^ +(psql ".*")$/m)?.[1]
    const ended = await shell(`${line} -X -A -t`, 'select count(*) from customers;\n')
    expect(ended).toEqual({ code: 0, out: '8000\n', err: '' })
  })

  it('does what it says one may try', async () => {
    const tries = up?.screen.split('Then try, in psql:\n')[1]?.split('\n\n')[0] ?? ''
    const statements = tries.split('\n').map(line => line.trim().split(/ {2,}/)[0])
    expect(statements).toHaveLength(5)
    const ended = await shell(`${demoEnv}; psql -X -A -t`, `${statements.join('\n')}\n`)
    const lines = ended.out.trim().split('\n')
    expect(lines[0]).toMatch(/^crm\|customers\|table\|/)
    expect(lines.filter(line => /^[A-Z]{2}\|\d+$/.test(line))).toHaveLength(5)
    expect(lines.filter(line => line.split('|').length === 7)).toHaveLength(10_000)
    expect(lines.at(-1)).toMatch(/^acme_crm_\w+$/)
    expect(ended.err).toMatch(/ERROR: {2}.*DELETE/)
    expect(ended.err).toMatch(/10,?000/)
  })

  it('copies, describes and cancels', async () => {
    const ended = await shell(
      `${demoEnv}; psql -X -A`,
      `\\d orders\n\\copy (select id, name from products order by id) to products.csv csv\n\\! wc -l < products.csv\n`,
    )
    expect(ended.err).toBe('')
    expect(ended.out).toContain('orders_customer_id_fkey')
    expect(ended.out).toContain('COPY 300\n300\n')
    const slow = 'select count(*) from orders a, orders b, orders c'
    const running = start('sh', ['-c', `${demoEnv}; exec psql -X -c '${slow}'`], { folder: cwd })
    const direct = (sql: string) => shell(`${demoEnv}; psql -X -A -t -d "$POSTERN_DIRECT_URL"`, sql)
    const active = `select count(*) from pg_stat_activity where state = 'active' and query like '%orders a, orders b%' and pid <> pg_backend_pid();`
    await expect.poll(async () => (await direct(active)).out, { timeout: 10_000 }).not.toBe('0\n')
    const begin = performance.now()
    running.process.kill('SIGINT')
    expect((await running.ended).err).toContain('canceling statement due to user request')
    expect(performance.now() - begin).toBeLessThan(1_000)
    expect((await direct(active)).out).toBe('0\n')
  })

  it('keeps its data and its passwords when it is stopped and started', async () => {
    const before = await shell('cat .postern/demo.env')
    expect(await up?.stop('SIGINT')).toBe(0)
    expect((await shell(`${demoEnv}; psql -X -c 'select 1'`)).code).toBe(2)
    const begin = performance.now()
    await startUp()
    expect(performance.now() - begin).toBeLessThan(10_000)
    expect((await shell('grep -v DIRECT .postern/demo.env')).out).toBe(before.out.replace(/.*DIRECT.*\n/, ''))
    expect((await shell(`${demoEnv}; psql -X -A -t -c 'select count(*) from orders'`)).out).toBe('49000\n')
  })
})
