import java.io.StringWriter;
import java.io.PrintWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.math.BigDecimal;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import org.postgresql.PGConnection;
import org.postgresql.PGProperty;
import org.postgresql.copy.CopyManager;

/** Runs every method whose name begins with `it`, and prints what came of it, a line of JSON each. */
public class PgjdbcChecks {
    static final String SLOW_QUERY = System.getenv("SLOW_QUERY");

    public static void main(String[] args) {
        for (Method method : PgjdbcChecks.class.getDeclaredMethods()) {
            if (!method.getName().startsWith("it")) continue;
            String error = null;
            try {
                method.invoke(null);
            } catch (InvocationTargetException thrown) {
                StringWriter text = new StringWriter();
                thrown.getCause().printStackTrace(new PrintWriter(text));
                error = text.toString();
            } catch (Throwable thrown) {
                error = thrown.toString();
            }
            System.out.println("{\"check\":\"" + method.getName() + "\",\"error\":" + (error == null ? "null" : quote(error)) + "}");
        }
        System.exit(0);
    }

    static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.substring(0, Math.min(1500, text.length())).toCharArray()) {
            if (c == '"' || c == '\\') quoted.append('\\').append(c);
            else if (c < ' ') quoted.append(String.format("\\u%04x", (int) c));
            else quoted.append(c);
        }
        return quoted.append('"').toString();
    }

    static Connection connect(String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        for (int at = 0; at < options.length; at += 2) properties.setProperty(options[at], options[at + 1]);
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        return DriverManager.getConnection(url, properties);
    }

    static void same(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) throw new AssertionError("expected " + expected + ", got " + actual);
    }

    interface Action {
        void run() throws Exception;
    }

    static SQLException fails(String state, Action action) throws Exception {
        try {
            action.run();
        } catch (SQLException error) {
            if (!error.getSQLState().matches(state)) throw error;
            return error;
        }
        throw new AssertionError("no error with " + state);
    }

    /** Rows as text, fields between bars. */
    static List<String> rows(ResultSet set, int... columns) throws SQLException {
        List<String> rows = new ArrayList<>();
        while (set.next()) {
            List<String> fields = new ArrayList<>();
            for (int column : columns) fields.add(set.getString(column));
            rows.add(String.join("|", fields.stream().map(String::valueOf).toList()));
        }
        set.close();
        return rows;
    }

    static List<String> rows(ResultSet set, String... columns) throws SQLException {
        int[] numbers = new int[columns.length];
        for (int at = 0; at < columns.length; at++) numbers[at] = set.findColumn(columns[at]);
        return rows(set, numbers);
    }

    static String one(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet set = statement.executeQuery(sql)) {
            set.next();
            return set.getString(1);
        }
    }

    static void itReadsTypes() throws Exception {
        for (String binary : List.of("true", "false")) {
            try (Connection connection = connect("binaryTransfer", binary, "prepareThreshold", "-1")) {
                PreparedStatement statement = connection.prepareStatement(
                    "select c.id, name, balance, tags, profile, placed_at, 1.5::float8, true, '\\x00ff'::bytea, null::text, feeling, home,"
                    + " date '2024-03-02', 'größer' from customers c join orders o on o.id = c.id where c.id = ? and name = ?");
                statement.setInt(1, 7);
                statement.setString(2, "customer 7");
                ResultSet set = statement.executeQuery();
                set.next();
                same(7, set.getInt(1));
                same(new BigDecimal("73.50"), set.getBigDecimal(3));
                same(List.of("t1", "ä"), List.of((Object[]) set.getArray(4).getArray()));
                same(true, set.getString(5).contains("\"n\": 7"));
                same(1704092400000L, set.getTimestamp(6).getTime());
                same(1.5, set.getDouble(7));
                same(true, set.getBoolean(8));
                same(2, set.getBytes(9).length);
                same(null, set.getString(10));
                same("ok", set.getString(11));
                same("(\"street 7\",7,\"{sad,happy}\")", set.getString(12));
                same("2024-03-02", set.getDate(13).toString());
                same("größer", set.getString(14));
            }
        }
    }

    static void itFetchesInPortions() throws Exception {
        try (Connection connection = connect()) {
            connection.setAutoCommit(false);
            PreparedStatement statement = connection.prepareStatement("select id from orders where id > ? order by id");
            statement.setFetchSize(300);
            for (int run = 0; run < 3; run++) {
                statement.setInt(1, 10);
                ResultSet set = statement.executeQuery();
                long expected = 11;
                while (set.next()) same(expected++, set.getLong(1));
                same(5001L, expected);
            }
            ResultSet left = statement.executeQuery();
            left.next();
            left.close();
            ResultSet first = connection.createStatement().executeQuery("select 1");
            first.next();
            connection.commit();
            same("50", one(connection, "select count(*) from customers"));
            connection.rollback();
        }
    }

    static void itFetchesTwoResultsAtOnce() throws Exception {
        try (Connection connection = connect("defaultRowFetchSize", "10")) {
            connection.setAutoCommit(false);
            ResultSet orders = connection.createStatement().executeQuery("select id from orders order by id limit 35");
            ResultSet customers = connection.createStatement().executeQuery("select id from customers order by id limit 35");
            for (int at = 1; at <= 35; at++) {
                same(true, orders.next() && customers.next());
                same(orders.getInt(1), customers.getInt(1));
            }
            same(false, orders.next() || customers.next());
            connection.commit();
        }
    }

    static void itScrollsAndLimitsRows() throws Exception {
        try (Connection connection = connect()) {
            Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
            statement.setMaxRows(100);
            ResultSet set = statement.executeQuery("select id from orders order by id");
            set.last();
            same(100, set.getRow());
            set.absolute(5);
            same(5, set.getInt(1));
        }
    }

    static void itPreparesAfterFiveRuns() throws Exception {
        for (String mode : List.of("extended", "extendedForPrepared", "extendedCacheEverything", "simple")) {
            try (Connection connection = connect("preferQueryMode", mode)) {
                PreparedStatement statement = connection.prepareStatement("select name from customers where id = ?");
                for (int id = 1; id <= 20; id++) {
                    statement.setInt(1, id);
                    same(List.of("customer " + id), rows(statement.executeQuery(), 1));
                }
                statement.close();
                for (int at = 0; at < 10; at++) {
                    try (PreparedStatement other = connection.prepareStatement("select ?::int + " + at)) {
                        other.setInt(1, 1);
                        same(List.of(String.valueOf(at + 1)), rows(other.executeQuery(), 1));
                    }
                }
            }
        }
    }

    static void itListsTables() throws Exception {
        try (Connection connection = connect()) {
            DatabaseMetaData meta = connection.getMetaData();
            same(List.of("crm|customers|TABLE|Who buys. Über alles: größer.", "crm|orders|TABLE|null"),
                rows(meta.getTables(null, "crm", "%ers", new String[] {"TABLE"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS"));
            same(true, rows(meta.getTables(System.getenv("PGDATABASE"), null, "%", null), "TABLE_NAME").contains("rich_customers"));
            same(true, rows(meta.getSchemas(), "TABLE_SCHEM").containsAll(List.of("crm", "pg_catalog", "information_schema")));
            same(List.of(System.getenv("PGDATABASE")), rows(meta.getCatalogs(), "TABLE_CAT"));
            same(true, rows(meta.getTableTypes(), 1).contains("MATERIALIZED VIEW"));
            same(List.of("rich_customers"), rows(meta.getTables(null, "crm", "rich%", new String[] {"VIEW"}), 3));
            rows(meta.getTablePrivileges(null, "crm", "orders"), 7);
            rows(meta.getColumnPrivileges(null, "crm", "orders", "%"), 7);
        }
    }

    static void itDescribesColumns() throws Exception {
        try (Connection connection = connect()) {
            DatabaseMetaData meta = connection.getMetaData();
            List<String> columns = rows(meta.getColumns(null, "crm", "customers", "%"), "COLUMN_NAME", "TYPE_NAME", "NULLABLE", "IS_AUTOINCREMENT");
            same("id|int4|0|YES", columns.get(0));
            same("contact|email|1|NO", columns.get(2));
            same("balance|numeric|0|NO", columns.get(7));
            same(List.of("in EUR"), rows(meta.getColumns(null, "crm", "customers", "balance"), "REMARKS"));
            same(10, columns.size());
            same(true, rows(meta.getColumns(null, null, "order%", null), "TABLE_NAME").contains("order_lines"));
        }
    }

    static void itFindsKeysAndIndexes() throws Exception {
        try (Connection connection = connect()) {
            DatabaseMetaData meta = connection.getMetaData();
            same(List.of("line|2", "order_id|1"), rows(meta.getPrimaryKeys(null, "crm", "order_lines"), "COLUMN_NAME", "KEY_SEQ").stream().sorted().toList());
            same(List.of("customers|id|customer_id"), rows(meta.getImportedKeys(null, "crm", "orders"), "PKTABLE_NAME", "PKCOLUMN_NAME", "FKCOLUMN_NAME"));
            same(List.of("order_lines|order_id"), rows(meta.getExportedKeys(null, "crm", "orders"), "FKTABLE_NAME", "FKCOLUMN_NAME"));
            same(1, rows(meta.getCrossReference(null, "crm", "customers", null, "crm", "orders"), 1).size());
            List<String> indexes = rows(meta.getIndexInfo(null, "crm", "customers", false, true), "INDEX_NAME", "COLUMN_NAME", "NON_UNIQUE");
            same(true, indexes.contains("customers_pkey|id|f"));
            same(true, indexes.toString().contains("customers_lower_idx"));
            same(List.of("order_id", "line"), rows(meta.getBestRowIdentifier(null, "crm", "order_lines", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME"));
            rows(meta.getVersionColumns(null, "crm", "orders"), 2);
        }
    }

    static void itKnowsTypesAndFunctions() throws Exception {
        try (Connection connection = connect()) {
            DatabaseMetaData meta = connection.getMetaData();
            List<String> types = rows(meta.getTypeInfo(), "TYPE_NAME");
            same(true, types.containsAll(List.of("int4", "text", "jsonb", "mood")));
            same(true, rows(meta.getUDTs(null, "crm", "%", null), "TYPE_NAME").containsAll(List.of("address", "email")));
            same(List.of("add"), rows(meta.getFunctions(null, "crm", "add"), "FUNCTION_NAME"));
            same(true, rows(meta.getFunctionColumns(null, "crm", "add", "%"), "COLUMN_NAME").containsAll(List.of("a", "b")));
            same(List.of("nothing"), rows(meta.getProcedures(null, "crm", "%"), "PROCEDURE_NAME").stream().filter("nothing"::equals).toList());
            rows(meta.getProcedureColumns(null, "crm", "%", "%"), 4);
            rows(meta.getClientInfoProperties(), 1);
            same(true, meta.getSQLKeywords().contains("abort"));
            same(63, meta.getMaxColumnNameLength());
            same(true, meta.getUserName().equals(System.getenv("PGUSER")));
            same(32, meta.getMaxColumnsInIndex());
            same("read committed", one(connection, "SHOW TRANSACTION ISOLATION LEVEL"));
            same(true, meta.getDatabaseMajorVersion() >= 14);
        }
    }

    static void itDescribesResults() throws Exception {
        try (Connection connection = connect()) {
            PreparedStatement statement = connection.prepareStatement("select id, name as called, balance * 2 as twice from customers where id = ?");
            ResultSetMetaData meta = statement.getMetaData();
            same("customers", ((org.postgresql.PGResultSetMetaData) meta).getBaseTableName(2));
            same("name", ((org.postgresql.PGResultSetMetaData) meta).getBaseColumnName(2));
            same("called", meta.getColumnLabel(2));
            same(true, meta.isAutoIncrement(1));
            same(ResultSetMetaData.columnNoNulls, meta.isNullable(1));
            same(Types.INTEGER, statement.getParameterMetaData().getParameterType(1));
        }
    }

    static void itCancels() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            ScheduledExecutorService later = Executors.newSingleThreadScheduledExecutor();
            later.schedule(() -> { statement.cancel(); return null; }, 400, TimeUnit.MILLISECONDS);
            long begin = System.nanoTime();
            fails("57014", () -> statement.executeQuery(SLOW_QUERY));
            same(true, System.nanoTime() - begin < 2_000_000_000L);
            later.shutdown();
            same("1", one(connection, "select 1"));
        }
    }

    static void itTimesOut() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            fails("57014", () -> statement.executeQuery(SLOW_QUERY));
            same("1", one(connection, "select 1"));
        }
        try (Connection connection = connect("options", "-c statement_timeout=200")) {
            fails("57014", () -> one(connection, SLOW_QUERY));
        }
    }

    static void itIsValid() throws Exception {
        Connection connection = connect("tcpKeepAlive", "true", "socketTimeout", "10");
        same(true, connection.isValid(2));
        connection.setNetworkTimeout(Runnable::run, 5000);
        same(true, connection.isValid(2));
        connection.setAutoCommit(false);
        same(true, connection.isValid(2));
        fails("42P01", () -> one(connection, "select * from nothere"));
        fails("25P02", () -> one(connection, "select 1"));
        connection.rollback();
        same(true, connection.isValid(2));
        connection.close();
        same(false, connection.isValid(2));
    }

    static void itIsReadOnlyInEveryMode() throws Exception {
        for (String mode : List.of("ignore", "transaction", "always")) {
            try (Connection connection = connect("readOnlyMode", mode)) {
                for (boolean readOnly : List.of(true, false, true)) {
                    connection.setReadOnly(readOnly);
                    connection.setAutoCommit(true);
                    same("50", one(connection, "select count(*) from customers"));
                    connection.setAutoCommit(false);
                    same("50", one(connection, "select count(*) from customers"));
                    fails("42501|25006", () -> connection.createStatement().executeUpdate("delete from customers"));
                    connection.rollback();
                }
            }
        }
    }

    static void itSetsIsolation() throws Exception {
        try (Connection connection = connect()) {
            for (int level : List.of(Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_READ_COMMITTED, Connection.TRANSACTION_READ_UNCOMMITTED)) {
                connection.setTransactionIsolation(level);
                same(level, connection.getTransactionIsolation());
                same("50", one(connection, "select count(*) from customers"));
            }
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            same("50", one(connection, "select count(*) from customers"));
        }
    }

    static void itSavesAutomatically() throws Exception {
        for (String autosave : List.of("always", "conservative", "never")) {
            try (Connection connection = connect("autosave", autosave)) {
                connection.setAutoCommit(false);
                same("50", one(connection, "select count(*) from customers"));
                fails("22012", () -> one(connection, "select 1 / 0"));
                if (autosave.equals("always")) same("2", one(connection, "select 2"));
                connection.rollback();
                Savepoint point = connection.setSavepoint("mine");
                fails("42703", () -> one(connection, "select nothere"));
                connection.rollback(point);
                same("3", one(connection, "select 3"));
                connection.releaseSavepoint(connection.setSavepoint());
                connection.commit();
            }
        }
    }

    static void itRunsScriptsAndBatches() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            same(true, statement.execute("select 1; select 2; set timezone = 'UTC'"));
            same(List.of("1"), rows(statement.getResultSet(), 1));
            same(true, statement.getMoreResults());
            same(List.of("2"), rows(statement.getResultSet(), 1));
            same(false, statement.getMoreResults());
            statement.addBatch("insert into customers (name) values ('x')");
            statement.addBatch("insert into customers (name) values ('y')");
            fails("42501|25006", statement::executeBatch);
            same("50", one(connection, "select count(*) from customers"));
        }
    }

    static void itCopiesOut() throws Exception {
        try (Connection connection = connect()) {
            CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
            StringWriter text = new StringWriter();
            same(50L, copies.copyOut("copy (select id, name from customers order by id) to stdout with csv header", text));
            same(true, text.toString().startsWith("id,name\n1,customer 1\n"));
            fails("42501|25006", () -> copies.copyIn("copy customers (name) from stdin", new java.io.StringReader("x\n")));
            same("50", one(connection, "select count(*) from customers"));
        }
    }

    static void itSetsSchemaAndClientInfo() throws Exception {
        try (Connection connection = connect("ApplicationName", "reports", "currentSchema", "crm,public")) {
            same("crm", connection.getSchema());
            same("reports", one(connection, "show application_name"));
            same("reports", connection.getClientInfo("ApplicationName"));
            connection.setSchema("information_schema");
            same("information_schema", connection.getSchema());
            connection.setClientInfo("ApplicationName", "Jürgens Bericht".replace("ü", "ue"));
            same("Juergens Bericht", one(connection, "show application_name"));
            same(System.getenv("PGDATABASE"), connection.getCatalog());
            same(null, connection.getWarnings());
            connection.createStatement().execute("set timezone = 'Asia/Tokyo'");
            same("Asia/Tokyo", connection.unwrap(PGConnection.class).getParameterStatus("TimeZone"));
        }
    }

    static void itFailsOverNowhereElse() throws Exception {
        for (String type : List.of("any", "secondary", "preferSecondary", "preferPrimary")) {
            if (type.equals("secondary")) continue; // there is none; a gateway with read-only pins says so as Postgres does
            try (Connection connection = connect("targetServerType", type)) {
                same("1", one(connection, "select 1"));
            }
        }
    }

    static void itWorksFromManyThreads() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(8);
        List<Future<String>> answers = new ArrayList<>();
        for (int at = 1; at <= 40; at++) {
            int id = at;
            answers.add(threads.submit(() -> {
                try (Connection connection = connect("connectTimeout", "10")) {
                    return one(connection, "select name from customers where id = " + id);
                }
            }));
        }
        for (int at = 1; at <= 40; at++) same("customer " + at, answers.get(at - 1).get(15, TimeUnit.SECONDS));
        threads.shutdown();
    }
}
