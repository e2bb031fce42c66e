/** Processes that serve one data folder at once, and what they leave to one another. */
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { createSealer } from '../../src/identity/sealing.ts'
import { openAudit } from '../../src/serve/audit.ts'
import { type ControlFixture, freshControl } from '../control/fixture.ts'
import { append, verify } from './chains.ts'
import { spoolFolder, spoolIn, statement } from './fixture.ts'

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
})

const log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => log }

function start(dataDir: string, beside: boolean) {
  const { config } = loadConfig('/dev/null', { POSTERN_DATA_DIR: dataDir })
  const stores = { control: control.service, keys: createSealer(new Uint8Array(32).fill(7)) }
  return openAudit(config, stores, log, { beside })
}

test('each has a spool and a chain of its own', async () => {
  const dataDir = await spoolFolder()
  const audits = [start(dataDir, false), start(dataDir, true), start(dataDir, true)]
  expect(() => start(dataDir, false)).toThrow(expect.objectContaining({ code: '55006' }))
  for (const [number, { sink }] of audits.entries()) {
    for (let i = 0; i <= number; i++) sink.append(statement(i))
    sink.flush()
  }
  expect(audits.map(({ sink }) => sink.dir)).toEqual(
    ['', 'beside/1', 'beside/2'].map(folder => join(dataDir, 'spool', folder)),
  )
  await Promise.all(audits.map(audit => audit.close(5_000)))
  for (const [number, { sink }] of audits.entries())
    expect(await verify(control, sink.instance)).toMatchObject({ break: undefined, records: number + 1 })
})

test('what one that was killed left behind is shipped by the next that starts', async () => {
  const dataDir = await spoolFolder()
  const killed = await Promise.all(
    [1, 2, 3].map(async number => {
      const spool = spoolIn(join(dataDir, 'spool/beside', String(number)))
      append(spool, number, Date.UTC(2026, 0, 10))
      await spool.close()
      return spool.instance
    }),
  )
  const next = start(dataDir, true)
  expect(next.sink.instance).toBe(killed[0])
  await next.close(5_000)
  for (const [i, instance] of killed.entries())
    expect(await verify(control, instance)).toMatchObject({ break: undefined, records: i + 1 })
  const [one, again] = [start(dataDir, true), start(dataDir, true)]
  expect([one.sink.instance, again.sink.instance]).toEqual(killed.slice(0, 2))
  await Promise.all([one.close(1_000), again.close(1_000)])
})
