/** Benchmarks' and text-to-SQL's statements against their empty schemas: each that Postgres plans, it plans through the gateway. */
import { afterAll, describe, expect, test } from 'vitest'
import { encodeQuery } from '../../src/wire/query.ts'
import { describeReport, RawClient } from '../support/raw-client.ts'
import { type Served, serve } from '../support/served.ts'
import { corporaAreHere, readCorpus, readSchemas } from './corpora.ts'

const served: Served[] = []
afterAll(async () => {
  for (const one of served) await one.stop()
})

/** The errors of EXPLAIN of each statement; undefined: it was planned. */
async function plan(target: Served['gateway'], statements: readonly string[]): Promise<(string | undefined)[]> {
  const client = await RawClient.open({ ...target, parameters: [['options', '-c search_path=crm']] })
  const errors: (string | undefined)[] = []
  for (const statement of statements) {
    client.send(encodeQuery(`explain ${statement}`))
    const error = (await client.untilReady()).find(frame => frame.type === 'E')
    errors.push(error === undefined ? undefined : describeReport(error.body))
  }
  await client.close()
  return errors
}

const shares: Record<string, string> = {}
afterAll(() => console.log('planned through the gateway, of those that Postgres plans:', shares))

describe.skipIf(!corporaAreHere)('statements that Postgres plans are planned through the gateway', () => {
  for (const name of ['tpch', 'tpcds', 'job', 'clickbench']) {
    test(name, { timeout: 120_000 }, async () => {
      const one = await serve({ seed: readSchemas(name).get('')! })
      served.push(one)
      const statements = readCorpus(name)
      const errors = await plan(one.gateway, statements)
      shares[name] = `${errors.filter(error => error === undefined).length} of ${statements.length}`
      expect(
        errors.flatMap((error, i) => (error === undefined ? [] : [`${error}: ${statements[i]!.slice(0, 200)}`])),
      ).toEqual([])
    })
  }

  test('llm_defog, each in the database that it is for', { timeout: 240_000 }, async () => {
    const statements = readCorpus('llm_defog')
    let left: readonly string[] = statements
    let planned = 0
    const refused: string[] = []
    for (const seed of readSchemas('llm_defog').values()) {
      const schemas = [...seed.matchAll(/create schema (\w+);/gi)].map(match => match[1]!)
      const one = await serve({ seed: seed.replace(/create schema \w+;/gi, ''), schemas: ['crm', ...schemas] })
      served.push(one)
      const direct = await plan(one.direct, left)
      const mine = left.filter((_, i) => direct[i] === undefined)
      left = left.filter((_, i) => direct[i] !== undefined)
      const errors = await plan(one.gateway, mine)
      planned += errors.filter(error => error === undefined).length
      refused.push(
        ...errors.flatMap((error, i) => (error === undefined ? [] : [`${error}: ${mine[i]!.slice(0, 200)}`])),
      )
    }
    shares.llm_defog = `${planned} of ${statements.length}`
    expect(refused).toEqual([])
    expect(planned).toBe(statements.length)
  })
})
