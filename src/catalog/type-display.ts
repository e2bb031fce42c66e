/** Types as a reader of metadata wants them: enums with their values, domains with what they stand for. */
import type { RawType } from './introspection.ts'
import type { EnumMetadata } from './metadata.ts'

export interface Types {
  /** Without the schema that everything here is in. */
  display(type: string): string
  /** Of a domain: what it stands for, through other domains. */
  baseOf(oid: number): string | null
  /** Of an enum, a domain over one, or an array of either. */
  enumValuesOf(oid: number): readonly string[] | null
  enumsOf(oids: readonly number[]): readonly EnumMetadata[]
}

export function createTypes(raw: readonly RawType[], schema: string): Types {
  const byOid = new Map(raw.map(type => [type.oid, type]))
  const prefixes = [`${schema}.`, `"${schema.replaceAll('"', '""')}".`]
  const display = (type: string) => {
    const prefix = prefixes.find(each => type.startsWith(each))
    return prefix === undefined ? type : type.slice(prefix.length)
  }
  const enumOf = (oid: number): RawType | undefined => {
    const type = byOid.get(oid)
    if (type === undefined || type.values !== null) return type
    return enumOf(type.kind === 'd' ? type.base : type.element)
  }
  const baseOf = (oid: number): string | null => {
    const type = byOid.get(oid)
    if (type === undefined || type.baseType === null) return null
    return baseOf(type.base) ?? display(type.baseType)
  }
  return {
    display,
    baseOf,
    enumValuesOf: oid => enumOf(oid)?.values ?? null,
    enumsOf: oids => {
      const found = new Set(oids.flatMap(oid => enumOf(oid) ?? []))
      return [...found]
        .map(({ schema: place, name, values, description }) => ({
          schema: place,
          name,
          values: values ?? [],
          description,
        }))
        .sort((a, b) => (`${a.schema}.${a.name}` < `${b.schema}.${b.name}` ? -1 : 1))
    },
  }
}
