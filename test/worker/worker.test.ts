import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SchemaRow } from '../../src/materialize/schemas.ts'
import { migrateQueue } from '../../src/worker/queue.ts'
import { startWorker, type Worker, type WorkerOptions } from '../../src/worker/worker.ts'
import { controlPool } from '../control/fixture.ts'
import { quietLog, type Stand, stand } from '../materialize/stand.ts'

let acme: Stand
beforeAll(async () => {
  acme = await stand()
})
afterAll(() => acme.stop())

/** The fixture ends its pools too, and a pool is ended once. */
function worker(o: Partial<WorkerOptions> = {}): Promise<Worker> {
  const pool = controlPool(acme.control.database, 'service', 5)
  const end = pool.end.bind(pool)
  let ended: Promise<void> | undefined
  pool.end = async () => {
    ended ??= end()
    await ended
  }
  return startWorker({ pool, schemas: acme.schemas, log: quietLog, ...o })
}

const addJob = (task: string, payload: object = {}) =>
  acme.control.service.query('select graphile_worker.add_job($1, $2::json)', [task, JSON.stringify(payload)])

async function until<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (good(answer)) return answer
    await sleep(20)
  }
}

async function jobs(): Promise<readonly { task: string; attempts: number; locked: boolean }[]> {
  const read = await acme.control.service.query(
    'select task_identifier as task, attempts, locked_at is not null as locked from graphile_worker.jobs order by id',
  )
  return read.rows
}

async function unused(purpose: string): Promise<SchemaRow> {
  const { schemas, alice, database, control } = acme
  const { schema } = await schemas.provision(alice, database(alice), { purpose })
  await control.owner.query(
    `update postern.tenant_schema set last_accessed_at = now() - interval '2 days' where id = $1`,
    [schema.id],
  )
  return schema
}

const stateOf = async ({ id }: SchemaRow) =>
  (await acme.control.owner.query<{ state: string }>('select state from postern.tenant_schema where id = $1', [id]))
    .rows[0]?.state

describe('the worker', () => {
  it('does not start before the queue is made', async () => {
    await expect(worker()).rejects.toMatchObject({ code: '55000', hint: 'Run "postern migrate".' })
    await migrateQueue(acme.control.owner)
  })

  it('drops what nobody uses, two workers at it at once, and leaves the queue empty', async () => {
    const [first, second] = [await unused('old one'), await unused('old two')]
    const workers = await Promise.all([worker(), worker()])
    await addJob('expire-schemas')
    await addJob('expire-schemas')
    await until(jobs, left => left.length === 0)
    expect([await stateOf(first), await stateOf(second)]).toEqual(['expired', 'expired'])
    await Promise.all(workers.map(one => one.stop()))
    const acts = await acme.control.owner.query(
      `select door, detail ->> 'act' as act from postern.audit_log where detail ->> 'schema' = $1 order by sequence`,
      [first.name],
    )
    expect(acts.rows.slice(1)).toEqual([
      { door: 'job', act: 'schema teardown' },
      { door: 'job', act: 'schema dropped' },
    ])
  })

  it('leaves a schema alone that has been used since its job was made', async () => {
    const schema = await unused('wanted again')
    await addJob('teardown-schema', { schema: schema.id })
    await acme.schemas.provision(acme.alice, acme.database(acme.alice), { purpose: 'wanted again' })
    const one = await worker()
    await until(jobs, left => left.length === 0)
    await one.stop()
    expect(await stateOf(schema)).toBe('active')
  })

  it('sweeps what was cut short and does its chores, one failing keeping none from being done', async () => {
    const schema = await unused('cut short')
    await acme.control.owner.query(`update postern.tenant_schema set state = 'teardown' where id = $1`, [schema.id])
    const done: string[] = []
    const one = await worker({
      chores: {
        broken: () => Promise.reject(new Error('on purpose')),
        sound: async () => void done.push('chore'),
      },
      retention: async () => {
        done.push('retention')
        return []
      },
    })
    await addJob('sweep-orphans')
    await addJob('audit-retention')
    await acme.control.service.query(`select graphile_worker.add_job('housekeeping', '{}', max_attempts := 1)`)
    const left = await until(jobs, now => now.length === 1 && now[0]?.locked === false && now[0].attempts === 1)
    await one.stop()
    expect(left).toMatchObject([{ task: 'housekeeping' }])
    expect(done.sort()).toEqual(['chore', 'retention'])
    expect(await stateOf(schema)).toBe('expired')
    await acme.control.service.query(`select graphile_worker.complete_jobs(array(select id from graphile_worker.jobs))`)
  })

  it('waits for what it does when it stops, and hands back the rest', async () => {
    let finish: (() => void) | undefined
    const begun = new Promise<void>(resolve => {
      finish = resolve
    })
    let ended = false
    const one = await worker({
      jobsMax: 1,
      chores: {
        slow: async () => {
          finish?.()
          await sleep(300)
          ended = true
        },
      },
    })
    await addJob('housekeeping')
    await addJob('expire-schemas')
    await begun
    await one.stop()
    expect(ended).toBe(true)
    expect(await jobs()).toEqual([{ task: 'expire-schemas', attempts: 0, locked: false }])
  })

  it('goes on when its connections are cut', async () => {
    const one = await worker()
    await acme.control.owner.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity
       where datname = current_database() and usename = current_user and pid <> pg_backend_pid() and application_name = 'postern'
         and query ilike '%graphile_worker%'`,
    )
    const schema = await unused('after the cut')
    await addJob('expire-schemas')
    await until(jobs, left => left.length === 0)
    await one.stop()
    expect(await stateOf(schema)).toBe('expired')
  })
})
