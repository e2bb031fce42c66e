import { expect, test } from 'vitest'
import { LoginThrottle, type LoginThrottleOptions } from '../../src/identity/login-throttle.ts'

const limits = {
  freeFailures: 3,
  delayMinMs: 100,
  delayMaxMs: 1_000,
  failuresMax: 8,
  addressFailuresMax: 20,
  openMax: 5,
  forgetMs: 80_000,
  entriesMax: 50,
}

function throttleAt(options: Partial<LoginThrottleOptions> = {}) {
  let nowMs = 1_000_000
  const throttle = new LoginThrottle({ clock: () => nowMs, ...limits, ...options })
  const fail = (address: string, login: string): number => {
    const attempt = throttle.begin(address, login)
    attempt.fail()
    return attempt.delayMs
  }
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { throttle, fail, pass }
}

const refused = (seconds?: number) =>
  expect.objectContaining({
    code: '53400',
    severity: 'FATAL',
    ...(seconds === undefined ? {} : { hint: `Try again in ${seconds} seconds.` }),
  })

test('mistyping costs nothing, then each failure doubles the delay, then nothing is looked at any more', () => {
  const { throttle, fail } = throttleAt()
  expect(Array.from({ length: 8 }, () => fail('10.0.0.1', 'alice@acme'))).toEqual([0, 0, 0, 100, 200, 400, 800, 1_000])
  expect(() => throttle.begin('10.0.0.1', 'alice@acme')).toThrow(refused(10))
})

test('an attempt without a proof is neither a failure nor a success', () => {
  const { throttle, fail } = throttleAt()
  for (let i = 0; i < 100; i++) throttle.begin('10.0.0.1', 'alice@acme').abandon()
  expect(Array.from({ length: 4 }, () => fail('10.0.0.1', 'alice@acme'))).toEqual([0, 0, 0, 100])
  throttle.begin('10.0.0.1', 'alice@acme').abandon()
  expect(fail('10.0.0.1', 'alice@acme')).toBe(200)
})

test('others, and the same name from elsewhere, are not held up', () => {
  const { fail } = throttleAt()
  for (let i = 0; i < 8; i++) fail('10.0.0.1', 'alice@acme')
  expect(fail('10.0.0.2', 'alice@acme')).toBe(0)
  expect(fail('10.0.0.1', 'bob@acme')).toBe(0)
})

test('after the time that the hint names there is one more try, and in the end all is forgotten', () => {
  const { throttle, fail, pass } = throttleAt()
  for (let i = 0; i < 8; i++) fail('10.0.0.1', 'alice@acme')
  pass(9_900)
  expect(() => throttle.begin('10.0.0.1', 'alice@acme')).toThrow(refused(1))
  pass(101)
  expect(fail('10.0.0.1', 'alice@acme')).toBe(800)
  expect(() => throttle.begin('10.0.0.1', 'alice@acme')).toThrow(refused())
  pass(80_000)
  expect(fail('10.0.0.1', 'alice@acme')).toBe(0)
})

test('the right password clears the name', () => {
  const { throttle, fail } = throttleAt()
  for (let i = 0; i < 5; i++) fail('10.0.0.1', 'alice@acme')
  throttle.begin('10.0.0.1', 'alice@acme').succeed()
  expect(fail('10.0.0.1', 'alice@acme')).toBe(0)
})

test('one address cannot go through names for ever, and a right password among them does not help', () => {
  const { throttle, fail } = throttleAt()
  for (let i = 0; i < 20; i++) {
    fail('10.0.0.1', `user${i}@acme`)
    if (i < 15) throttle.begin('10.0.0.1', 'mine@acme').succeed()
  }
  expect(() => throttle.begin('10.0.0.1', 'user99@acme')).toThrow(refused(4))
})

test('parallel guesses do not get around the count', () => {
  const { throttle } = throttleAt()
  const first = Array.from({ length: 5 }, () => throttle.begin('10.0.0.1', 'alice@acme'))
  expect(() => throttle.begin('10.0.0.1', 'alice@acme')).toThrow(refused(1))
  first[0]!.fail()
  first[0]!.fail()
  first[0]!.succeed()
  const later = Array.from({ length: 1 }, () => throttle.begin('10.0.0.1', 'alice@acme'))
  expect(later[0]!.delayMs).toBe(100 * 2 ** (1 + 4 - 3))
  for (const attempt of [...first, ...later]) attempt.fail()
  const allowed = [0, 1, 2].filter(() => {
    try {
      throttle.begin('10.0.0.1', 'alice@acme')
      return true
    } catch {
      return false
    }
  })
  expect(allowed.length).toBe(2)
})

test('a dashboard that opens its connections at once with the right password is not held up', () => {
  const { throttle } = throttleAt({ openMax: 64 })
  for (let round = 0; round < 10; round++) {
    const attempts = Array.from({ length: 64 }, () => throttle.begin('10.0.0.1', 'bi@acme'))
    expect(attempts.every(attempt => attempt.delayMs === 0)).toBe(true)
    for (const attempt of attempts) attempt.succeed()
  }
})

test('a host has all of its IPv6 network, and one IPv4 address however it is written', () => {
  const { throttle, fail } = throttleAt()
  for (let i = 0; i < 8; i++) fail(`2001:db8:0:1::${i}`, 'alice@acme')
  expect(() => throttle.begin('2001:0db8::1:5:6:7:8', 'alice@acme')).toThrow(refused())
  expect(fail('2001:db8:0:2::1', 'alice@acme')).toBe(0)
  for (let i = 0; i < 8; i++) fail('192.0.2.1', 'bob@acme')
  expect(() => throttle.begin('::ffff:192.0.2.1', 'bob@acme')).toThrow(refused())
})

test('memory is bounded: the longest unused are forgotten', () => {
  const { throttle, fail } = throttleAt({ entriesMax: 50, addressFailuresMax: 1e9 })
  for (let i = 0; i < 100_000; i++) fail(`10.0.${i >> 8}.${i & 255}`, 'x'.repeat(10_000) + i)
  expect(throttle.remembered).toBeLessThanOrEqual(100)
})
