import { describe, expect, it } from 'vitest'
import * as reports from '../../src/wire/reports.ts'
import { bodyOf } from './chunks.ts'

describe('reports', () => {
  it('never fail over their texts', () => {
    const body = bodyOf(reports.encodeErrorResponse({ code: '42601', message: 'at "\0" and \ud800' }), 'E')
    expect(reports.decodeReport(body)).toMatchObject({ severity: 'ERROR', message: 'at "\ufffd" and \ufffd' })
  })

  it('without SQLSTATE or message, as a hostile server sends them, become XX000', () => {
    expect(reports.decodeReport(Buffer.from([0]))).toMatchObject({ severity: 'ERROR', code: 'XX000' })
    expect(reports.decodeReport(Buffer.from('C12\0\0'))).toMatchObject({ code: 'XX000' })
    expect(reports.decodeReport(Buffer.from('Mw\xe4r\0\0', 'latin1'))).toMatchObject({ message: 'w\ufffdr' })
    expect(reports.decodeReport(Buffer.from('P-1\0\0')).position).toBeUndefined()
  })
})
