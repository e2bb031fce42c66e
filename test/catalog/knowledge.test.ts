import { beforeAll, expect, test } from 'vitest'
import { KnowledgeBase } from '../../src/catalog/knowledge-base.ts'
import type { Administration } from '../../src/control/administration.ts'
import {
  addKnowledgeEntry,
  entryLimits,
  listKnowledgeEntries,
  removeKnowledgeEntry,
  setKnowledgeEntry,
} from '../../src/control/knowledge-entries.ts'
import { addLearning, judgeLearning, learningLimits, removeLearning, setLearning } from '../../src/control/learnings.ts'
import { addTableKnowledge, setTableKnowledge, tableKnowledgeLimits } from '../../src/control/table-knowledge.ts'
import {
  addTenant,
  findTenant,
  removeTenant,
  setTenantInstructions,
  type TenantRow,
} from '../../src/control/tenants.ts'
import { createParser, type Parser } from '../../src/guard/parse.ts'
import type { Principal, Scope } from '../../src/identity/principal.ts'
import { auditRows, type ControlFixture, freshControl } from '../control/fixture.ts'

let control: ControlFixture
let parser: Parser
let acme: TenantRow
let globex: TenantRow
let knowledge: KnowledgeBase

beforeAll(async () => {
  control = await freshControl()
  acme = await addTenant(control.administration, { name: 'acme' })
  globex = await addTenant(control.administration, { name: 'globex' })
  parser = await createParser()
  knowledge = new KnowledgeBase({ control: control.service, administrationOf: by, parser })
  return () => parser.close()
})

/** What he writes is recorded as his. */
function by(principal: Principal): Administration {
  const actor = { door: 'mcp', principal: principal.login, principalId: principal.id, session: 's', requestId: 'r' }
  return { ...control.administration, actor }
}

function principal(name: string, tenant: TenantRow, ...scopes: Scope[]): Principal {
  return {
    id: '00000000-0000-7000-8000-000000000001',
    tenant: tenant.id,
    tenantName: tenant.name,
    name,
    login: `${name}@${tenant.name}`,
    role: 'analyst',
    scopes: new Set(scopes.length === 0 ? ['data:read', 'knowledge:write'] : scopes),
    via: 'scram',
    credential: null,
    expiresAt: null,
  }
}

const lesson = {
  description: 'Cancelled orders are no revenue.',
  category: 'metric',
  tables: ['orders'],
  failingSql: 'select sum(total) from orders',
  correctedSql: `select sum(total) from orders where status <> 'cancelled'`,
}
const noNotes = {
  useCases: [],
  qualityNotes: null,
  owner: null,
  refreshFrequency: null,
  joinHints: [],
  columnNotes: {},
}

test('a learning is saved once, moves by a tenth when it is confirmed or contradicted, and sleeps below the floor', async () => {
  const alice = principal('alice', acme)
  const saved = await knowledge.saveLearning(alice, lesson)
  expect(saved).toMatchObject({
    created: true,
    learning: { ...lesson, database: '*', confidence: 0.5, active: true, timesApplied: 0, createdBy: 'alice@acme' },
  })
  const { id } = saved.learning
  expect(await knowledge.saveLearning(alice, lesson)).toMatchObject({ created: false, learning: { id } })
  expect(await knowledge.confirm(alice, id)).toMatchObject({ confidence: 0.6, timesApplied: 1 })
  for (const confidence of [0.5, 0.4, 0.3]) {
    expect(await knowledge.contradict(alice, id)).toMatchObject({ confidence, active: true })
  }
  expect(await knowledge.contradict(alice, id)).toMatchObject({ confidence: 0.2, active: false, timesApplied: 5 })
  expect(await knowledge.learnings(alice)).toEqual([])
  expect(await knowledge.learnings(alice, { inactive: true })).toMatchObject([{ id, active: false }])
  expect(await knowledge.learning(alice, id)).toMatchObject({ id, confidence: 0.2 })
  expect(await knowledge.search(alice, 'cancelled')).toEqual([])
  for (let at = 0; at < 3; at++) await knowledge.contradict(alice, id)
  expect(await knowledge.learning(alice, id)).toMatchObject({ confidence: 0, timesApplied: 8 })
  for (let at = 0; at < 12; at++) await knowledge.confirm(alice, id)
  expect(await knowledge.learning(alice, id)).toMatchObject({ confidence: 1, active: true })
})

