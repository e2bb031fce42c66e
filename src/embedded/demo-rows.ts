/** The demo's rows. Run with an empty search_path, so that unqualified names are the catalog's. */
import type pg from 'pg'
import * as words from './demo-words.ts'

export interface Company {
  readonly seed: number
  /** Of its employees' addresses. */
  readonly domain: string
  /** Put behind texts. */
  readonly mark: string
  readonly products: number
  readonly employees: number
  readonly customers: number
  readonly orders: number
  /** Nearly: those that would have been opened after the last day are left out. */
  readonly tickets: number
}

export async function fillTables(client: pg.ClientBase, company: Company): Promise<void> {
  await createRoll(client, company.seed)
  await fillProducts(client, company)
  await fillEmployees(client, company)
  await fillCustomers(client, company)
  await fillOrderItems(client, company)
  await fillOrders(client, company)
  await fillTickets(client, company)
  if (company.mark !== '') await fillContracts(client, company)
  await client.query('drop function crm.roll(bigint, integer, integer)')
}

/** A die whose throw, 0 to sides - 1, depends on the row's and the column's numbers and the company's seed only. */
async function createRoll(client: pg.ClientBase, seed: number): Promise<void> {
  await client.query(`
    create function crm.roll(n bigint, die integer, sides integer) returns integer
    language sql immutable parallel safe
    return (hashint8extended(n, die + ${seed * 1000}) & 2147483647)::integer % sides`)
}

async function fillProducts(client: pg.ClientBase, company: Company): Promise<void> {
  await client.query(
    `insert into crm.products (id, sku, name, category, price, tags, attributes, sold)
     select n, concat(upper(left(thing, 3)), '-', 1000 + n, $5::text),
            concat(($2::text[])[1 + (n / 20 + n) % 15], ' ', thing, ' ', 100 * (1 + crm.roll(n, 1, 9)), $5::text), category,
            (500 + crm.roll(n, 2, 200) * crm.roll(n, 3, 300)) / 100.0,
            array(select tag from unnest('{new,bestseller,refurbished,eco,clearance}'::text[]) with ordinality t (tag, i)
                   where crm.roll(n, 3 + i::integer, 4) = 0),
            jsonb_build_object('colour', ('{black,white,grey,red,blue,oak}'::text[])[1 + crm.roll(n, 10, 6)],
              'weight_kg', crm.roll(n, 11, 400) / 10.0, 'warranty_months', 12 * (1 + crm.roll(n, 12, 5))),
            daterange(date '2017-01-01' + crm.roll(n, 13, 1400),
              case when crm.roll(n, 14, 6) = 0 then date '2024-01-01' + crm.roll(n, 15, 800) end)
       from generate_series(1, $1::integer) n,
            lateral (select ($3::text[])[1 + n % 20], ($4::text[])[1 + n % 20]) w (thing, category)`,
    [company.products, words.productAdjectives, words.productThings, words.productCategories, company.mark],
  )
}

/** The first leads the company, the next eight lead everybody else. */
async function fillEmployees(client: pg.ClientBase, company: Company): Promise<void> {
  await client.query(
    `insert into crm.employees
       (id, name, email, phone, birth_date, national_id, department, manager_id, salary, hired_on, active)
     select n, concat(first, ' ', last, $6::text),
            concat(translate(lower(concat(first, '.', last)), 'ëéáøöüúñč', 'eeaoouunc'), n, '@', $5::text),
            concat('+44 7700 900', lpad(crm.roll(n, 3, 1000)::text, 3, '0')),
            date '1961-01-01' + crm.roll(n, 4, 16000),
            concat('NI-', lpad(crm.roll(n, 5, 1000000)::text, 6, '0'), '-', lpad(n::text, 4, '0'), $6::text),
            ($4::text[])[1 + crm.roll(n, 6, 8)],
            case when n = 1 then null when n <= 9 then 1 else 2 + crm.roll(n, 7, 8) end,
            case when n = 1 then 190000 when n <= 9 then 95000 + 500 * crm.roll(n, 8, 60)
                 else 31000 + 250 * crm.roll(n, 8, 200) end,
            date '2014-01-01' + crm.roll(n, 9, 4500), crm.roll(n, 10, 12) > 0
       from generate_series(1, $1::integer) n,
            lateral (select ($2::text[])[1 + crm.roll(n, 1, 48)], ($3::text[])[1 + crm.roll(n, 2, 48)]) w (first, last)`,
    [company.employees, words.firstNames, words.lastNames, words.departments, company.domain, company.mark],
  )
}

