import { readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { genesisOf, hashRecord } from '../../src/audit/chain.ts'
import { toBody } from '../../src/audit/encode.ts'
import { insertRecord } from '../../src/audit/store.ts'
import { administer } from '../../src/control/administration.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { append, rowsOf, ship, shippedChain, verify, verifyAll } from './chains.ts'
import { spooled, spoolFolder, spoolIn, statement } from './fixture.ts'

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
})

const whole = { break: undefined }
const times = (sequence: number) => Date.UTC(2026, 0, 10) + (sequence - 1) * 1_000

describe('a chain that is whole', () => {
  test('holds, whatever stands in its records', async () => {
    const spool = spoolIn(await spoolFolder(), { literals: 'keep' })
    spool.append(
      statement(1, { text: `tab\t nul\0 half\ud800 quote" back\\ é 🂡`, time: 1.75, runMs: 1e-7, waitMs: -0 }),
    )
    spool.append(
      statement(2, { relations: [], detail: { '\0': 1, b: { 10: 1, 9: 2, z: [{ y: 1, x: null }] }, a: 1e21 } }),
    )
    spool.append(statement(3, { runMs: Number.NaN, waitMs: 0.1 + 0.2, rows: 2 ** 52, detail: {} }))
    spool.append(statement(4, { text: 'x'.repeat(200_000), detail: { long: 'y'.repeat(200_000) } }))
    spool.append({ time: 0, kind: 'login', door: 'wire', session: '', requestId: '' })
    spool.append(
      statement(6, {
        kind: 'tool-call',
        tool: 'query',
        traceId: '0af7651916cd43dd8448eb211c80319c',
        credential: 'k1',
        schema: 'crm',
      }),
    )
    spool.append(statement(7, { detail: { at: new Date(0), none: undefined, deep: [undefined, -0, 0.1, 5e-324] } }))
    await ship(control, spool)
    expect(await verify(control, spool.instance)).toMatchObject({
      ...whole,
      records: 7,
      first: 1,
      last: 7,
      keptApart: 0,
    })
    await spool.close()
  })

  test('goes on over restarts, files and shipping in between', async () => {
    const dir = await spoolFolder()
    let instance = ''
    for (let start = 0; start < 5; start++) {
      const spool = spoolIn(dir, { fileMaxBytes: 3_000 })
      instance = spool.instance
      append(spool, 20, times(start * 20))
      if (start % 2 === 0) await ship(control, spool, 2_000)
      await spool.close()
    }
    const last = spoolIn(dir)
    await ship(control, last)
    await last.close()
    expect(await verify(control, instance)).toMatchObject({ ...whole, records: 100 })
  })

  test('goes on where everything was shipped and the one file left is empty', async () => {
    const dir = await spoolFolder()
    const first = spoolIn(dir)
    append(first, 3, times(1))
    first.rotate()
    await ship(control, first)
    await first.close()
    expect(await spooled(dir)).toEqual([])
    const second = spoolIn(dir)
    append(second, 3, times(4))
    await ship(control, second)
    await second.close()
    expect(second.instance).toBe(first.instance)
    expect(await verify(control, first.instance)).toMatchObject({ ...whole, records: 6 })
  })

  test('goes on from the last whole line where the process was killed in the middle of one', async () => {
    const dir = await spoolFolder()
    const first = spoolIn(dir)
    append(first, 5, times(1))
    await ship(control, first)
    append(first, 5, times(6))
    await first.close()
    const name = (await readdir(dir)).find(file => file.endsWith('.jsonl'))!
    const { size } = await stat(join(dir, name))
    await truncate(join(dir, name), size - 100)
    const second = spoolIn(dir)
    append(second, 2, times(11))
    await ship(control, second)
    await second.close()
    // Nine, the one that tells of the torn line, two.
    expect(await verify(control, first.instance)).toMatchObject({ ...whole, records: 12, last: 12 })
  })

  test('begins anew, and says so, where nothing of the spool can be read', async () => {
    const dir = await spoolFolder()
    const first = spoolIn(dir)
    append(first, 5, times(1))
    await ship(control, first)
    await first.close()
    const name = (await readdir(dir)).find(file => file.endsWith('.jsonl'))!
    await writeFile(join(dir, name), Buffer.alloc(3_000))
    for (let start = 0; start < 3; start++) {
      const spool = spoolIn(dir)
      append(spool, 2, times(6))
      if (start > 0) await ship(control, spool)
      await spool.close()
      expect(spool.instance).not.toBe(first.instance)
      if (start === 0) continue
      expect(await verify(control, spool.instance)).toMatchObject(whole)
      const begun = await control.owner.query(
        'select detail from postern.audit_log where instance = $1 order by sequence limit 1',
        [spool.instance],
      )
      expect(begun.rows[0].detail).toEqual({ act: 'audit chain begins anew', after: first.instance })
    }
    expect(await verify(control, first.instance)).toMatchObject({ ...whole, records: 5 })
  })

  test('of a spool that was lost ends where it was shipped, and another begins', async () => {
    const dir = await spoolFolder()
    const first = spoolIn(dir)
    append(first, 3, times(1))
    await ship(control, first)
    append(first, 3, times(4))
    await first.close()
    for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true })
    const second = spoolIn(dir)
    append(second, 2, times(7))
    await ship(control, second)
    await second.close()
    expect(second.instance).not.toBe(first.instance)
    expect(await verify(control, first.instance)).toMatchObject({ ...whole, records: 3 })
    expect(await verify(control, second.instance)).toMatchObject({ ...whole, records: 2 })
  })

  test('passes over a line that the log could not take, since a record tells of it', async () => {
    const spool = spoolIn(await spoolFolder())
    spool.append(statement(1))
    spool.append(statement(2, { principalId: 'nobody' }))
    spool.append(statement(3, { principalId: 'nobody' }))
    spool.append(statement(4))
    await ship(control, spool)
    expect(await verify(control, spool.instance)).toMatchObject({ ...whole, records: 4, keptApart: 2, last: 6 })
    await spool.close()
  })

  test('of administrative acts is in the order of their commits, and has none that was rolled back', async () => {
    const act = (name: string) =>
      administer(control.administration, async client => {
        await client.query('select pg_sleep(random() / 100)')
        if (name.startsWith('bad')) throw new Error(name)
        return [undefined, { act: name }]
      })
    const acts = Array.from({ length: 30 }, (_, i) =>
      act(i % 3 === 0 ? `bad ${i}` : `good ${i}`).catch(() => undefined),
    )
    await Promise.all(acts)
    const alone = await control.service.connect()
    await alone.query('begin')
    await insertRecord(alone, { ...statement(1), kind: 'administration' }, control.administration.sealer)
    await alone.query('commit')
    alone.release()
    expect(await verify(control, 'control')).toMatchObject({ ...whole, records: 21, first: 1, last: 21 })
  })

  test('two instances at once have one each', async () => {
    const chains = await Promise.all(Array.from({ length: 4 }, () => shippedChain(control, 300)))
    expect(new Set(chains).size).toBe(4)
    for (const instance of chains) expect(await verify(control, instance)).toMatchObject({ ...whole, records: 300 })
    const all = await verifyAll(control)
    expect(all.filter(chain => chain.break !== undefined)).toEqual([])
    expect(all.map(chain => chain.instance)).toEqual(expect.arrayContaining(['control', ...chains]))
  })

  test('can be followed by anybody with a SHA-256', async () => {
    const instance = await shippedChain(control, 3)
    let previous = genesisOf(instance)
    for (const row of await rowsOf(control, instance)) {
      previous = hashRecord(previous, toBody(row))
      expect(row.hash).toBe(previous)
    }
  })
})

describe('the service', () => {
  test.each([
    'update postern.audit_log set rows = 0',
    'delete from postern.audit_log',
    'truncate postern.audit_log',
    'select from postern.audit_log',
    'drop table postern.audit_log',
    `update postern.audit_head set sequence = 0`,
    `insert into postern.audit_head values ('x', 1, '', 1, '', now())`,
    'delete from postern.audit_head',
    'update postern.audit_key set number = 2',
    'delete from postern.audit_key',
    'delete from postern.audit_checkpoint',
    `insert into postern.audit_checkpoint values ('x', 1, 2, 2, '', '', 1, '', now())`,
  ])('may not %s', async sql => {
    await expect(control.service.query(sql)).rejects.toMatchObject({ code: '42501' })
  })

  test('may not set a head back', async () => {
    const instance = await shippedChain(control, 5)
    await control.service.query(`select postern.advance_audit_head($1, 3, 'x', 1, 'x')`, [instance])
    expect(await verify(control, instance)).toMatchObject({ ...whole, records: 5 })
  })
})
