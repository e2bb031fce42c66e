/** Messages of the protocol itself, once logged in and at the login. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeBind, encodeClose, encodeDescribe, encodeExecute, encodeParse } from '../../src/wire/extended-query.ts'
import { encodeQuery, flush, sync } from '../../src/wire/query.ts'
import { describe as inWords, type RawClient } from '../support/raw-client.ts'
import { storedBySuperuser, storedCode } from './shapes/stored-code.ts'
import { type Arena, openArena } from './support/arena.ts'
import type { Look } from './support/watch.ts'

let arena: Arena
let untouched: Look

beforeAll(async () => {
  arena = await openArena({ seed: storedCode, asSuperuser: storedBySuperuser })
  untouched = await arena.look()
})
afterAll(() => arena.stop())

const parse = (text: string, parameterTypes: number[] = [], name = '') => encodeParse({ name, text, parameterTypes })
const bind = (parameters: (string | null)[] = []) =>
  encodeBind({
    portal: '',
    statement: '',
    parameterFormats: [],
    parameters: parameters.map(value => (value === null ? null : Buffer.from(value))),
    resultFormats: [],
  })
const execute = encodeExecute({ portal: '', rowsMax: 0 })

async function say(client: RawClient, ...messages: Buffer[]): Promise<string[]> {
  client.send(...messages)
  const frames = await client.untilReady(messages.filter(({ 0: type }) => type === 0x51 || type === 0x53).length)
  return frames.map(frame => (frame.type === 'D' ? `D ${frame.body.toString('latin1')}` : inWords(frame)))
}

describe('types of parameters', () => {
  test.each([
    ['regrole', 4096],
    ['regrole[]', 4097],
    ['aclitem', 1033],
    ['aclitem[]', 1034],
  ])('%s: no role is named', async (_, oid) => {
    const client = await arena.open()
    const role = String(arena.neighbour.roleOid)
    for (const value of [role, `{${role}}`, 'postgres=r/postgres', `{${role}=r/postgres}`]) {
      for (const text of [
        'select $1',
        'select $1::text',
        'values ($1)',
        'select coalesce(null, $1)',
        'select * from unnest(array[$1]) u',
      ]) {
        const lines = await say(client, parse(text, [oid]), bind([value]), execute, sync)
        expect(lines.filter(line => line.includes(arena.neighbour.role))).toEqual([])
      }
    }
    await client.close()
  })

  test('of the tenant’s, with code behind them, run none of it', async () => {
    const { rows } = await arena.admin.query(
      `select t.oid::int, t.typname from pg_type t where t.typnamespace = 'crm'::regnamespace and t.typname ~ '^_?(dom|dom_over|comp|comp_over|held|color)$'`,
    )
    const client = await arena.open()
    const ran: string[] = []
    for (const { oid, typname } of rows) {
      for (const value of ['x', '(x)', '{x}', '("(x)")', '{"(x)"}', 'red']) {
        for (const text of ['select $1', 'select $1::text', 'select to_json($1)']) {
          const lines = await say(client, parse(text, [oid]), bind([value]), execute, sync)
          ran.push(...lines.filter(line => line.includes('LEAK-RAN')).map(line => `${typname}: ${line}`))
        }
      }
    }
    await client.close()
    expect(rows.length).toBeGreaterThan(5)
    expect(ran).toEqual([])
  })

  test('that a text leaves open take none of it either', async () => {
    const client = await arena.open()
    const lines: string[] = []
    for (const text of [
      'select $1::dom',
      'select cast($1 as crm._dom)',
      'select * from json_populate_record($1::comp, $2)',
      'select d = $1 from held',
      'select c = $1 from paints',
      'select $1::regrole',
      'select relowner = $1 from pg_class',
    ]) {
      lines.push(
        ...(await say(client, parse(text), bind(text.includes('$2') ? ['(x)', '{"a": "x"}'] : ['x']), execute, sync)),
      )
    }
    await client.close()
    expect(lines.filter(line => line.includes('LEAK-RAN'))).toEqual([])
  })
})

describe('a message that lies', () => {
  const lie = (type: string, ...parts: (string | number)[]) => {
    const body = Buffer.concat(
      parts.map(part => (typeof part === 'string' ? Buffer.from(`${part}\0`) : Buffer.from([part >> 8, part & 255]))),
    )
    const head = Buffer.alloc(5)
    head.write(type, 0, 'latin1')
    head.writeInt32BE(4 + body.length, 1)
    return Buffer.concat([head, body])
  }

  test.each([
    ['Bind with more formats than parameters', [parse('select 1'), lie('B', '', '', 3, 1, 1, 1, 0, 0)]],
    ['Bind with more parameters than it holds', [parse('select $1::int'), lie('B', '', '', 0, 9, 0, 0)]],
    ['Bind with 65,535 parameters and none there', [parse('select $1::int'), lie('B', '', '', 0, 65_535)]],
    ['Bind with a length beyond its end', [parse('select $1::int'), lie('B', '', '', 0, 1, 0x7fff, 0xffff, 0)]],
    ['Bind without its last fields', [parse('select 1'), lie('B', '')]],
    ['Parse with more types than it holds', [lie('P', '', 'select 1', 900)]],
    [
      'Parse with a tail',
      [Buffer.concat([lie('P', '', 'select 1', 0), Buffer.alloc(0)]), lie('P', '', 'select 1', 0, 7)],
    ],
    ['Describe of neither kind', [lie('D', 'Xname')]],
    ['Execute without a count', [lie('E', '')]],
    ['Close of neither kind', [lie('C', 'Qx')]],
    ['FunctionCall', [lie('F', 0, 2026, 0, 0, 0)]],
    ['CopyData, CopyDone and CopyFail without a COPY', [lie('d', 'x'), lie('c'), lie('f', 'no')]],
    ['a portal that is not there', [encodeExecute({ portal: 'nobody', rowsMax: 1 })]],
    ['a statement that is not there', [encodeDescribe({ kind: 'S', name: 'nobody' })]],
    ['a portal of a refused statement', [parse('select pg_read_file($$PG_VERSION$$)'), bind(), execute]],
    ['a Query with a second text in it', [lie('Q', 'select 1', 'select pay from payroll')]],
    ['a Parse with a second text in its name', [lie('P', 'a', 'b', 'select 1', 0)]],
    ['many Syncs', [...Array.from({ length: 2_000 }, () => sync)]],
    ['many Flushes', [...Array.from({ length: 2_000 }, () => flush)]],
    [
      'closing what is not there',
      Array.from({ length: 500 }, (_, at) => encodeClose({ kind: at % 2 === 0 ? 'S' : 'P', name: `x${at}` })),
    ],
  ])('%s', async (_, messages) => {
    const client = await arena.open()
    client.send(...messages, sync)
    try {
      const ready =
        1 +
        messages.filter(message => message.equals(sync)).length +
        messages.filter(({ 0: type }) => type === 0x46 || type === 0x51).length
      const frames = await client.untilReady(ready)
      expect(frames.filter(({ type }) => type === 'D')).toEqual([])
    } catch (error) {
      expect(String(error)).toContain('the connection ended')
    }
    client.socket.destroy()
    await expect.poll(() => arena.look(), { timeout: 5_000 }).toEqual(untouched)
  })

  test('many portals and statements meet their limits', async () => {
    const client = await arena.open()
    const statements = Array.from({ length: 1_010 }, (_, at) => [parse('select 1', [], `s${at}`), sync]).flat()
    const lines = await say(client, ...statements)
    expect(lines.filter(line => line.includes('54000')).length).toBeGreaterThan(0)
    const portals = Array.from({ length: 150 }, (_, at) =>
      encodeBind({ portal: `p${at}`, statement: 's1', parameterFormats: [], parameters: [], resultFormats: [] }),
    )
    const answers = await say(client, encodeQuery('begin'), ...portals, sync, encodeQuery('rollback'))
    expect(answers.filter(line => line.includes('54000')).length).toBe(1)
    await client.close()
  })
})

describe('startup parameters', () => {
  const refused = /42501|42601|42704|28000|22023|0A000/

  test.each([
    [['role', 'none']],
    [['session_authorization', 'postgres']],
    [['options', '-c role=none']],
    [['options', '-crole=none']],
    [['options', '--role=none']],
    [['options', '-c\\ role=none -c role=none']],
    [['options', '-c search_path=vault']],
    [['options', '-c session_authorization=postgres']],
    [['options', '-c standard_conforming_strings=off']],
    [['options', '-c session_preload_libraries=x']],
    [['options', '-c app.tenant=globex']],
    [['options', '-W 99']],
    [['options', '-c work_mem=4GB']],
    [['search_path', 'vault']],
    [['search_path', 'crm, vault']],
    [['search_path', 'pg_temp']],
    [['standard_conforming_strings', 'off']],
    [['client_encoding', 'GBK']],
    [['row_security', 'off']],
    [['session_replication_role', 'replica']],
    [['local_preload_libraries', 'x']],
    [['replication', 'database']],
    [['replication', 'true']],
    [['app.tenant', 'globex']],
    [['transform_null_equals', 'on']],
  ] as const)('%j is refused', async parameter => {
    await expect(arena.open({ parameters: [parameter] })).rejects.toThrow(refused)
  })

  test.each([
    [['statement_timeout', '0'], 'statement_timeout'],
    [['options', '-c statement_timeout=0'], 'statement_timeout'],
    [['options', '-c statement_timeout=500us'], 'statement_timeout'],
    [['lock_timeout', '0'], 'lock_timeout'],
  ] as const)('%j is clamped', async (parameter, name) => {
    const client = await arena.open({ parameters: [parameter] })
    const [row = ''] = (await say(client, encodeQuery(`show ${name}`))).filter(line => line.startsWith('D'))
    await client.close()
    expect(row).toMatch(/30s|2s|1ms/)
  })

  test.each(['default_transaction_read_only', 'transaction_read_only'])('%s=off leaves it on', async name => {
    const client = await arena.open({ parameters: [[name, 'off']] }).catch(() => undefined)
    if (client === undefined) return
    const lines = await say(client, encodeQuery('show transaction_read_only'))
    await client.close()
    expect(lines.find(line => line.startsWith('D'))).toContain('on')
  })

  test('another database leads to no other', async () => {
    const client = await arena.open({ database: arena.neighbour.database }).catch(() => undefined)
    if (client === undefined) return
    const lines = await say(client, encodeQuery('select current_database()'))
    await client.close()
    expect(lines.filter(line => line.includes(arena.neighbour.database))).toEqual([])
  })

  test('leave nothing behind', async () => {
    await expect.poll(() => arena.look(), { timeout: 5_000 }).toEqual(untouched)
  })
})

describe('a cancel request', () => {
  test('never strikes the next borrower', async () => {
    const attacker = await arena.open()
    const bob = await arena.open()
    const key = attacker.greeting.find(({ type }) => type === 'K')!.body
    const struck: string[] = []
    for (let round = 0; round < 60; round++) {
      attacker.send(encodeQuery('select count(*) from orders'))
      const cancels = Array.from({ length: 3 }, () => cancel(key))
      bob.send(encodeQuery('select count(*) from orders a, orders b'))
      struck.push(...(await bob.untilReady()).filter(({ type }) => type === 'E').map(inWords))
      await attacker.untilReady()
      await Promise.all(cancels)
    }
    await attacker.close()
    await bob.close()
    expect(struck).toEqual([])
  }, 30_000)
})

async function cancel(key: Buffer): Promise<void> {
  const { host, port } = arena.served.gateway
  const socket = connect(port, host)
  const packet = Buffer.alloc(8 + key.length)
  packet.writeInt32BE(packet.length, 0)
  packet.writeInt32BE(80877102, 4)
  key.copy(packet, 8)
  socket.end(packet)
  socket.resume()
  await once(socket, 'close')
}