test('of two who confirm at the same moment neither is lost', async () => {
  const alice = principal('alice', acme)
  const { learning } = await knowledge.saveLearning(alice, { ...lesson, description: 'Raced.' })
  await Promise.all(['a', 'b', 'c', 'd'].map(name => knowledge.confirm(principal(name, acme), learning.id)))
  await Promise.all([knowledge.contradict(alice, learning.id), knowledge.confirm(alice, learning.id)])
  expect(await knowledge.learning(alice, learning.id)).toMatchObject({ confidence: 0.9, timesApplied: 6 })
  const twins = await Promise.all(
    [1, 2, 3].map(() => knowledge.saveLearning(alice, { ...lesson, description: 'Twin.' })),
  )
  expect(twins.filter(twin => twin.created)).toHaveLength(1)
  expect(new Set(twins.map(twin => twin.learning.id)).size).toBe(1)
})

test('corrected SQL must be one statement that parses; it is never run, and failing SQL need not parse', async () => {
  const alice = principal('alice', acme)
  const save = (correctedSql: string, failingSql?: string) =>
    knowledge.saveLearning(alice, { ...lesson, description: 'Parsed.', correctedSql, failingSql })
  await expect(save('select from where')).rejects.toMatchObject({ code: '42601', position: 13 })
  await expect(save('select 1; select 2')).rejects.toMatchObject({ code: '22023' })
  await expect(save(' -- nothing')).rejects.toMatchObject({ code: '22023' })
  await expect(save(`select 'a\u0000'`)).rejects.toMatchObject({ code: expect.stringMatching(/^2202/) })
  await expect(save(`select '${'x'.repeat(learningLimits.sqlMaxBytes)}'`)).rejects.toMatchObject({ code: '22023' })
  const kept = await save('drop table postern.learning', 'selct 1')
  expect(kept.learning).toMatchObject({ failingSql: 'selct 1', correctedSql: 'drop table postern.learning' })
  expect(await knowledge.learning(alice, kept.learning.id)).toMatchObject({ description: 'Parsed.' })
})

test("a tenant's knowledge is missing for every other, by list, id, word and deed", async () => {
  const alice = principal('alice', acme)
  const bob = principal('bob', globex)
  const { learning } = await knowledge.saveLearning(alice, { ...lesson, description: 'Zanzibar learned.' })
  const entry = await addKnowledgeEntry(by(alice), acme, { title: 'Zanzibar', markdown: 'Zanzibar text', tags: ['z'] })
  const table = { database: '*', schema: 'crm', table: 'zanzibar' }
  const known = await addTableKnowledge(by(alice), acme, table, { ...noNotes, owner: 'zanzibar team' })
  expect((await knowledge.search(alice, 'zanzi')).map(found => found.kind).sort()).toEqual([
    'entry',
    'learning',
    'table',
  ])
  expect(await knowledge.search(bob, 'zanzibar')).toEqual([])
  expect(await knowledge.entries(bob)).toEqual([])
  expect(await knowledge.learnings(bob, { inactive: true })).toEqual([])
  const never = '01990000-0000-7000-8000-000000000000'
  for (const id of [learning.id, entry.id, known.id]) {
    expect(await knowledge.item(alice, id)).toMatchObject({ id })
    const deeds: ((id: string) => Promise<unknown>)[] = [
      one => knowledge.item(bob, one),
      one => knowledge.entry(bob, one),
      one => knowledge.learning(bob, one),
      one => knowledge.confirm(bob, one),
      one => knowledge.contradict(bob, one),
      one => setKnowledgeEntry(by(bob), globex, one, { title: 'mine' }),
      one => removeKnowledgeEntry(by(bob), globex, one),
      one => setTableKnowledge(by(bob), globex, one, { owner: 'mine' }),
      one => setLearning(by(bob), globex, one, { category: 'mine' }),
      one => removeLearning(by(bob), globex, one),
    ]
    for (const deed of deeds) {
      const of = (one: string) =>
        deed(one).then(
          () => 'done',
          (error: Error) => error.message.replace(JSON.stringify(one), '…'),
        )
      expect(await of(id)).toBe(await of(never))
      for (const odd of ['not an id', 'a\u0000', id.toUpperCase()]) expect(await of(odd)).toBe(await of(never))
    }
  }
  expect(await knowledge.entry(alice, entry.id)).toEqual(entry)
})

