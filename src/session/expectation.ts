/** What a session still expects from its upstream, in the order in which it asked; local answers wait their turn in between. */
import type { TextSource } from './position.ts'
import type { StatementRun } from './run.ts'
import type { Settings } from './settings.ts'
import type { ClientPortal, ClientStatement } from './statements.ts'

/** Takes back what a message changed at once, where it turns out that it was to be skipped. */
export type Undo = () => void

export type Expectation =
  /** ParseComplete: the client's own Parse, or one of ours that it must not see. */
  | {
      readonly type: 'parse'
      readonly statement: ClientStatement
      /** Of the client's own: what it changed. Undefined: one of ours, which the client must not see. */
      readonly undo: Undo | undefined
      readonly place: number
      readonly key: string
      readonly source: TextSource | undefined
    }
  /** `before`: the portal of that name, which stays where the Bind fails. */
  | { readonly type: 'bind'; readonly portal: ClientPortal; readonly before: ClientPortal | undefined }
  /** ParameterDescription (of a statement), then RowDescription or NoData. */
  | { readonly type: 'describe'; readonly statement: ClientStatement }
  | { readonly type: 'execute'; readonly run: StatementRun; readonly portal: ClientPortal }
  /** CloseComplete; ours: not shown. `evicts`: for want of room. */
  | { readonly type: 'close'; readonly ours: boolean; readonly evicts?: boolean; readonly undo?: Undo | undefined }
  /** ours: its ReadyForQuery is not the client's. */
  | { readonly type: 'sync'; readonly ours: boolean; refused: boolean }
  /** A Query message: one run per statement in it. `last`: its ReadyForQuery is the client's. */
  | {
      readonly type: 'query'
      readonly runs: readonly StatementRun[]
      index: number
      readonly last: boolean
      failed: boolean
      refused: boolean
    }
  /** A Query of ours that brings the upstream to the client's settings. */
  | { readonly type: 'replay'; readonly settings: Settings; readonly key: string }
  /** Frames of ours for the client. */
  | { readonly type: 'local'; readonly bytes: Buffer; readonly undo?: Undo | undefined }
  /** A ReadyForQuery of ours: nothing of its series went upstream. */
  | { readonly type: 'ready'; readonly refused: boolean }

/** A queue that does not shift its array on each take. */
export class Expectations {
  private items: Expectation[] = []
  private head = 0
  private takenEver = 0

  /** A place in the queue, from the beginning of the session: that of the next item. */
  get place(): number {
    return this.takenEver + this.length
  }

  /** Whether the item that was added at this place is still expected. */
  isPending(place: number): boolean {
    return place >= this.takenEver
  }

  get length(): number {
    return this.items.length - this.head
  }

  get first(): Expectation | undefined {
    return this.items[this.head]
  }

  get last(): Expectation | undefined {
    return this.items[this.items.length - 1]
  }

  get second(): Expectation | undefined {
    return this.items[this.head + 1]
  }

  /** Whether any item is such. */
  some(matches: (item: Expectation) => boolean): boolean {
    for (let i = this.head; i < this.items.length; i++) if (matches(this.items[i]!)) return true
    return false
  }

  /** The client's Sync that ends the series at hand; undefined: it has not sent it. */
  nextSync(): (Expectation & { type: 'sync' }) | undefined {
    for (let i = this.head; i < this.items.length; i++) {
      const item = this.items[i]!
      if (item.type === 'sync' && !item.ours) return item
    }
    return undefined
  }

  add(item: Expectation): void {
    this.items.push(item)
  }

  take(): Expectation | undefined {
    const item = this.items[this.head]
    if (item === undefined) return undefined
    this.head++
    this.takenEver++
    if (this.head === this.items.length) {
      this.items = []
      this.head = 0
    }
    return item
  }

  /** Takes out what stands before the next Sync, in order. */
  takeSeries(): Expectation[] {
    const series: Expectation[] = []
    while (this.first !== undefined && this.first.type !== 'sync') series.push(this.first) && this.take()
    return series
  }

  /** Takes out everything, in order. */
  clear(): Expectation[] {
    const rest = this.items.slice(this.head)
    this.takenEver += rest.length
    this.items = []
    this.head = 0
    return rest
  }
}
