/** Every informational backslash command of psql 15, with and without patterns, `S` and `+`. */

const commands = String.raw`
\d
\dS
\d+
\dt
\dt+
\dtS+
\dt crm.*
\dt *.*
\dtvmsi
\dti+
\dv
\dv+
\dvS
\dm
\dm+
\di
\di+
\diS
\di+ crm.*
\ds
\ds+
\dE
\dE+
\dES
\d customers
\d+ customers
\d orders
\d+ orders
\d crm.order_lines
\d+ crm.order_lines
\d events
\d+ events
\d events_2024
\d+ events_2025
\d events_2025_other
\d parents
\d+ children
\d+ scratch
\d rich_customers
\d+ rich_customers
\d+ checked
\d sums
\d+ sums
\d orders_pkey
\d+ customers_lower_idx
\d+ events_at_idx
\d ticket_numbers
\d+ ticket_numbers
\d customers_id_seq
\d+ address
\d order*
\d "orders"
\d crm.*
\d+ far
\d nothere
\d nowhere.orders
\d pg_class
\d+ pg_catalog.pg_class
\d pg_database
\d+ pg_tables
\d information_schema.tables
\da
\daS
\da crm.*
\daS sum
\dA
\dA+
\dA+ b*
\dAc
\dAc+ btree
\dAc btree int4
\dAf
\dAf+ gin
\dAo btree integer_ops
\dAo+ hash
\dAp gin
\dAp+ btree text_ops
\db
\db+
\db pg_default
\dc
\dcS
\dc+ crm.*
\dC
\dC+
\dC crm.*
\dC integer
\dconfig
\dconfig+
\dconfig work_mem
\dconfig+ *time*
\dd
\ddS
\dd crm.*
\dD
\dD+
\dDS
\ddp
\ddp crm
\des
\des+
\det
\det+
\deu
\deu+
\dew
\dew+
\df
\df+
\dfS lower
\df+ crm.*
\dfa
\dfn
\dfp
\dft
\dfw
\dfwS
\df add integer
\df+ add * integer
\dF
\dF+
\dF+ plain_english
\dFd
\dFd+
\dFd+ crm.*
\dFp
\dFp+
\dFt
\dFt+
\dg
\dg+
\dgS
\dl
\dl+
\lo_list
\dL
\dL+
\dLS
\dn
\dn+
\dnS
\dnS+
\dn c*
\do
\do+
\doS = integer
\doS+ * text
\do crm.*
\dO
\dO+
\dOS de*
\dp
\dp customers
\dp crm.*
\z
\z orders
\dP
\dP+
\dPt
\dPi+
\dPn+
\dPtn crm.*
\drds
\drds * *
\drds nobody
\dRp
\dRp+
\dRp+ all_orders
\dRs
\dRs+
\ds crm.*
\dT
\dT+
\dTS
\dTS+
\dT+ mood
\dT crm.*
\du
\du+
\duS
\dx
\dx+
\dx plpgsql
\dX
\dX orders*
\dy
\dy+
\l
\l+
\l postgres
\l nowhere
\sf add
\sf+ touched
\sf crm.add(integer, integer)
\sf pg_catalog.lower(text)
\sf nothere
\sv rich_customers
\sv+ crm.checked
\sv orders
\sv nothere
\encoding
\encoding UTF8
\encoding LATIN1
\encoding UTF8
\h SELECT
\timing off
\d pg_toast.pg_toast_1255
\d+ pg_toast.pg_toast_1255
\d crm.*orders*
\dAo
\dAo+
\dAp
\dAp+
\dAp+ btree
\dcS+
\dc crm.*
\dconfig+ *
\dconfig *
\dDS+
\dD+ crm.*
\ddS+
\dE+ crm.*
\det+ crm.*
\df crm.*
\dfaS
\dfa crm.*
\dfn crm.*
\dfp crm.*
\dft crm.*
\dfw crm.*
\dF crm.*
\dF+ crm.*
\dFd crm.*
\dFp+ default
\dFt+ simple
\dii+ crm.*
\dis crm.*
\dm+ crm.*
\dv+ crm.*
\ds+ crm.*
\dt+ crm.*
\dts+ crm.*
\dL+ plpgsql
\dLS+
\do+ crm.*
\doS+
\dO+ crm.*
\dOS+
\dP crm.*
\dP+ crm.*
\dPi crm.*
\dPt+ crm.*
\dPn crm.*
\drds postern* *
\dT+ crm.*
\du postgres
\duS+
\du+ postern*
\dx+ hstore
\dX crm.*
\dX+
\dy notice*
\dew+ far*
\des+ far
\deu+ far
\dn+ crm
\dp *.*
\ddp *
\dRs+ theirs
\dRp+ whole
\dRp+ costly
\dC+ *text*
\dconfig *nothing_like_this*
`

export const psqlCommands: readonly string[] = commands.trim().split('\n')
