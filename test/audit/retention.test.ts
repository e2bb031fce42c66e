import { beforeEach, describe, expect, test } from 'vitest'
import { enforceRetention, listOldMonths, type RetentionOptions } from '../../src/audit/retention.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { append, meddle, ship, shippedChain, verify } from './chains.ts'
import { spoolFolder, spoolIn, statement } from './fixture.ts'

let control: ControlFixture
let options: Omit<RetentionOptions, 'nowMs'>
beforeEach(async () => {
  control = await freshControl()
  const actor = { door: 'cli', principal: 'root', session: 'test', requestId: 'test' }
  options = { sealer: control.administration.sealer, retentionDays: 30, actor }
})

const whole = { break: undefined }
const dayMs = 86_400_000

/** 24 hours apart, so that they lie in as many months as they are long. */
async function chainOverMonths(fromMs: number, days: number): Promise<string> {
  const spool = spoolIn(await spoolFolder())
  for (let day = 0; day < days; day++) spool.append(statement(day, { time: fromMs + day * dayMs }))
  await ship(control, spool)
  await spool.close()
  return spool.instance
}

const enforce = (nowMs: number) => enforceRetention(control.owner, { ...options, nowMs })
const months = async () =>
  (
    await control.owner.query<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'postern.audit_log'::regclass order by 1`,
    )
  ).rows.map(row => row.name.replace('postern.audit_log_', ''))

describe('retention', () => {
  test('drops whole months that are older, no earlier, and the chain passes over them', async () => {
    const instance = await chainOverMonths(Date.UTC(2001, 0, 1), 120)
    expect(await months()).toEqual(expect.arrayContaining(['2001_01', '2001_02', '2001_03', '2001_04']))
    expect(await enforce(Date.UTC(2001, 2, 2))).toEqual([])
    const first = await enforce(Date.UTC(2001, 2, 3))
    expect(first).toMatchObject([{ month: '2001-01', records: 31, checkpoints: 1, partition: 'audit_log_2001_01' }])
    expect(await verify(control, instance)).toMatchObject({ ...whole, records: 89, dropped: 31, first: 1, last: 120 })
    expect(await enforce(Date.UTC(2001, 4, 15))).toMatchObject([{ month: '2001-02' }, { month: '2001-03' }])
    expect(await verify(control, instance)).toMatchObject({ ...whole, records: 30, dropped: 90 })
    expect(await enforce(Date.UTC(2001, 4, 15))).toEqual([])
    expect(await enforce(Date.UTC(2001, 5, 5))).toMatchObject([{ month: '2001-04' }])
    expect(await verify(control, instance)).toMatchObject({ ...whole, records: 0, dropped: 120, last: 120 })
  })

  test('tells of itself in the chain of administrative acts', async () => {
    await shippedChain(control, 3, Date.UTC(2002, 0, 5))
    const nowMs = Date.UTC(2002, 3, 1)
    expect(await enforce(nowMs)).toMatchObject([{ month: '2002-01' }])
    const acts = await control.owner.query(
      `select detail from postern.audit_log where instance = 'control' and time = $1`,
      [new Date(nowMs)],
    )
    expect(acts.rows.map(row => row.detail)).toMatchObject([{ act: 'audit retention', month: '2002-01', records: 3 }])
    expect(await verify(control, 'control')).toMatchObject(whole)
  })

  test('goes by times, whatever order they came in', async () => {
    const spool = spoolIn(await spoolFolder())
    for (const [i, month] of [2, 0, 0, 2, 0, 1, 2, 2].entries())
      spool.append(statement(i, { time: Date.UTC(2003, month, 5) }))
    await ship(control, spool)
    const dropped = await enforce(Date.UTC(2003, 3, 5))
    expect(dropped).toMatchObject([
      { month: '2003-01', records: 3, checkpoints: 2 },
      { month: '2003-02', records: 1, checkpoints: 1 },
    ])
    expect(await verify(control, spool.instance)).toMatchObject({ ...whole, records: 4, dropped: 4, last: 8 })
    await spool.close()
  })

  test('drops again what a spool sent again', async () => {
    const spool = spoolIn(await spoolFolder())
    append(spool, 5, Date.UTC(2003, 0, 5))
    await ship(control, spool)
    expect(await enforce(Date.UTC(2003, 3, 5))).toMatchObject([{ month: '2003-01', records: 5 }])
    append(spool, 2, Date.UTC(2003, 0, 5))
    await ship(control, spool)
    expect(await verify(control, spool.instance)).toMatchObject({ ...whole, records: 7, dropped: 0, last: 7 })
    expect(await enforce(Date.UTC(2003, 3, 5))).toMatchObject([{ month: '2003-01', records: 7 }])
    expect(await verify(control, spool.instance)).toMatchObject({ ...whole, records: 0, dropped: 7, last: 7 })
    await spool.close()
  })

  test('takes lines along that were kept apart', async () => {
    const spool = spoolIn(await spoolFolder())
    for (let i = 1; i <= 6; i++)
      spool.append(
        statement(i, { time: Date.UTC(2004, i < 5 ? 0 : 2, i), ...(i === 3 ? { principalId: 'nobody' } : {}) }),
      )
    await ship(control, spool)
    await enforce(Date.UTC(2004, 3, 1))
    expect(await verify(control, spool.instance)).toMatchObject({ ...whole, dropped: 3, last: 7 })
    await spool.close()
  })

  test('of several processes at once drops each month once', async () => {
    await chainOverMonths(Date.UTC(2005, 0, 1), 59)
    const done = await Promise.all([enforce(Date.UTC(2005, 5, 1)), enforce(Date.UTC(2005, 5, 1))])
    expect(
      done
        .flat()
        .map(({ month }) => month)
        .sort(),
    ).toEqual(['2005-01', '2005-02'])
  })

  test('leaves a month whose chain is broken, since it is the evidence', async () => {
    const instance = await shippedChain(control, 9, Date.UTC(2006, 0, 5))
    await meddle(control.owner, 'update postern.audit_log set rows = 0 where instance = $1 and sequence = 5', [
      instance,
    ])
    await expect(enforce(Date.UTC(2006, 5, 1))).rejects.toMatchObject({
      code: '55000',
      message: expect.stringContaining('2006-01 of the audit log stays'),
    })
    expect(await months()).toContain('2006_01')
    const dropped = await enforceRetention(control.owner, { ...options, nowMs: Date.UTC(2006, 5, 1), evenBroken: true })
    expect(dropped).toMatchObject([{ month: '2006-01', records: 4, checkpoints: 1 }])
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'truncated', sequence: 5, lastSequence: 9 })
  })

  test('lists what it would drop and drops nothing', async () => {
    await shippedChain(control, 3, Date.UTC(2007, 0, 5))
    const listed = await listOldMonths(control.owner, { retentionDays: 30, nowMs: Date.UTC(2007, 5, 1) })
    expect(listed).toMatchObject([{ month: '2007-01' }])
    expect(await months()).toContain('2007_01')
  })
})

describe('a month that is gone', () => {
  test('without a checkpoint is found', async () => {
    const instance = await chainOverMonths(Date.UTC(2008, 0, 1), 60)
    await control.owner.query('drop table postern.audit_log_2008_01')
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'missing', sequence: 1, lastSequence: 31 })
  })

  test('with a checkpoint that is forged is found', async () => {
    const instance = await chainOverMonths(Date.UTC(2009, 0, 1), 60)
    const edge = await control.owner.query<{ hash: string }>(
      `select encode(hash, 'hex') as hash from postern.audit_log where instance = $1 and sequence in (10, 31) order by sequence`,
      [instance],
    )
    const [from, to] = edge.rows.map(row => row.hash)
    await meddle(control.owner, 'delete from postern.audit_log where instance = $1 and sequence between 11 and 31', [
      instance,
    ])
    await meddle(
      control.owner,
      `insert into postern.audit_checkpoint
        select $1, 11, 31, 21, decode($2, 'hex'), decode($3, 'hex'), 1, signature from postern.audit_head limit 1`,
      [instance, from, to],
    )
    expect((await verify(control, instance)).break).toMatchObject({
      kind: 'not signed',
      sequence: 11,
      lastSequence: 31,
    })
  })

  test('with the checkpoint of others is found', async () => {
    const instance = await chainOverMonths(Date.UTC(2010, 0, 1), 90)
    await enforce(Date.UTC(2010, 2, 5))
    expect(await verify(control, instance)).toMatchObject({ ...whole, dropped: 31 })
    await meddle(
      control.owner,
      'update postern.audit_checkpoint set last_sequence = 40, records = 40 where instance = $1',
      [instance],
    )
    await meddle(control.owner, 'delete from postern.audit_log where instance = $1 and sequence <= 40', [instance])
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'not signed', sequence: 1, lastSequence: 40 })
  })

  test('and its checkpoint too is found', async () => {
    const instance = await chainOverMonths(Date.UTC(2011, 0, 1), 60)
    await enforce(Date.UTC(2011, 2, 5))
    await meddle(control.owner, 'delete from postern.audit_checkpoint where instance = $1', [instance])
    expect((await verify(control, instance)).break).toMatchObject({ kind: 'missing', sequence: 1, lastSequence: 31 })
  })
})
