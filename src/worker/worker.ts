/** Door 3: jobs of the queue in the control database, and the clock that makes some of them. Any number of workers at once. */
import { EventEmitter } from 'node:events'
import { parseCronItems, type Runner, run, type TaskList, type WorkerEvents, WorkerPreset } from 'graphile-worker'
import type { Pool } from 'pg'
import { SqlError } from '../errors.ts'
import type { Schemas } from '../materialize/schemas.ts'
import type { Log } from '../observe/log.ts'
import { auditRetention, auditRetentionTask, type Retention } from './audit-retention.ts'
import { expireSchemas, expireSchemasTask } from './expire-schemas.ts'
import { type Chore, housekeeping, housekeepingTask } from './housekeeping.ts'
import { queueLogger } from './queue-log.ts'
import { sweepOrphans, sweepOrphansTask } from './sweep-orphans.ts'
import { teardownSchema, teardownSchemaTask } from './teardown-schema.ts'

export interface WorkerOptions {
  /** The control database as postern_service, with at least 4 connections: the worker's own, which `stop` closes. */
  readonly pool: Pool
  readonly schemas: Pick<Schemas, 'unused' | 'expire' | 'sweep'>
  /** Absent: the audit log is kept for ever. */
  readonly retention?: Retention | undefined
  /** By name. */
  readonly chores?: Readonly<Record<string, Chore>> | undefined
  readonly log: Log
  /** Jobs at once. */
  readonly jobsMax?: number | undefined
}

export interface Worker {
  /** Takes no new job, waits for those that run and closes the pool. Jobs that take too long are told to stop. */
  stop(): Promise<void>
}

const jobsMaxDefault = 2
const abortAfterMs = 5_000

/** Once a minute would do: a use of the last moments is written down within seconds. */
const clock = [
  { task: expireSchemas, match: '*/5 * * * *' },
  { task: sweepOrphans, match: '2,12,22,32,42,52 * * * *' },
  { task: housekeeping, match: '*/15 * * * *' },
  { task: auditRetention, match: '17 3 * * *' },
]

/** @throws SqlError 55000 where the queue is not made yet */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { pool, log } = options
  const runner = await startRunner(options).catch(async (error: unknown) => {
    await pool.end()
    throw error
  })
  return { stop: () => stopRunner(runner, pool, log) }
}

async function startRunner(options: WorkerOptions): Promise<Runner> {
  const { pool, log } = options
  await checkQueue(pool)
  const tasks = taskList(options)
  return await run({
    pgPool: pool,
    taskList: tasks,
    noHandleSignals: true,
    events: noteFailures(log),
    parsedCronItems: parseCronItems(
      clock
        .filter(({ task }) => task in tasks)
        // One that waits already is enough: it does all there is to do.
        .map(item => ({ ...item, options: { jobKey: item.task, maxAttempts: 1, backfillPeriod: 0 } })),
    ),
    preset: {
      extends: [WorkerPreset],
      worker: {
        schema: 'graphile_worker',
        concurrentJobs: options.jobsMax ?? jobsMaxDefault,
        gracefulShutdownAbortTimeout: abortAfterMs,
        // Only what goes through a batch is waited for at the end, and is tried again.
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
        logger: queueLogger(log),
      },
    },
  })
}

/** A promise that is not waited for leaves jobs locked. */
async function stopRunner(runner: Runner, pool: Pool, log: Log): Promise<void> {
  try {
    await runner.stop()
    await runner.promise
  } catch (error) {
    log.warn({ error }, 'the worker did not stop in order')
  } finally {
    await pool.end()
  }
}

function taskList({ schemas, retention, chores, log }: WorkerOptions): TaskList {
  return {
    [expireSchemas]: expireSchemasTask(schemas),
    [teardownSchema]: teardownSchemaTask(schemas),
    [sweepOrphans]: sweepOrphansTask(schemas, log),
    ...(chores === undefined ? {} : { [housekeeping]: housekeepingTask(chores, log) }),
    ...(retention === undefined ? {} : { [auditRetention]: auditRetentionTask(retention, log) }),
  }
}

function noteFailures(log: Log): WorkerEvents {
  const events: WorkerEvents = new EventEmitter()
  events.on('job:error', ({ job, error }) => {
    log.warn({ job: job.task_identifier, attempt: job.attempts, error }, 'a job failed')
  })
  events.on('job:failed', ({ job, error }) => {
    log.error({ job: job.task_identifier, error }, 'a job failed for the last time')
  })
  return events
}

async function checkQueue(pool: Pool): Promise<void> {
  const found = await pool.query<{ made: boolean }>(
    `select pg_catalog.to_regclass('graphile_worker.migrations') is not null as made`,
  )
  if (found.rows[0]?.made === true) return
  throw new SqlError({ code: '55000', message: 'the job queue is not made yet', hint: 'Run "postern migrate".' })
}