async function fillCustomers(client: pg.ClientBase, company: Company): Promise<void> {
  await client.query(
    `insert into crm.customers
       (id, name, contact_name, email, phone, city, country, segment, account_manager_id, tags, profile, created_at)
     select n, concat(adjective, ' ', noun, ' ', ($4::text[])[1 + (n / 1600 + n) % 8], $12::text),
            concat(($5::text[])[1 + crm.roll(n, 1, 48)], ' ', ($6::text[])[1 + crm.roll(n, 2, 48)]),
            lower(concat('office', n, '@', adjective, '-', noun, replace($12::text, ' ', '-'), '.example')),
            case when crm.roll(n, 3, 10) > 0
                 then concat('+44 20 7946 0', lpad(crm.roll(n, 4, 1000)::text, 3, '0')) end,
            ($7::text[])[city], ($8::text[])[city],
            case when dice < 8 then 'enterprise' when dice < 30 then 'mid-market' when dice < 37 then 'public sector'
                 else 'small' end,
            1 + crm.roll(n, 7, $13::integer),
            array(select tag from unnest($9::text[]) with ordinality t (tag, i) where crm.roll(n, 10 + i::integer, 6) = 0),
            jsonb_build_object('industry', ($10::text[])[1 + crm.roll(n, 30, 10)],
              'employees', 1 + crm.roll(n, 31, 50) * crm.roll(n, 32, 40), 'newsletter', crm.roll(n, 33, 3) > 0,
              'address', jsonb_build_object('postcode', lpad(crm.roll(n, 36, 100000)::text, 5, '0'),
                'street', concat(1 + crm.roll(n, 34, 180), ' ', ($11::text[])[1 + crm.roll(n, 35, 14)]))),
            timestamptz '2017-01-01 08:00+00'
              + make_interval(days => (n - 1) * 3460 / $1::integer, mins => crm.roll(n, 37, 600))
       from generate_series(1, $1::integer) n,
            lateral (select ($2::text[])[1 + n % 40], ($3::text[])[1 + n / 40 % 40], 1 + crm.roll(n, 5, 36),
                            crm.roll(n, 6, 100)) w (adjective, noun, city, dice)`,
    [
      ...[company.customers, words.companyAdjectives, words.companyNouns, words.companyForms],
      ...[words.firstNames, words.lastNames, words.cities, words.countries, words.tags, words.industries],
      ...[words.streets, company.mark, company.employees],
    ],
  )
}

/** One to four lines an order; low product numbers sell best. */
async function fillOrderItems(client: pg.ClientBase, company: Company): Promise<void> {
  await client.query(
    `insert into crm.order_items (order_id, line, product_id, quantity, unit_price, discount)
     select n, line, p.id, 1 + crm.roll(n, 110 + line, 4) * crm.roll(n, 120 + line, 3), p.price,
            case when crm.roll(n, 130 + line, 5) = 0 then 0.05 * (1 + crm.roll(n, 140 + line, 4)) else 0 end
       from generate_series(1, $1::integer) n
      cross join generate_series(1, 1 + crm.roll(n, 100, 4)) line
       join crm.products p on p.id = 1 + crm.roll(n, 150 + line, $2::integer) * crm.roll(n, 160 + line, 100) / 100`,
    [company.orders, company.products],
  )
}

