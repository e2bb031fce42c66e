/**
 * The parameter types that a Parse may declare. A type's input function is code that no word of the text names: a domain
 * runs its checks, regrole and aclitem tell the names of the cluster's roles, a row type holds either (tried). So only the
 * plain types of pg_catalog pass by their OID (pg_type.dat: fixed, the same on every server); any other is left for the server to infer.
 */

// biome-ignore format: a table of numbers
const plainTypes: ReadonlySet<number> = new Set([
  // bool bytea char name int8 int2 int2vector int4 regproc text oid tid xid cid oidvector json xml
  16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 114, 142,
  // point lseg path box polygon line circle, cidr inet macaddr macaddr8, float4 float8 money numeric
  600, 601, 602, 603, 604, 628, 718, 650, 869, 829, 774, 700, 701, 790, 1700,
  // bpchar varchar, date time timestamp timestamptz interval timetz, bit varbit, refcursor uuid pg_lsn xid8
  1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1790, 2950, 3220, 5069,
  // regprocedure regoper regoperator regclass regtype regconfig regdictionary regnamespace regcollation
  2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4191,
  // tsvector tsquery jsonb jsonpath, ranges, multiranges
  3614, 3615, 3802, 4072, 3904, 3906, 3908, 3910, 3912, 3926, 4451, 4532, 4533, 4534, 4535, 4536,
  // arrays of these
  1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 1019, 1020, 1021, 1022,
  1027, 1028, 1040, 1041, 651, 719, 629, 775, 1115, 1182, 1183, 1185, 1187, 1231, 1270, 1561, 1563, 791, 199, 143, 2951, 3807, 4073,
  3643, 3645, 3221, 2207, 2208, 2209, 2210, 2211, 3735, 3770, 4090, 4192, 2201, 271, 3905, 3907, 3909, 3911, 3913, 3927,
  6150, 6151, 6152, 6153, 6155, 6157,
])

const inferred = 0

export function declaredTypes(types: readonly number[]): readonly number[] {
  if (types.every(type => type === inferred || plainTypes.has(type))) return types
  return types.map(type => (plainTypes.has(type) ? type : inferred))
}
