import { expect, it } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { createLog } from '../../src/observe/log.ts'

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  const lines: string[] = []
  write(createLog('info', line => lines.push(line)))
  return lines.join('')
}

it('writes one JSON line with level, time and fields', () => {
  const line = JSON.parse(logged(log => log.child({ database: 'crm' }).info({ port: 6432 }, 'listening')))
  expect(line).toMatchObject({ level: 'info', database: 'crm', port: 6432, msg: 'listening' })
})

it('keeps below its level silent', () => {
  expect(logged(log => log.debug({}, 'noise'))).toBe('')
})

it('cuts secrets out, one level down too', () => {
  const text = logged(log =>
    log.warn({ password: 'hunter2', server: { host: 'h', password: 'hunter2', url: 'postgres://a:hunter2@h' } }, 'x'),
  )
  expect(text).not.toContain('hunter2')
  expect(text).toContain('"host":"h"')
})

it('shows the causes of an error', () => {
  const error = new SqlError({ code: '08001', message: 'cannot connect', cause: new Error('ECONNREFUSED') })
  const line = JSON.parse(logged(log => log.error({ error }, 'upstream')))
  expect(line.error).toMatchObject({ code: '08001', message: 'cannot connect', cause: { message: 'ECONNREFUSED' } })
})