/** Orders grow denser over the years; each is of a customer there was by then, the earlier ones buying more. */
async function fillOrders(client: pg.ClientBase, company: Company): Promise<void> {
  await client.query(
    `insert into crm.orders
       (id, customer_id, employee_id, status, placed_at, shipped_at, delivery, total, note)
     select n, 1 + known * crm.roll(n, 1, 1000) / 1000 * crm.roll(n, 2, 1000) / 1000,
            case when crm.roll(n, 3, 5) > 0 then 1 + crm.roll(n, 4, $3::integer) end, status::crm.order_status, placed_at,
            case when status in ('shipped', 'delivered', 'returned')
                 then placed_at + make_interval(hours => 6 + crm.roll(n, 5, 60)) end,
            case when status <> 'cancelled' then daterange(day + 2, day + 3 + crm.roll(n, 6, 6)) end, s.total,
            nullif(concat(case crm.roll(n, 7, 20) when 0 then 'Leave with reception.' when 1 then 'Ring the bell twice.'
                               when 2 then 'Gift, please no invoice in the parcel.' end, $4::text), '')
       from generate_series(1, $1::integer) n
       join (select order_id, sum(amount) from crm.order_items group by order_id) s (order_id, total) on s.order_id = n,
            lateral (select timestamptz '2021-01-01 00:00+00'
                              + make_interval(mins => floor(sqrt(n::float8 / $1::integer) * 2887000)::integer)) a (placed_at),
            lateral (select (placed_at at time zone 'UTC')::date) b (day),
            lateral (select (day - date '2017-01-03') * $2::integer / 3460 - 1) c (known),
            lateral (select crm.roll(n, 8, 100)) d (dice),
            lateral (select case when dice < 5 then 'cancelled' when day < date '2026-06-20'
                                   then case when dice < 8 then 'returned' else 'delivered' end
                                 when dice < 35 then 'placed' when dice < 60 then 'paid' else 'shipped' end) e (status)`,
    [company.orders, company.customers, company.employees, company.mark],
  )
}

/** Each about an order that was placed in the weeks before. */
async function fillTickets(client: pg.ClientBase, company: Company): Promise<void> {
  await client.query(
    `insert into crm.tickets (id, customer_id, order_id, assignee_id, status, priority, channel, subject, body, messages,
                              opened_at, solved_at, satisfaction)
     select row_number() over (order by opened_at, n), o.customer_id, case when crm.roll(n, 3, 10) < 7 then o.id end,
            case when solved or crm.roll(n, 4, 3) > 0 then support.ids[1 + crm.roll(n, 5, cardinality(support.ids))] end,
            (case when solved and opened_at < timestamptz '2026-06-01 00:00+00' then 'closed' when solved then 'solved'
                  when crm.roll(n, 6, 2) = 0 then 'open' else 'waiting' end)::crm.ticket_status,
            (case when dice < 15 then 'low' when dice < 80 then 'normal' when dice < 95 then 'high' else 'urgent' end)
              ::crm.ticket_priority,
            ('{email,phone,chat,portal}'::text[])[1 + crm.roll(n, 8, 4)], concat(subject, $5::text),
            concat('Hello, about order ', o.id, ': ', subject, '. Regards, ', c.contact_name, $5::text),
            jsonb_build_array(jsonb_build_object('from', 'customer', 'text', concat(subject, $5::text)))
              || case when solved then jsonb_build_array(jsonb_build_object('from', 'support', 'text',
                                         ($4::text[])[1 + crm.roll(n, 9, 8)])) else '[]' end,
            opened_at,
            case when solved then least(opened_at + make_interval(hours => 1 + crm.roll(n, 10, 20) * crm.roll(n, 11, 12)),
                                        timestamptz '2026-06-30 12:00+00') end,
            case when solved and crm.roll(n, 12, 3) = 0 then 1 + crm.roll(n, 13, 3) + crm.roll(n, 14, 3) end
       from generate_series(1, $1::integer) n
       join crm.orders o on o.id = 1 + crm.roll(n, 1, $2::integer)
       join crm.customers c on c.id = o.customer_id
      cross join (select array_agg(id order by id) from crm.employees where department = 'Support') support (ids),
            lateral (select o.placed_at + make_interval(mins => 120 + crm.roll(n, 2, 28000)), crm.roll(n, 7, 100),
                            ($3::text[])[1 + crm.roll(n, 15, 15)]) a (opened_at, dice, subject),
            lateral (select crm.roll(n, 16, 100)
                              < case when opened_at < timestamptz '2026-06-10 00:00+00' then 98 else 50 end) b (solved)
      where opened_at < timestamptz '2026-06-30 00:00+00'`,
    [company.tickets, company.orders, words.ticketSubjects, words.ticketReplies, company.mark],
  )
}

async function fillContracts(client: pg.ClientBase, company: Company): Promise<void> {
  await client.query(
    `insert into crm.contracts (customer_id, signed_on, runs, terms)
     select n, day, daterange(day, day + 365 * (1 + crm.roll(n, 2, 3))),
            concat('Framework contract ', n, ', ', 2 + crm.roll(n, 3, 9), ' per cent off.', $2::text)
       from generate_series(1, $1::integer / 4) n, lateral (select date '2022-01-01' + crm.roll(n, 1, 1500)) a (day)`,
    [company.customers, company.mark],
  )
}
