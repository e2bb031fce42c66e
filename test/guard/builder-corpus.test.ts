/** Everything that the real dbt was recorded to send, in a run with staging `stg_1`, live `raw` and database `crm`. */
import { existsSync, readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { createParser, type Parser } from '../../src/guard/parse.ts'
import { builderPolicy, building } from './builders.ts'
import { type Said, word } from './judging.ts'

const corpus = new URL('../../../shared/corpora/dbt_builder.sql', import.meta.url)
const isThere = existsSync(corpus)
if (!isThere) process.stdout.write(`skipped: there is no ${corpus.pathname} here\n`)
const [, ...messages] = isThere ? readFileSync(corpus, 'utf8').split(/^-- @@\n/m) : ['']

let parser: Parser
const majors = new Map<number, Said>()

beforeAll(async () => {
  parser = await createParser()
  const builder = { ...builderPolicy.builder!, reader: 'another_reader', otherGrants: 'skip' as const }
  for (const major of [14, 15, 16, 17, 18]) majors.set(major, await building({ major, policy: { builder } }))
  return () => parser.close()
})

test.skipIf(!isThere).each([14, 15, 16, 17, 18])('all that dbt sends passes on PostgreSQL %d', major => {
  const said = majors.get(major)!
  const refused = messages.flatMap(message =>
    parser
      .parseNow(message)
      .statements.map(({ text }) => ({ text, verdict: said(text) }))
      .filter(({ verdict }) => verdict.kind === 'refuse')
      .map(
        ({ text, verdict }) => `${word(verdict)} ${verdict.kind === 'refuse' ? verdict.error.message : ''}: ${text}`,
      ),
  )
  expect(refused).toEqual([])
  expect(messages.length).toBeGreaterThan(100)
})

test.skipIf(!isThere)('a grant to a role that is not the reader is skipped, and says so', () => {
  const grant = messages.find(message => message.includes('grant select'))!
  expect(majors.get(18)!(grant)).toMatchObject({ kind: 'answer', answer: { type: 'skip', tag: 'GRANT' } })
})
