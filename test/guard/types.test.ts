import { describe, expect, test } from 'vitest'
import { storedFunction } from './fixtures.ts'
import { judging, word } from './judging.ts'

const leak = storedFunction('app', 'leak', { securityDefiner: true, rowArgument: true })

describe('functions that are not called by name', () => {
  test('in a domain check taint every type that holds the domain, and no other', async () => {
    const holder = (name: string, kind: string, ...contains: string[]) => ({
      schema: 'app',
      name,
      kind,
      check: null,
      contains,
    })
    const types = [
      { ...holder('good', 'd'), check: "(VALUE ~ '^a'::text)" },
      holder('fine', 'c', 'app.good'),
      holder('row', 'c', 'app.evil', 'app.good'),
      holder('list', 'd', 'app.row'),
      holder('reach', 'r', 'app.evil'),
    ]
    const evil = { ...holder('evil', 'd'), check: '(app.leak(VALUE) > 0)' }
    const tainted = await judging({ catalog: { types: [...types, evil], functions: [leak] } })
    for (const type of ['evil', 'app.evil', 'evil[]', '_evil', 'app.row', 'list', '_list', 'reach', 'app.reach[]']) {
      expect(word(tainted(`select null::${type}`))).toBe('42501')
    }
    expect(word(tainted("select 'a'::good, null::app.fine, '{}'::_fine, '{}'::_good"))).toBe('run')
    expect(word(tainted("select evil('x')"))).toBe('42501')
    const shadow = await judging({ catalog: { types: [{ ...evil, name: 'lower' }], functions: [leak] } })
    expect(word(shadow("select lower('x')"))).toBe('42501')
  })

  test('put into pg_catalog are refused too, and so are operators and types there', async () => {
    const added = storedFunction('pg_catalog', 'pg_file_write')
    const catalog = {
      functions: [added, storedFunction('pg_catalog', 'lower')],
      operators: [{ schema: 'pg_catalog', name: '@-@-', function: 'pg_catalog.pg_file_write' }],
      types: [{ schema: 'pg_catalog', name: 'put', kind: 'd', check: "(pg_catalog.pg_file_write('x'))", contains: [] }],
    }
    const more = await judging({ catalog })
    for (const text of [
      "select pg_file_write('x')",
      "select ('x'::text).pg_file_write",
      'select u.pg_file_write from users u',
      "select pg_catalog.lower('x')",
      'select @-@- 1',
      'select operator(pg_catalog.@-@-) 1',
      "select 'x'::put, 1",
      "select 'x'::pg_catalog.put",
    ]) {
      expect(word(more(text))).toBe('42501')
    }
    expect(word(more("select upper('x'), 1 operator(pg_catalog.+) 1"))).toBe('run')
  })

  test('that CREATE TYPE made for a range are as good as built in', async () => {
    const made = { makesRange: true, volatility: 'i' }
    const ranges = await judging({
      catalog: {
        functions: [storedFunction('app', 'span', made), storedFunction('app', 'span_multirange', made)],
        types: [
          { schema: 'app', name: 'span', kind: 'r', check: null, contains: [] },
          { schema: 'app', name: 'span_multirange', kind: 'm', check: null, contains: [] },
        ],
        casts: [
          { schema: 'app', type: 'span', function: 'app.span_multirange' },
          { schema: 'app', type: 'span_multirange', function: 'app.span_multirange' },
        ],
      },
    })
    expect(
      ranges(
        "select '[1,2)'::span, span(1, 2), app.span(1, 2, '[]'), span_multirange(), '{}'::app.span_multirange, $1::span[]",
      ),
    ).toMatchObject({ kind: 'run', dirties: false })
  })
})
