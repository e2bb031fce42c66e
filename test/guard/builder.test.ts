/** What a run may send to its own schemas, and what it may not: judged on the tree, before any role is asked. */
import { beforeAll, describe, expect, test } from 'vitest'
import { builderNodeRules } from '../../src/guard/builder-rules.ts'
import nodes from '../../src/guard/data/nodes.json' with { type: 'json' }
import { ownsSchema } from '../../src/guard/own-schemas.ts'
import { refused, runs } from './builder-statements.ts'
import { builderPolicy, building } from './builders.ts'
import { storedFunction } from './fixtures.ts'
import { judging, type Said, word } from './judging.ts'

let said: Said
let asReader: Said

beforeAll(async () => {
  said = await building({ catalog: { functions: [storedFunction('raw', 'leak', { securityDefiner: true })] } })
  asReader = await judging({ policy: { schemas: ['app', 'public'] } })
})

describe('in its own schemas', () => {
  test.each(runs)('%s', text => {
    const verdict = said(text)
    expect(verdict.kind === 'refuse' ? verdict.error : verdict.kind).toBe('run')
    if (verdict.kind === 'run' && verdict.splices.length === 0) expect(verdict.text).toBe(text)
  })

  test('a schema is made by whoever may', () => {
    expect(said('create schema if not exists "stg_1_dbt_test__audit"')).toMatchObject({
      answer: { type: 'create-schema', schema: 'stg_1_dbt_test__audit', ifNotExists: true },
    })
  })

  test('a name without a schema is made only where the run comes first', async () => {
    const liveFirst = await building({ searchPath: ['raw', 'stg_1'] })
    expect(word(liveFirst('create table t (id int)'))).toBe('42501')
    expect(word(liveFirst('create temp table t (id int)'))).toBe('run')
  })
})

describe.each(refused)('%s: %s', (code, _what, texts) => {
  test.each(texts)('%s', text => {
    const verdict = said(text)
    expect([word(verdict), text]).toEqual([code, text])
  })
})

test('for a reader nothing of it runs', () => {
  const passed = [...runs, 'create schema stg_1'].filter(text => {
    const verdict = asReader(text.replaceAll(/stg_1|raw/g, 'app'))
    return verdict.kind !== 'refuse' && !/^(?:explain|select)/.test(text)
  })
  expect(passed).toEqual([])
})

test('a run owns its schemas and what begins with their whole names', () => {
  const builder = {
    ...builderPolicy.builder!,
    schemas: ['raw__k1a2', 'crm__k1a2'],
    liveSchemas: ['raw', 'raw__k1a2_old'],
  }
  const own = ['raw__k1a2', 'raw__k1a2_marts', 'crm__k1a2_dbt_test__audit', 'raw__k1a2__x']
  const foreign = [
    'raw',
    'crm',
    'raw__k1a',
    'raw__k1a22',
    'raw__k1a2_',
    'raw__k1b2',
    'raw__k1a2_x__k9z9',
    'raw__k1a2_old',
  ]
  expect([...own, ...foreign].filter(name => ownsSchema(builder, name))).toEqual(own)
})

test('every rule is what the parser says', () => {
  const parserNodes: Readonly<Record<string, Readonly<Record<string, string>>>> = nodes
  for (const [kind, rules] of builderNodeRules) {
    for (const [field, rule] of rules) {
      const is = parserNodes[kind]?.[field] ?? 'absent'
      const expected = is === 'node' || is === 'nodes' || is === 'absent' ? is : /^[A-Z]/.test(is) ? is : 'value'
      expect(`${kind}.${field} ${rule.type === 'inline' ? rule.kind : rule.type}`).toBe(`${kind}.${field} ${expected}`)
    }
  }
})
