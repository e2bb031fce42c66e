import { beforeAll, describe, expect, test } from 'vitest'
import { createParser, type ParsedText } from '../../src/guard/parse.ts'
import { applySplices, isExactly, sortSplices } from '../../src/guard/splice.ts'

let parse: (text: string) => ParsedText
beforeAll(async () => {
  const parser = await createParser()
  parse = text => parser.parseNow(text)
})

test('splices are applied where they stand', () => {
  const splices = [
    { start: 0, end: 1, text: 'xy' },
    { start: 2, end: 2, text: '-' },
    { start: 3, end: 4, text: '' },
  ]
  expect(applySplices('abcde', splices)).toBe('xyb-ce')
  expect(sortSplices([splices[2]!, splices[0]!, splices[1]!])).toEqual(splices)
  expect(
    sortSplices([
      { start: 0, end: 3, text: '' },
      { start: 2, end: 4, text: '' },
    ]),
  ).toBeUndefined()
})

describe('a spliced text must be the judged tree with exactly the change', () => {
  const tree = (text: string) => parse(text).statements[0]?.node
  const same = (judged: string, found: string) => isExactly(parse(found), tree(judged), new Map())

  test.each([
    ['select a from t', 'select  a\nfrom /* x */ t', true],
    ['select a from t', 'select b from t', false],
    ['select a from t', 'select a from t limit 1', false],
    ['select a from t limit 1', 'select a from t', false],
    ['select a, b from t', 'select a from t', false],
    ['select a from t', 'select a from s.t', false],
    ['select 1', 'select 1; select 1', false],
    ['select 0', 'select 1', false],
    ['select 1', 'select true', false],
    ["select 'a'", "select 'A'", false],
    ['select a from t', 'select all a from t', true],
    ['select a from t', 'select distinct a from t', false],
  ])('%s / %s: %s', (judged, found, is) => {
    expect(same(judged, found)).toBe(is)
  })
})
