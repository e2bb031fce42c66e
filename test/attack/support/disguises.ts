/** The same deed in other words: places in which an expression can stand, spellings of a name, comments and case. */
import { plainText, type Shape } from './shape.ts'

export interface Disguised {
  readonly how: string
  readonly text: string
  /** A query may stand in DECLARE, COPY, EXPLAIN …; a statement stands alone. */
  readonly isQuery: boolean
}

/** Every text that a shape is tried as; the first is the plainest. */
export function disguisesOf(shape: Shape, database: string): readonly Disguised[] {
  const plain: Disguised = { how: 'plain', text: plainText(shape), isQuery: shape.kind !== 'statement' }
  if (shape.verbatim === true) return [plain]
  const spelt = [plain, ...texts(plain)]
  switch (shape.kind) {
    case 'statement':
      return spelt
    case 'query':
      return [...spelt, ...asQueries('nested', queryPlaces, shape.sql)]
    case 'expression':
      return [...spelt, ...asQueries('placed', places, shape.sql)]
    case 'call': {
      const expression = `${shape.fn}(${shape.args})`
      const spellings = [...callSpellings(shape.fn, shape.args, database), ...argumentSpellings(shape.fn, shape.args)]
      return [
        ...spelt,
        ...asQueries('placed', places, expression),
        ...asQueries('in FROM', sources, expression),
        ...spellings.map(text => ({ how: 'spelt', text: `select ${text}`, isQuery: true })),
      ]
    }
  }
}

function asQueries(how: string, frames: readonly string[], inner: string): Disguised[] {
  return frames.map(frame => ({ how: `${how}: ${frame}`, text: frame.replaceAll('@', () => inner), isQuery: true }))
}

/** Places of a scalar expression, written `@`. */
const places: readonly string[] = [
  'select (select @)',
  'select * from (select @ as x offset 0) s',
  'with a as (select @ as x) select x from a',
  'with a as materialized (select @ as x) select count(*) from a',
  'with recursive a (n) as (select 1 union all select n + 1 from a where n < 2 and (@) is not null) select n from a',
  'values (@)',
  'values (1), (2) order by (@)::text',
  'select * from (values (@)) v',
  'select s.x from orders o, lateral (select @ as x) s limit 1',
  'select o.id from orders o left join lateral (select @ as x) s on true limit 1',
  'select 1 from orders a join orders b on (@) is not null limit 1',
  'select id from orders where (@) is not null limit 1',
  'select id from orders order by (@)::text limit 1',
  'select 1 from orders group by id, (@)::text limit 1',
  'select 1 from orders group by grouping sets ((id), ((@)::text)) limit 1',
  'select count(*) from orders having (@) is not null',
  'select count(*) filter (where (@) is not null) from orders',
  'select array_agg(id order by (@)::text) from orders',
  'select string_agg((@)::text, null) from orders',
  'select sum(id) over (order by (@)::text) from orders limit 1',
  'select sum(id) over (partition by (@)::text) from orders limit 1',
  'select sum(id) over w from orders window w as (order by (@)::text) limit 1',
  'select sum(id) over (order by id rows between length((@)::text) preceding and current row) from orders limit 1',
  'select percentile_disc(0.5) within group (order by (@)::text) from orders',
  'select distinct on ((@)::text) id from orders limit 1',
  'select id from orders limit length((@)::text)',
  'select id from orders offset length((@)::text)',
  'select id from orders fetch first (length((@)::text)) rows only',
  'select 1 union all select 1 where (@) is not null',
  '(select 1 intersect select 1) except (select 2 where (@) is null)',
  'select case when (@) is null then 1 else 2 end',
  'select case when false then null else (@) end',
  'select case (@)::text when null then 1 end',
  'select coalesce(null, (@))',
  'select nullif((@)::text, null)',
  'select greatest((@)::text, null)',
  'select array[@]',
  "select (array[(@)::text, 'x'])[1]",
  'select (array[1, 2])[length((@)::text)]',
  'select row(@, 1)',
  'select (row((@)::text)).f1',
  'select exists (select @)',
  'select 1 in (select length((@)::text))',
  'select 1 = any (array[length((@)::text)])',
  'select (@)::text between null and null',
  'select (@) is distinct from null',
  "select (@)::text like '%'",
  'select not ((@) is null)',
  'select (@)::text collate "C"',
  'select - length((@)::text)',
  'select (@)::text || null',
  "select json_build_object('a', (@)::text)",
  "select format('%s', (@)::text)",
  'select xmlelement(name a, (@)::text)',
  'select xmlelement(name a, xmlattributes((@)::text as b))',
  'select xmlforest((@)::text as a)',
  'select xmlconcat(xmlelement(name a, (@)::text))',
  "select json_object('a': (@)::text)",
  'select json_array((@)::text)',
  'select json_array(select (@)::text)',
  "select json_objectagg('a': (@)::text) from orders",
  'select json_arrayagg((@)::text order by (@)::text) from orders',
  'select json_scalar((@)::text)',
  "select json_value('{}', '$.a' default (@)::text on empty)",
  "select json_exists('{}', '$.a' passing (@)::text as b)",
  "select * from json_table('[1]', '$[*]' passing (@)::text as p columns (x int path '$')) t",
  "select * from json_table((@)::text, '$[*]' columns (x int path '$' default length((@)::text) on error)) t",
  "select * from xmltable('/a' passing xmlelement(name a, (@)::text) columns x text path '.') t",
  "select * from xmltable('/a' passing xmlelement(name a) columns x text path '.' default (@)::text) t",
  'select * from unnest(array[(@)::text]) u',
  'select * from unnest(array[(@)::text]) with ordinality u',
  'select * from rows from (unnest(array[(@)::text]), unnest(array[1])) r',
  'select * from generate_series(1, length((@)::text)) g limit 1',
  'select 1 from orders tablesample system (length((@)::text)) limit 1',
  'select 1 from orders tablesample bernoulli (1) repeatable (length((@)::text)) limit 1',
  "select timestamp '2020-01-01' at time zone (@)::text",
  'select extract(epoch from now()) + length((@)::text)',
  'select substring((@)::text from 1 for 2)',
  'select overlay((@)::text placing null from 1)',
  'select (((((@)))))',
]

