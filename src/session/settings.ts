/**
 * A client's settings. They live here, not on the upstream connection: an upstream is brought to its borrower's settings at
 * checkout, and what a transaction sets follows its COMMIT, ROLLBACK and SAVEPOINT as on Postgres. Statements outside of a
 * transaction block form one by themselves, which ends at ReadyForQuery.
 */

/** Setting name (lower case) → what stands after TO in a SET, already quoted. Absent: the connection's own default. */
export type Settings = ReadonlyMap<string, string>

/** Names of settings that change what a text means when it is parsed or judged. */
const parseSettings = ['search_path', 'datestyle', 'intervalstyle', 'timezone'] as const

export class ClientSettings {
  /** What the client asked for at startup: where RESET goes back to. */
  private initial: Settings
  /** In force when the transaction began. */
  private committed: Settings
  /** In force now, SET LOCAL included. */
  private current: Settings
  /** In force once the transaction commits: `current` without SET LOCAL. */
  private kept: Settings
  private savepoints: { readonly name: string; readonly current: Settings; readonly kept: Settings }[] = []
  private key: string | undefined
  private parseKeyNow: string | undefined

  constructor(initial: Settings) {
    this.initial = initial
    this.committed = initial
    this.current = initial
    this.kept = initial
  }

  /** The settings that an upstream must have before this client's next transaction. */
  get wanted(): Settings {
    return this.committed
  }

  /** Equal keys: equal `wanted`. */
  get wantedKey(): string {
    this.key ??= settingsKey(this.committed)
    return this.key
  }

  /** The part of the settings in force that the meaning of a text depends on. */
  get parseKey(): string {
    this.parseKeyNow ??= parseSettings.map(name => this.current.get(name) ?? '').join('\u0001')
    return this.parseKeyNow
  }

  /** Whether COMMIT or ROLLBACK would change what is in force. */
  get inFlux(): boolean {
    return this.current !== this.committed || this.kept !== this.committed
  }

  get(name: string): string | undefined {
    return this.current.get(name)
  }

  /** A SET took effect. `value` null: back to what the client had at startup. */
  set(name: string, value: string | null, local: boolean): void {
    const wanted = value ?? this.initial.get(name) ?? null
    this.current = changed(this.current, name, wanted)
    if (!local) this.kept = changed(this.kept, name, wanted)
    this.parseKeyNow = undefined
  }

  /** What stands after TO when `name` is reset: the client's startup value, or null for the connection's own default. */
  initialValue(name: string): string | null {
    return this.initial.get(name) ?? null
  }

  /** RESET ALL, DISCARD ALL. */
  resetAll(): void {
    this.current = this.initial
    this.kept = this.initial
    this.parseKeyNow = undefined
  }

  /** What is committed now is what RESET goes back to: the end of the startup. */
  settleStartup(): void {
    this.commit()
    this.initial = this.committed
  }

  savepoint(name: string): void {
    this.savepoints.push({ name, current: this.current, kept: this.kept })
  }

  release(name: string): void {
    const at = this.savepoints.findLastIndex(point => point.name === name)
    if (at >= 0) this.savepoints.length = at
  }

  rollbackTo(name: string): void {
    const at = this.savepoints.findLastIndex(point => point.name === name)
    const point = this.savepoints[at]
    if (point === undefined) return
    this.savepoints.length = at + 1
    this.current = point.current
    this.kept = point.kept
    this.parseKeyNow = undefined
  }

  commit(): void {
    this.settle(this.kept)
  }

  rollback(): void {
    this.settle(this.committed)
  }

  private settle(settings: Settings): void {
    if (this.savepoints.length > 0) this.savepoints = []
    if (this.committed === settings && !this.inFlux) return
    this.committed = settings
    this.kept = settings
    this.current = settings
    this.key = undefined
    this.parseKeyNow = undefined
  }
}

function changed(settings: Settings, name: string, value: string | null): Settings {
  const next = new Map(settings)
  if (value === null) next.delete(name)
  else next.set(name, value)
  return next
}

export function settingsKey(settings: Settings): string {
  if (settings.size === 0) return ''
  const entries = [...settings].sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.map(([name, value]) => `${name}=${value}`).join('\u0001')
}

/** The SQL that brings an upstream from the settings it has to those it should have; empty where they are the same. */
export function replaySql(has: Settings, wanted: Settings): string {
  const parts: string[] = []
  for (const name of has.keys()) if (!wanted.has(name)) parts.push(`reset ${name}`)
  for (const [name, value] of wanted) if (has.get(name) !== value) parts.push(`set ${name} to ${value}`)
  return parts.join(';')
}

/** Arguments as a SET takes them, each a quoted string (standard_conforming_strings is on). */
export function quoteValues(values: readonly string[]): string {
  if (values.length === 0) return "''"
  return values.map(value => `'${value.replaceAll("'", "''")}'`).join(', ')
}

/** What a client's session begins with: the limits that are settings, where names are looked for, and what its door sets. */
export function initialSettings(
  limits: { readonly statementTimeoutMs: number; readonly lockTimeoutMs: number },
  schemas: readonly string[],
  more: readonly (readonly [string, readonly string[]])[],
): Settings {
  return new Map([
    ['search_path', quoteValues(schemas)],
    ['statement_timeout', quoteValues([String(limits.statementTimeoutMs)])],
    ['lock_timeout', quoteValues([String(limits.lockTimeoutMs)])],
    ...more.map(([name, values]) => [name, quoteValues(values)] as const),
  ])
}

/** The arguments of a text that {@link quoteValues} made. */
export function unquoteValues(text: string): string[] {
  return [...text.matchAll(/'((?:[^']|'')*)'/g)].map(match => (match[1] ?? '').replaceAll("''", "'"))
}

const identifierMaxBytes = 63

/** A setting's own list form (`a, "B c"`) as identifiers, folded as Postgres folds them (ASCII only); undefined: not one that is surely read so. */
export function splitIdentifiers(text: string): string[] | undefined {
  const names: string[] = []
  const item = /[ \t\n\r\f\v]*(?:"((?:[^"\0]|"")+)"|([A-Za-z_\u0080-\uffff$0-9]+))[ \t\n\r\f\v]*(,|$)/y
  if (/^[ \t\n\r\f\v]*$/.test(text)) return names
  while (item.lastIndex < text.length) {
    const match = item.exec(text)
    if (match === null) return undefined
    const name = match[1]?.replaceAll('""', '"') ?? (match[2] ?? '').replace(/[A-Z]/g, letter => letter.toLowerCase())
    if (Buffer.byteLength(name) > identifierMaxBytes) return undefined
    names.push(name)
    if (match[3] === '') return item.lastIndex === text.length ? names : undefined
    if (item.lastIndex === text.length) return undefined
  }
  return names
}

const units: ReadonlyMap<string, number> = new Map([
  ['us', 0.001],
  ['ms', 1],
  ['s', 1_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** A duration setting's value (`5000`, `'30s'`, `1min`) in whole milliseconds, rounded down; undefined: not one that Postgres takes. */
export function durationMs(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*$/.exec(text)
  if (match === null) return undefined
  const unit = units.get(match[2] ?? 'ms')
  return unit === undefined ? undefined : Math.floor(Number(match[1]) * unit)
}
