export interface Message {
  readonly type: number
  readonly body: Buffer
}

const messagesMax = 256
const bytesMax = 1024 * 1024

/** A client's messages that wait for their turn. Bounded by its reader's obedience: what comes in one chunk after `isFull` is still taken. */
export class Inbox {
  private messages: Message[] = []
  private head = 0
  private bytes = 0

  get length(): number {
    return this.messages.length - this.head
  }

  /** Nothing more should be read for it. */
  get isFull(): boolean {
    return this.length >= messagesMax || this.bytes >= bytesMax
  }

  push(message: Message): void {
    this.messages.push(message)
    this.bytes += message.body.length
  }

  take(): Message | undefined {
    const message = this.messages[this.head]
    if (message === undefined) return undefined
    this.bytes -= message.body.length
    this.head++
    if (this.head === this.messages.length) this.clear()
    return message
  }

  clear(): void {
    this.messages = []
    this.head = 0
    this.bytes = 0
  }
}
