/** RowDescription (T) and DataRow (D). Manual: "Message Formats". */
import { BodyReader } from './body-reader.ts'
import { backendType } from './message-types.ts'
import { beginMessage } from './message-writer.ts'

export interface Column {
  readonly name: string
  /** 0 (the default) where the column is no table's. */
  readonly tableOid?: number
  /** The column's number in that table; 0 by default. */
  readonly column?: number
  readonly typeOid: number
  /** pg_type.typlen: bytes, or negative for a variable width. */
  readonly typeSize: number
  /** pg_attribute.atttypmod; -1 by default. */
  readonly typeModifier?: number
  /** 0 text (the default), 1 binary. */
  readonly format?: number
}

export function decodeRowDescription(body: Buffer): Required<Column>[] {
  const reader = new BodyReader(body, 'RowDescription')
  const columns: Required<Column>[] = []
  for (let count = reader.uint16(); count > 0; count--) {
    columns.push({
      name: reader.text(),
      tableOid: reader.uint32(),
      column: reader.int16(),
      typeOid: reader.uint32(),
      typeSize: reader.int16(),
      typeModifier: reader.int32(),
      format: reader.int16(),
    })
  }
  reader.end()
  return columns
}

export function encodeRowDescription(columns: readonly Column[]): Buffer {
  const message = beginMessage(backendType.rowDescription).uint16(columns.length)
  for (const { name, tableOid = 0, column = 0, typeOid, typeSize, typeModifier = -1, format = 0 } of columns) {
    message.text(name).uint32(tableOid).int16(column).uint32(typeOid).int16(typeSize).int32(typeModifier).int16(format)
  }
  return message.end()
}

/** The values as views into the body; null is SQL NULL. */
export function decodeDataRow(body: Buffer): (Buffer | null)[] {
  const reader = new BodyReader(body, 'DataRow')
  const values: (Buffer | null)[] = []
  for (let count = reader.uint16(); count > 0; count--) {
    const length = reader.int32()
    values.push(length === -1 ? null : reader.bytes(length))
  }
  reader.end()
  return values
}

export function encodeDataRow(values: readonly (string | Buffer | null)[]): Buffer {
  const message = beginMessage(backendType.dataRow).uint16(values.length)
  for (const value of values) message.value(value)
  return message.end()
}