test('reading needs data:read, writing knowledge:write', async () => {
  const reader = principal('reader', acme, 'data:read')
  const writer = principal('writer', acme, 'knowledge:write')
  expect(await knowledge.entries(reader)).toBeInstanceOf(Array)
  await expect(knowledge.saveLearning(reader, lesson)).rejects.toMatchObject({ code: '42501' })
  await expect(knowledge.confirm(reader, 'x')).rejects.toMatchObject({ code: '42501' })
  await expect(knowledge.search(writer, 'x')).rejects.toMatchObject({ code: '42501' })
})

test('texts are kept as they are given, and refused where they are too long or hide something', async () => {
  const { administration } = control
  const given = {
    title: 'Fiscal year',
    markdown: '# April\r\n\tto "March"; \\x00 <b>ü 🐘</b>\n',
    tags: ['finance', '会計'],
  }
  const kept = await addKnowledgeEntry(administration, acme, given)
  expect(kept).toMatchObject(given)
  const edited = await setKnowledgeEntry(administration, acme, kept.id, { tags: [] })
  expect(edited).toMatchObject({ ...given, tags: [] })
  const cases: [Partial<typeof given>, RegExp][] = [
    [{ title: '' }, /title must not be empty/],
    [{ title: 'a\nb' }, /title must not hold the character U\+000A/],
    [{ title: 'ü'.repeat(entryLimits.titleMaxBytes / 2 + 1) }, /at most 200 bytes long, and is 202/],
    [{ markdown: 'a\u0000b' }, /U\+0000/],
    [{ markdown: 'a\u001b[31mred' }, /U\+001B/],
    [{ markdown: 'a\u202eb' }, /U\+202E/],
    [{ markdown: `a${String.fromCodePoint(0xe0041)}` }, /U\+E0041/],
    [{ markdown: 'half \ud800' }, /U\+D800/],
    [{ markdown: 'x'.repeat(entryLimits.markdownMaxBytes + 1) }, /16384 bytes/],
    [{ tags: Array.from({ length: entryLimits.tagsMax + 1 }, (_, at) => `t${at}`) }, /at most 20, and there are 21/],
    [{ tags: ['x'.repeat(64)] }, /a tag must be at most 63 bytes/],
  ]
  for (const [change, message] of cases) {
    await expect(addKnowledgeEntry(administration, acme, { ...given, ...change })).rejects.toMatchObject({
      code: '22023',
      message: expect.stringMatching(message),
    })
    await expect(setKnowledgeEntry(administration, acme, kept.id, change)).rejects.toMatchObject({ code: '22023' })
  }
  expect(await listKnowledgeEntries(control.service, acme.id, { entriesMax: 1 })).toEqual([edited])
  expect(await listKnowledgeEntries(control.service, acme.id, { textMaxBytes: 1 })).toEqual([])
})

test('knowledge of a table is one per place, and changes field by field', async () => {
  const { administration } = control
  const name = { database: 'crm', schema: '*', table: 'orders' }
  const notes = { ...noNotes, useCases: ['revenue'], columnNotes: { total: 'gross', note: 'free text' } }
  const row = await addTableKnowledge(administration, acme, name, notes)
  await expect(addTableKnowledge(administration, acme, name, noNotes)).rejects.toMatchObject({
    code: '42710',
    hint: expect.stringContaining(row.id),
  })
  await addTableKnowledge(administration, globex, name, noNotes)
  const after = await setTableKnowledge(administration, acme, row.id, { owner: 'finance', useCases: [] })
  expect(after).toMatchObject({ ...name, ...notes, owner: 'finance', useCases: [] })
  const long = 'x'.repeat(tableKnowledgeLimits.noteMaxBytes + 1)
  for (const change of [
    { useCases: [long] },
    { joinHints: [''] },
    { columnNotes: { a: long } },
    { columnNotes: { '': 'x' } },
    { owner: 'two\nlines' },
  ]) {
    await expect(setTableKnowledge(administration, acme, row.id, change)).rejects.toMatchObject({ code: '22023' })
  }
})

