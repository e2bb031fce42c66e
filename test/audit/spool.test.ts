import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { appendFile, readdir, readFile, stat, truncate } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import type { SqlError } from '../../src/errors.ts'
import { spooled, spooledLines, spoolFolder, spoolIn, statement } from './fixture.ts'

afterEach(() => {
  vi.restoreAllMocks()
  syncBuiltinESMExports()
})

/** The spool's system calls, to be counted or to fail. */
function spyOn(name: 'writeSync' | 'fdatasyncSync') {
  const spy = vi.spyOn(fs, name)
  syncBuiltinESMExports()
  return spy
}

const refused = expect.objectContaining({ code: '57P03' })

test('all that was appended goes out with one write(2), in order, numbered from 1', async () => {
  const dir = await spoolFolder()
  const spool = spoolIn(dir, { fsyncEveryMs: 1_000_000 })
  const write = spyOn('writeSync')
  for (let i = 1; i <= 100; i++) spool.append(statement(i))
  expect(await spooled(dir)).toEqual([])
  spool.flush()
  spool.flush()
  expect(write).toHaveBeenCalledTimes(1)
  const records = await spooled(dir)
  expect(records.map(record => record.sequence)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
  expect(records[41]).toMatchObject({
    request_id: 'r42',
    statement_text: 'select * from orders where id = $1',
    tenant: 'acme',
  })
  await spool.close()
})

test('the folder is ours alone', async () => {
  const dir = join(await spoolFolder(), 'deep', 'spool')
  const spool = spoolIn(dir)
  spool.append(statement(1))
  spool.flush()
  expect((await stat(dir)).mode & 0o777).toBe(0o700)
  for (const name of await readdir(dir)) expect((await stat(join(dir, name))).mode & 0o777, name).toBe(0o600)
  expect(() => spoolIn(dir)).toThrow(expect.objectContaining({ code: '55006' }))
  await spool.close()
  await spoolIn(dir).close()
})

test('what nobody flushes goes out by itself', async () => {
  const dir = await spoolFolder()
  const spool = spoolIn(dir, { fsyncEveryMs: 10 })
  spool.append(statement(1))
  await vi.waitFor(async () => expect(await spooled(dir)).toHaveLength(1))
  await spool.close()
})

test('fsync always waits for the disk in each flush', async () => {
  const spool = spoolIn(await spoolFolder(), { fsync: 'always' })
  const sync = spyOn('fdatasyncSync')
  for (let i = 1; i <= 3; i++) {
    spool.append(statement(i))
    spool.flush()
    expect(sync).toHaveBeenCalledTimes(i)
  }
  await spool.close()
})

test('SIGKILL loses nothing that was flushed, and the sequence goes on', async () => {
  const dir = await spoolFolder()
  const program = `
    const { openSpool } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/audit/spool.ts'))})
    const spool = openSpool({ dir: ${JSON.stringify(dir)}, literals: 'redact', fsync: 'batch', spoolMaxBytes: 1e9 })
    const record = ${JSON.stringify(statement(1))}
    for (let i = 1; i <= 1000; i++) { spool.append(record); if (i % 10 === 0) spool.flush() }
    spool.append(record)
    process.kill(process.pid, 'SIGKILL')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' })
  const [, signal] = await once(child, 'exit')
  expect(signal).toBe('SIGKILL')
  expect(await spooled(dir)).toHaveLength(1000)
  const spool = spoolIn(dir)
  spool.append(statement(1002))
  spool.flush()
  expect((await spooled(dir)).map(record => record.sequence)).toEqual(Array.from({ length: 1001 }, (_, i) => i + 1))
  await spool.close()
})

test('a torn last line is kept apart and told of, not lost and not shipped', async () => {
  const dir = await spoolFolder()
  const first = spoolIn(dir)
  for (let i = 1; i <= 5; i++) first.append(statement(i))
  first.flush()
  await first.close()
  const file = join(dir, (await readdir(dir)).find(name => name.endsWith('.jsonl'))!)
  await appendFile(file, '{"sequence":6,"time":17')
  const second = spoolIn(dir)
  const records = await spooled(dir)
  expect(records.map(record => record.sequence)).toEqual([1, 2, 3, 4, 5, 6])
  expect(records[5]).toMatchObject({
    kind: 'administration',
    detail: { act: 'audit spool mended', bytes: 23, ours: true },
  })
  const apart = await readdir(join(dir, 'kept-apart'))
  expect(await readFile(join(dir, 'kept-apart', apart[0]!), 'utf8')).toBe('{"sequence":6,"time":17')
  expect(second.instance).toBe(first.instance)
  await second.close()
})

test.each([0, 1, 50, 399])('cut off anywhere (%i bytes left of the last line) every whole line remains', async left => {
  const dir = await spoolFolder()
  const first = spoolIn(dir)
  for (let i = 1; i <= 3; i++) first.append(statement(i))
  first.flush()
  await first.close()
  const file = join(dir, (await readdir(dir)).find(name => name.endsWith('.jsonl'))!)
  const lines = await spooledLines(dir)
  await truncate(file, lines[0]!.length + lines[1]!.length + 2 + Math.min(left, lines[2]!.length))
  const second = spoolIn(dir)
  second.append(statement(4))
  second.flush()
  const records = await spooled(dir)
  expect(records.map(record => record.sequence)).toEqual(records.map((_, i) => i + 1))
  expect(records.at(-1)).toMatchObject({ request_id: 'r4' })
  await second.close()
})

test('files are begun anew at their size, and go when they are shipped', async () => {
  const dir = await spoolFolder()
  const spool = spoolIn(dir, { fileMaxBytes: 10_000 })
  for (let i = 1; i <= 100; i++) {
    spool.append(statement(i))
    spool.flush()
  }
  const files = spool.files()
  expect(files.length).toBeGreaterThan(3)
  expect((await spooled(dir)).map(record => record.sequence)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
  expect(spool.usedBytes).toBe(files.reduce((sum, file) => sum + file.bytes, 0))
  spool.remove(files[0]!)
  expect((await spooled(dir))[0]!.sequence).toBe(files[1]!.firstSequence)
  await spool.close()
})

test('a full spool lets nothing new begin, takes the ends of what has begun, and opens again when shipped', async () => {
  const dir = await spoolFolder()
  const spool = spoolIn(dir, { spoolMaxBytes: 20_000, fileMaxBytes: 5_000 })
  let count = 0
  while (spool.healthy) {
    spool.append(statement(++count))
    spool.flush()
  }
  for (const kind of ['statement-start', 'login', 'refusal'] as const) {
    expect(() => spool.append(statement(++count, { kind }))).toThrow(refused)
  }
  spool.append(statement(++count))
  spool.flush()
  expect(() => {
    for (let i = 0; i < 10; i++) spool.append(statement(++count))
  }).toThrow(refused)
  for (const file of spool.files().slice(0, -1)) spool.remove(file)
  expect(spool.healthy).toBe(true)
  spool.append(statement(++count, { kind: 'login' }))
  await spool.close()
})

test('a disk that refuses lets no answer leave, and loses nothing when it comes back', async () => {
  const dir = await spoolFolder()
  const faults: (SqlError | undefined)[] = []
  const spool = spoolIn(dir, { fsyncEveryMs: 20, onFault: fault => faults.push(fault) })
  spool.append(statement(1))
  spool.flush()
  const write = spyOn('writeSync')
  write.mockImplementation(() => {
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  })
  spool.append(statement(2))
  expect(() => spool.flush()).toThrow(refused)
  expect(() => spool.flush()).toThrow(refused)
  expect(spool.healthy).toBe(false)
  expect(() => spool.append(statement(3, { kind: 'statement-start' }))).toThrow(refused)
  spool.append(statement(3))
  await sleep(60)
  expect(spool.healthy).toBe(false)
  write.mockRestore()
  syncBuiltinESMExports()
  await vi.waitFor(() => expect(spool.healthy).toBe(true))
  expect((await spooled(dir)).map(record => record.request_id)).toEqual(['r1', 'r2', 'r3'])
  expect(faults.map(fault => fault?.code)).toEqual(['57P03', undefined])
  await spool.close()
})

test('a disk that takes bytes and does not keep them lets no answer leave either', async () => {
  const dir = await spoolFolder()
  const spool = spoolIn(dir, { fsync: 'always', fsyncEveryMs: 20 })
  const sync = spyOn('fdatasyncSync')
  sync.mockImplementation(() => {
    throw Object.assign(new Error('EIO'), { code: 'EIO' })
  })
  spool.append(statement(1))
  expect(() => spool.flush()).toThrow(refused)
  expect(() => spool.append(statement(2, { kind: 'login' }))).toThrow(refused)
  sync.mockRestore()
  syncBuiltinESMExports()
  await vi.waitFor(() => expect(spool.healthy).toBe(true))
  expect((await spooled(dir)).map(record => record.request_id)).toEqual(['r1'])
  await spool.close()
})

test('a write that is cut short goes on where it stopped', async () => {
  const dir = await spoolFolder()
  const spool = spoolIn(dir, { fsyncEveryMs: 1_000_000 })
  const real = fs.writeSync
  let calls = 0
  const write = spyOn('writeSync')
  write.mockImplementation((fd: number, bytes: unknown, from?: unknown, length?: unknown) => {
    if (++calls % 2 === 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    if (!Buffer.isBuffer(bytes) || typeof from !== 'number' || typeof length !== 'number') throw new Error('unexpected')
    return realWrite(fd, bytes, from, Math.min(length, 70))
  })
  const realWrite: (fd: number, bytes: Buffer, from: number, length: number) => number = real.bind(fs)
  for (let i = 1; i <= 3; i++) spool.append(statement(i))
  let tries = 0
  for (;;) {
    try {
      tries++
      spool.flush()
      break
    } catch (error) {
      expect(error).toMatchObject({ code: '57P03' })
    }
  }
  expect(tries).toBeGreaterThan(5)
  expect((await spooled(dir)).map(record => record.sequence)).toEqual([1, 2, 3])
  write.mockRestore()
  syncBuiltinESMExports()
  await spool.close()
})

test('memory is bounded while the disk refuses', async () => {
  const spool = spoolIn(await spoolFolder(), { pendingMaxBytes: 100_000, fsyncEveryMs: 1_000_000 })
  const write = spyOn('writeSync')
  write.mockImplementation(() => {
    throw new Error('EIO')
  })
  let kept = 0
  expect(() => {
    for (; kept < 10_000; kept++) spool.append(statement(kept))
  }).toThrow(refused)
  expect(kept).toBeGreaterThan(50)
  expect(kept).toBeLessThan(500)
  write.mockRestore()
  syncBuiltinESMExports()
  await spool.close()
})
