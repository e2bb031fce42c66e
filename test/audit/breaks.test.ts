import { beforeAll, describe, expect, test } from 'vitest'
import { genesisOf, hashRecord } from '../../src/audit/chain.ts'
import { toBody } from '../../src/audit/encode.ts'
import { Shipper } from '../../src/audit/shipper.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { append, meddle, rowsOf, ship, shippedChain, verify, verifyAll } from './chains.ts'
import { spoolFolder, spoolIn } from './fixture.ts'

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
})

const times = (sequence: number) => Date.UTC(2026, 0, 10) + (sequence - 1) * 1_000

describe('a break is found and named', () => {
  const rows = (instance: string, where: string) => `postern.audit_log where instance = '${instance}' and ${where}`

  test.each([
    ['a text', `statement_text = overlay(statement_text placing 'x' from 3 for 1)`],
    ['a number', 'rows = rows + 1'],
    ['a time', `time = time + interval '1 millisecond'`],
    ['a hash', `hash = set_byte(hash, 31, get_byte(hash, 31) # 1)`],
    ['a hash that is gone', 'hash = null'],
    ['a principal that is gone', 'principal = null'],
    ['a detail that was not there', `detail = '{}'`],
  ])('%s', async (_, change) => {
    const instance = await shippedChain(control, 20)
    await meddle(control.owner, `update postern.audit_log set ${change} where instance = $1 and sequence = 7`, [
      instance,
    ])
    const found = await verify(control, instance)
    expect(found).toMatchObject({ records: 6, break: { kind: 'changed', sequence: 7 } })
    expect(Math.abs((found.break?.time ?? 0) - times(7))).toBeLessThan(2)
  })

  test('of the first and of the last record', async () => {
    for (const sequence of [1, 20]) {
      const instance = await shippedChain(control, 20)
      await meddle(control.owner, 'update postern.audit_log set rows = 0 where instance = $1 and sequence = $2', [
        instance,
        sequence,
      ])
      expect((await verify(control, instance)).break).toMatchObject({ kind: 'changed', sequence })
    }
  })

  test('records that are deleted', async () => {
    const instance = await shippedChain(control, 2_500)
    await meddle(control.owner, `delete from ${rows(instance, 'sequence between 1200 and 1202')}`, [])
    expect((await verify(control, instance)).break).toEqual({
      kind: 'missing',
      sequence: 1200,
      lastSequence: 1202,
      time: times(1203),
      message: 'records 1200 to 1202 are missing',
    })
  })

  test('the first ones, deleted', async () => {
    const instance = await shippedChain(control, 5)
    await meddle(control.owner, `delete from ${rows(instance, 'sequence < 3')}`, [])
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'missing', sequence: 1, lastSequence: 2 })
  })

  test('the last ones, deleted', async () => {
    const instance = await shippedChain(control, 10)
    await meddle(control.owner, `delete from ${rows(instance, 'sequence > 8')}`, [])
    expect((await verify(control, instance)).break).toMatchObject({
      kind: 'truncated',
      sequence: 9,
      lastSequence: 10,
      time: times(8),
    })
    await meddle(control.owner, `delete from postern.audit_head where instance = $1`, [instance])
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'not signed', sequence: 8 })
  })

  test('all of them, deleted', async () => {
    const instance = await shippedChain(control, 10)
    await meddle(control.owner, `delete from ${rows(instance, 'true')}`, [])
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'truncated', sequence: 1, lastSequence: 10 })
  })

  test('all of them with their head, where another chain tells of them', async () => {
    const spool = spoolIn(await spoolFolder())
    append(spool, 10, times(1))
    const { service: pool, administration } = control
    const shipper = new Shipper({ spool, pool, sealer: administration.sealer, clock: Date.now, announces: true })
    shipper.start()
    await shipper.stop(10_000)
    await spool.close()
    expect((await verify(control, spool.instance)).break).toBeUndefined()
    await meddle(control.owner, `delete from ${rows(spool.instance, 'true')}`, [])
    await meddle(control.owner, 'delete from postern.audit_head where instance = $1', [spool.instance])
    const gone = (await verifyAll(control)).filter(chain => chain.instance === spool.instance)
    expect(gone).toMatchObject([{ records: 0, break: { kind: 'truncated', sequence: 1, lastSequence: 10 } }])
    expect((await verify(control, 'control')).break).toBeUndefined()
  })

  test('two that changed places', async () => {
    const instance = await shippedChain(control, 10)
    await meddle(
      control.owner,
      `update postern.audit_log set sequence = 9 - sequence where instance = $1 and sequence in (4, 5)`,
      [instance],
    )
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'out of order', sequence: 4 })
  })

  const columns = `instance, kind, door, session, request_id, hash`
  const forge = (instance: string, sequence: string, time: string) =>
    meddle(
      control.owner,
      `insert into postern.audit_log (sequence, time, ${columns})
        select ${sequence}, ${time}, ${columns} from postern.audit_log where instance = $1 and sequence = 5`,
      [instance],
    )

  test.each(['before', 'after'])('one more in the place of another, %s it', async where => {
    const instance = await shippedChain(control, 10)
    await forge(instance, '5', `time ${where === 'before' ? '-' : '+'} interval '1 ms'`)
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'inserted', sequence: 5 })
  })

  test('one more at the end, with a hash that fits', async () => {
    const instance = await shippedChain(control, 10)
    await forge(instance, '11', 'time')
    await rehash(instance)
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'inserted', sequence: 11 })
  })

  test('a chain that was made anew from there on, hash by hash', async () => {
    const instance = await shippedChain(control, 10)
    await meddle(control.owner, `update postern.audit_log set rows = 0 where instance = $1 and sequence = 5`, [
      instance,
    ])
    await rehash(instance)
    expect((await verify(control, instance)).break).toMatchObject({
      kind: 'changed',
      sequence: 10,
      message: 'the chain up to record 10 is not the one that was signed',
    })
    const last = await control.owner.query(`select encode(hash, 'hex') as hash from ${rows(instance, 'sequence = 10')}`)
    await meddle(control.owner, `update postern.audit_head set hash = decode($2, 'hex') where instance = $1`, [
      instance,
      last.rows[0].hash,
    ])
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'not signed', sequence: 10 })
  })

  test('a chain under the name of another', async () => {
    const instance = await shippedChain(control, 4)
    const forged = `${instance}-too`
    await meddle(control.owner, `update postern.audit_log set instance = $2 where instance = $1`, [instance, forged])
    expect((await verify(control, forged)).break).toMatchObject({ kind: 'changed', sequence: 1 })
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'truncated', sequence: 1, lastSequence: 4 })
  })

  test('a deletion that a forged record excuses', async () => {
    const spool = spoolIn(await spoolFolder())
    append(spool, 10, times(1))
    await ship(control, spool)
    const kept = await control.owner.query(
      `select encode(hash, 'hex') as hash from ${rows(spool.instance, 'sequence = 4')}`,
    )
    await meddle(control.owner, `delete from ${rows(spool.instance, 'sequence = 4')}`, [])
    await meddle(
      control.owner,
      `insert into postern.audit_log (time, instance, sequence, kind, door, session, request_id, detail, hash)
        values (now(), $1, 11, 'administration', 'postern', '', '', $2, sha256('x'))`,
      [
        spool.instance,
        { act: 'audit record kept apart', instance: spool.instance, sequence: 4, hash: kept.rows[0].hash },
      ],
    )
    expect((await verify(control, spool.instance)).break).toMatchObject({ sequence: 11 })
    await spool.close()
  })

  /** What somebody with the database and no key can do: hashes that fit. */
  async function rehash(instance: string): Promise<void> {
    let previous = genesisOf(instance)
    for (const row of await rowsOf(control, instance)) {
      previous = hashRecord(previous, toBody(row))
      await meddle(
        control.owner,
        `update postern.audit_log set hash = decode($3, 'hex') where instance = $1 and sequence = $2`,
        [instance, row.sequence, previous],
      )
    }
  }
})
