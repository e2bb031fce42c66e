/**
 * What the guard knows of one tenant database. {@link RawCatalog} is read by provision with our own SQL;
 * `reviewCatalog` (guard/review.ts) turns it into the {@link CatalogSnapshot} that judging uses.
 */

/** Plain rows as the database gave them. */
export interface RawCatalog {
  /** Changes whenever anything below does. */
  readonly version: string
  /** The server's major version: 14 … 18, or newer. */
  readonly major: number
  /** The real database name, which SQL sees. */
  readonly database: string
  /** Every schema of the database but pg_catalog, information_schema, pg_toast*, pg_temp*. */
  readonly schemas: readonly string[]
  readonly relations: readonly RawRelation[]
  /** Functions outside information_schema but those that initdb put into pg_catalog; so with operators and types. */
  readonly functions: readonly RawFunction[]
  /** Operators, types (domains too) and casts' functions outside pg_catalog: names that could shadow or run code. */
  /** `function` is `schema.name` */
  readonly operators: readonly { readonly schema: string; readonly name: string; readonly function: string }[]
  readonly types: readonly {
    readonly schema: string
    readonly name: string
    readonly kind: string
    readonly check: string | null
    /** Types that its values hold (base, fields, elements, bounds), `schema.name`: those outside pg_catalog, rows of catalogs, aclitem and regrole. */
    readonly contains: readonly string[]
  }[]
  /** Casts outside pg_catalog that run a function; `schema.type` is the user-made type that each is from or to, one entry per such type. */
  readonly casts?: readonly { readonly schema: string; readonly type: string; readonly function: string }[]
  /** Installed extensions: name → schema. */
  readonly extensions: readonly { readonly name: string; readonly schema: string }[]
  /** Whether schema postern_catalog (filtered views of cluster-wide catalogs) stands, and the views in it. */
  readonly filteredViews: readonly string[]
}

export interface RawRelation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** pg_class.relkind: r p v m f S … (indexes and toast are left out) */
  readonly kind: string
  readonly columns: readonly string[]
  /** pg_class.reltuples; -1: never analysed */
  readonly rowsEstimate: number
  /** pg_get_viewdef for v and m, else null; read, as every expression here, under an empty search_path */
  readonly definition: string | null
  /** RLS policies' and column defaults' expressions do not matter to readers but policies do: pg_get_expr(polqual) */
  readonly policies: readonly string[]
  /** Tables that this one is a partition or an inheritor of (pg_inherits), `schema.name`. */
  readonly parents?: readonly string[]
}

export interface RawFunction {
  readonly schema: string
  readonly name: string
  /** i s v */
  readonly volatility: string
  readonly securityDefiner: boolean
  /** extension that owns it, or null */
  readonly extension: string | null
  /** exactly one argument, of a composite (row) type: callable as `t.name` */
  readonly rowArgument: boolean
  /** A constructor that CREATE TYPE … AS RANGE made: language internal, prosrc (multi)range_constructor… */
  readonly makesRange?: boolean
}

/** Indexed for judging. */
export interface CatalogSnapshot {
  readonly version: string
  readonly major: number
  readonly database: string
  readonly schemas: ReadonlySet<string>
  /** key: `schema.name` joined with '\0' */
  readonly relations: ReadonlyMap<string, CatalogRelation>
  /** schema → function name → entries */
  readonly functions: ReadonlyMap<string, ReadonlyMap<string, readonly RawFunction[]>>
  /** schema → operator name → functions behind it, `schema.name` */
  readonly operators: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>
  /** schema → type name → what naming it in a cast may run */
  readonly types: ReadonlyMap<string, ReadonlyMap<string, CatalogType>>
  /** names of functions of one row argument, callable as t.name */
  readonly rowFunctions: ReadonlySet<string>
  readonly extensions: ReadonlyMap<string, string>
  readonly filteredViews: ReadonlySet<string>
  /** `schema.name` of every foreign table. */
  readonly foreignTables: ReadonlySet<string>
}

export interface CatalogType {
  /** Functions outside the manifest that a cast to or from it, or its domain check, calls: `schema.name`. */
  readonly calls: readonly string[]
  /** Why no caller may name it (its check reaches a forbidden function), or null. */
  readonly refused: string | null
}

export interface CatalogRelation extends RawRelation {
  /** Every relation that it shows through views, `schema.name`, transitive. */
  readonly reads: readonly string[]
  /** Partitions, inheritors and parents, which share rows with it: `schema.name`, transitive. */
  readonly kin: readonly string[]
  /** Functions outside the manifest that reading it calls (view bodies, row security): `schema.name`. */
  readonly calls: readonly string[]
  /** Why no caller may read it (a view that reaches a forbidden function), or null. */
  readonly refused: string | null
}