test('no more are kept than the limit, however many come at once', async () => {
  const { administration, owner } = control
  const full = await addTenant(administration, { name: 'full' })
  await owner.query(
    `insert into postern.learning (id, tenant_id, description, category, corrected_sql)
     select gen_random_uuid(), $1, 'd' || n, 'c', 'select 1' from generate_series(2, $2) n`,
    [full.id, learningLimits.learningsMax],
  )
  const one = (description: string) =>
    addLearning(administration, full, { ...lesson, database: '*', failingSql: null, description })
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map(one))
  expect(outcomes.filter(outcome => outcome.status === 'fulfilled')).toHaveLength(1)
  expect(outcomes.filter(outcome => outcome.status === 'rejected').map(outcome => outcome.reason)).toMatchObject([
    { code: '54000' },
    { code: '54000' },
  ])
})

test('every write is recorded with who did it, and without the texts', async () => {
  const alice = principal('alice', acme)
  const { learning } = await knowledge.saveLearning(alice, { ...lesson, description: 'Recorded.' })
  await knowledge.confirm(alice, learning.id)
  await judgeLearning(control.administration, acme, learning.id, false)
  await removeLearning(control.administration, acme, learning.id)
  const records = await auditRows(control.owner, 'door, principal, tenant, detail')
  expect(records.filter(record => JSON.stringify(record).includes(learning.id))).toMatchObject([
    { door: 'mcp', principal: 'alice@acme', tenant: 'acme', detail: { act: 'knowledge add', confidence: 0.5 } },
    { door: 'mcp', principal: 'alice@acme', detail: { act: 'knowledge confirm', confidence: 0.6 } },
    { door: 'cli', principal: 'root', detail: { act: 'knowledge contradict', confidence: 0.5 } },
    { door: 'cli', detail: { act: 'knowledge remove' } },
  ])
  expect(JSON.stringify(records)).not.toContain('cancelled')
})

test('instructions for agents are set, cleared and limited', async () => {
  const { administration, service } = control
  expect(await setTenantInstructions(administration, 'acme', 'Amounts are gross.')).toMatchObject({
    instructions: 'Amounts are gross.',
  })
  expect((await findTenant(service, 'acme')).instructions).toBe('Amounts are gross.')
  expect(await setTenantInstructions(administration, 'acme', null)).toMatchObject({ instructions: null })
  for (const bad of ['', ' \n', 'x'.repeat(8 * 1024 + 1), 'a\u0007']) {
    await expect(setTenantInstructions(administration, 'acme', bad)).rejects.toMatchObject({ code: '22023' })
    await expect(addTenant(administration, { name: 'wordy', instructions: bad })).rejects.toMatchObject({
      code: '22023',
    })
  }
  await expect(setTenantInstructions(administration, 'nobody', 'x')).rejects.toMatchObject({ code: '42704' })
})

test('a tenant with knowledge goes only when his name is typed, and it goes with him', async () => {
  const { administration, owner } = control
  const gone = await addTenant(administration, { name: 'gone' })
  await addKnowledgeEntry(administration, gone, { title: 't', markdown: 'm', tags: [] })
  await expect(removeTenant(administration, 'gone')).rejects.toMatchObject({
    code: '2BP01',
    detail: 'texts of knowledge: 1',
  })
  await removeTenant(administration, 'gone', 'gone')
  const left = await owner.query('select from postern.knowledge_entry where tenant_id = $1', [gone.id])
  expect(left.rowCount).toBe(0)
})
