/** What the demo's tables mean, as their owners would write it into semantic/<tenant>.yml; and a little knowledge beside it. */
import type { DemoTenant } from './demo.ts'

const crm = `
database: crm
schema: crm
entities:
  - table: customers
    primary_key: id
    description: Companies that buy from us, one row each. Prospects are not in here.
    synonyms: [clients, accounts]
    columns:
      name: { description: The company's name. Not unique. }
      contact_name: { description: Whom we talk to there., pii: true }
      email: { description: The contact's address., pii: true }
      phone: { description: The contact's number., pii: true }
      country: { description: "ISO 3166-1, two letters." }
      segment: { description: "enterprise, mid-market, small or public sector.", synonyms: [customer type, size] }
      account_manager_id: { description: The employee who looks after the account; null where nobody does. }
      created_at: { description: When they became a customer; no order is older., synonyms: [signed up] }
  - table: employees
    primary_key: id
    description: Everybody who works here. Personal data; answer about teams rather than about people.
    synonyms: [staff, colleagues]
    columns:
      name: { pii: true }
      email: { pii: true }
      phone: { pii: true }
      birth_date: { pii: true }
      national_id: { pii: true }
      salary: { description: "Yearly, gross.", unit: EUR, pii: true, aggregation: avg }
      manager_id: { description: Another employee; null at the top. }
      active: { description: False once somebody has left. }
  - table: orders
    primary_key: id
    description: One row per order. Cancelled and returned ones stay, with their status.
    synonyms: [sales, purchases]
    columns:
      total: { description: "Sum of the lines' amounts, gross.", unit: EUR, aggregation: sum, synonyms: [order value] }
      placed_at: { description: "When the customer ordered: the date that revenue counts for." }
      shipped_at: { description: Null until it left the warehouse. }
      employee_id: { description: Who sold it; null for orders from the web shop. }
      status: { description: "placed, paid, shipped, delivered; or cancelled, returned, which are no revenue." }
  - table: order_items
    primary_key: [order_id, line]
    description: Lines of orders.
    columns:
      quantity: { unit: pieces, aggregation: sum }
      unit_price: { description: "At the time of the order, before the discount.", unit: EUR, aggregation: none }
      discount: { description: "Share taken off: 0.10 is ten per cent.", aggregation: avg }
      amount: { description: "quantity × unit_price × (1 − discount).", unit: EUR, aggregation: sum }
  - table: products
    primary_key: id
    description: What is sold, one row per article, discontinued ones too.
    synonyms: [articles, items]
    columns:
      price: { description: "Today's list price; what a customer paid is order_items.unit_price.", unit: EUR, aggregation: none }
      sold: { description: Days on sale; open-ended while it is. }
  - table: tickets
    primary_key: id
    description: Requests to support.
    synonyms: [cases, requests]
    columns:
      body: { description: As the customer wrote it., pii: true }
      messages: { description: The conversation., pii: true }
      solved_at: { description: Null while it is open. }
      satisfaction: { description: "1 (bad) to 5 (good); null when not asked or not answered.", aggregation: avg, synonyms: [CSAT] }
relationships:
  - { column: customers.account_manager_id, references: employees.id, description: looks after }
  - { column: employees.manager_id, references: employees.id, description: reports to }
  - { column: orders.customer_id, references: customers.id, description: placed by }
  - { column: orders.employee_id, references: employees.id, description: sold by }
  - { column: order_items.order_id, references: orders.id, description: line of }
  - { column: order_items.product_id, references: products.id }
  - { column: tickets.customer_id, references: customers.id, description: asked by }
  - { column: tickets.order_id, references: orders.id, description: about }
  - { column: tickets.assignee_id, references: employees.id, description: handled by }
metrics:
  - name: revenue
    description: Gross value of orders that were neither cancelled nor returned, by orders.placed_at.
    table: orders
    aggregation: sum
    column: total
    filters: ["status not in ('cancelled', 'returned')"]
    unit: EUR
    synonyms: [turnover, sales]
  - name: average order value
    table: orders
    aggregation: avg
    column: total
    filters: ["status not in ('cancelled', 'returned')"]
    unit: EUR
    synonyms: [AOV, basket size]
  - name: open tickets
    description: Requests that nobody has solved yet.
    table: tickets
    aggregation: count
    filters: [solved_at is null]
`

/** As in a file: YAML. */
export const demoSemantics: { readonly [Tenant in DemoTenant]: string } = {
  acme: crm,
  globex: crm.replace(
    'entities:\n',
    `entities:
  - table: contracts
    primary_key: id
    description: Framework contracts with customers, globex-only.
    columns:
      runs: { description: "Days on which it holds; globex-only." }
`,
  ),
}

export const demoEntries: readonly {
  readonly title: string
  readonly markdown: string
  readonly tags: readonly string[]
}[] = [
  {
    title: 'How revenue is counted',
    markdown: `Revenue is the sum of \`orders.total\` of orders that are neither cancelled nor returned, in the month of
\`placed_at\` in UTC. \`monthly_revenue\` has it by month and category, from the lines of the orders.`,
    tags: ['finance', 'revenue'],
  },
  {
    title: 'Which dates there are',
    markdown:
      'The data ends with June 2026. "Last month" is the newest month in `orders.placed_at`, not the calendar\'s.',
    tags: ['dates'],
  },
]

export const demoTables = [
  {
    table: 'monthly_revenue',
    useCases: ['Revenue by month and category, without joining orders and their lines'],
    owner: 'Finance',
    refreshFrequency: 'when the demo is made',
    qualityNotes: 'Cancelled and returned orders are left out.',
  },
  {
    table: 'orders',
    useCases: ['Revenue, order counts and delivery times'],
    owner: 'Sales',
    refreshFrequency: 'live',
    qualityNotes: 'employee_id is null for orders from the web shop: a join with employees must be a left join.',
  },
] as const

export const demoLearning = {
  description:
    'Joining orders with order_items and summing orders.total counts an order once per line: sum order_items.amount.',
  category: 'join',
  tables: ['orders', 'order_items'],
  failingSql: `select p.category, sum(o.total) from orders o join order_items i on i.order_id = o.id
join products p on p.id = i.product_id group by 1`,
  correctedSql: `select p.category, sum(i.amount) from order_items i
join products p on p.id = i.product_id group by 1`,
} as const
