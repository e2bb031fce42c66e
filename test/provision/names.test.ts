import { describe, expect, it } from 'vitest'
import { databaseRoles, managedDatabaseName } from '../../src/provision/names.ts'

const id = '0198c9b2-7b1a-7cc3-8f31-6a1c2f4f8f11'

describe('role names', () => {
  it('carry no text of tenant or user, and leave room behind them', () => {
    const names = Object.values(databaseRoles('acme'))
    for (const name of names) {
      expect(name).toMatch(/^postern_[0-9a-f]{20}_(owner|live|reader|gate)$/)
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(40)
    }
    expect(new Set(names).size).toBe(4)
  })

  it('are the same for the same database, and never for two', () => {
    expect(databaseRoles(id)).toEqual(databaseRoles(id))
    const originals = ['A-b', 'a_b', 'a-b', 'a b', 'ab', 'a\u0062\u0301', id, `${id} `]
    expect(new Set(originals.flatMap(original => Object.values(databaseRoles(original)))).size).toBe(
      4 * originals.length,
    )
  })

  it('differ between the readers of one database, which share its owner', () => {
    const [first, second] = [databaseRoles(id), databaseRoles(id, 'masked')]
    expect([first.owner, first.live]).toEqual([second.owner, second.live])
    expect(first.reader).not.toBe(second.reader)
    expect(first.gate).not.toBe(second.gate)
    // The parts do not run into one another.
    expect(databaseRoles('a', 'bc').gate).not.toBe(databaseRoles('ab', 'c').gate)
  })
})

describe('database names', () => {
  it('can be read in a prompt', () => {
    expect(managedDatabaseName('acme', 'crm', id)).toMatch(/^acme_crm_[0-9a-f]{8}$/)
    expect(managedDatabaseName('Ünïcode GmbH & Co.', '2024-Umsätze', id)).toMatch(
      /^unicode_gmbh_co_umsatze_[0-9a-f]{8}$/,
    )
    expect(managedDatabaseName('日本', '', id)).toMatch(/^db_[0-9a-f]{8}$/)
  })

  it('never meet, and are never cut', () => {
    const names = [
      ['A-b', 'x'],
      ['a_b', 'x'],
      ['a', 'b_x'],
      ['x'.repeat(200), 'y'.repeat(200)],
      ['x'.repeat(201), 'y'.repeat(200)],
      ['a"; drop database postgres; --', "'"],
    ].map(([tenant, database]) => managedDatabaseName(tenant ?? '', database ?? '', id))
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9_]{0,62}$/)
  })
})