/** Places of a function call in FROM. */
const sources: readonly string[] = [
  'select * from @',
  'select * from @ as f',
  'select * from @ with ordinality',
  'select * from rows from (@)',
  'select * from rows from (@, generate_series(1, 2)) with ordinality',
  'select o.id from orders o, @ f limit 1',
  'select o.id from orders o cross join lateral @ f limit 1',
  'select o.id from orders o left join @ f on true limit 1',
  'select * from (select * from @ offset 0) s',
]

/** Places of a whole query. */
const queryPlaces: readonly string[] = [
  '(@)',
  'select * from (@) s',
  'with a as (@) select * from a',
  'with a as not materialized (@) select count(*) from a',
  'select exists (@)',
  'select array(@)',
  'select s.* from orders o, lateral (@) s limit 5',
  '(@) union all (@)',
  'select json_array(@)',
  'select count(*) from (@) s',
]

/** The whole text, differently dressed. */
function texts({ text, isQuery }: Disguised): Disguised[] {
  const dressed: readonly (readonly [string, string])[] = [
    ['nested comments', between(text, ' /* a /* b */ ; -- */ ')],
    ['line comments', between(text, " -- ' \n")],
    ['odd blanks', between(text, '\t\f\v\r\n ')],
    ['mixed case', mixedCase(text)],
    ['comment ahead', `/* select 1; */ -- ;\n${text}`],
    ['comment behind', `${text} -- ; select 1`],
  ]
  return dressed.map(([how, changed]) => ({ how, text: changed, isQuery }))
}

/** Strings, dollar quotes and quoted names, blanks, words, and the rest one by one. */
const tokens =
  /[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$[\s\S]*?\$\1\$|--[^\n]*|\s+|[A-Za-z_]\w*|[\s\S]/g

function between(text: string, blank: string): string {
  return text.replaceAll(tokens, token => (/^\s+$/.test(token) ? blank : token))
}

function mixedCase(text: string): string {
  let word = 0
  return text.replaceAll(tokens, token => {
    if (!/^[A-Za-z_]\w*$/.test(token)) return token
    word++
    return word % 2 === 0 ? token.toUpperCase() : token.charAt(0).toUpperCase() + token.slice(1)
  })
}

/** Spellings of an unqualified or qualified function name. */
function callSpellings(fn: string, args: string, database: string): string[] {
  const [name = fn, schema = 'pg_catalog'] = fn.split('.').reverse()
  const escaped = [...name].map(character => `\\${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
  const first = name.charCodeAt(0).toString(16).padStart(4, '0')
  return [
    `"${name}"(${args})`,
    `${name.toUpperCase()} (${args})`,
    `${schema}.${name}(${args})`,
    `${schema} . "${name}" (${args})`,
    `"${schema}"."${name}"(${args})`,
    `${schema}/**/./* ( */"${name}" -- (\n (${args})`,
    `U&"${escaped}"(${args})`,
    `U&"\\${first}${name.slice(1)}"(${args})`,
    `U&"!${first}${name.slice(1)}" UESCAPE '!' (${args})`,
    `${schema}.U&"\\+00${first}${name.slice(1)}"(${args})`,
    `"${database}".${schema}.${name}(${args})`,
  ]
}

/** String arguments in their other notations, and behind casts. */
function argumentSpellings(fn: string, args: string): string[] {
  const simple = /'([\w ./$-]*)'/g
  if (!simple.test(args)) return []
  const each = (write: (value: string) => string) =>
    `${fn}(${args.replaceAll(simple, (_, value: string) => write(value))})`
  return [
    each(value => `E'${value}'`),
    each(value => `E'${[...value].map(character => `\\x${character.charCodeAt(0).toString(16)}`).join('')}'`),
    each(
      value =>
        `U&'${[...value].map(character => `\\${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}'`,
    ),
    each(value => `$$${value}$$`),
    each(value => `$q$${value}$q$::text`),
    each(value => `('${value.slice(0, 2)}' || '${value.slice(2)}')`),
    each(value => `(select '${value}'::text)`),
    each(value => `text '${value}'`),
  ]
}
