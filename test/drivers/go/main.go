// Runs every check against the gateway, and prints what came of it, a line of JSON each.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
)

var slowQuery = os.Getenv("SLOW_QUERY")

var checks = map[string]func(context.Context){
	"itReadsTypes":              itReadsTypes,
	"itWorksInEveryMode":        itWorksInEveryMode,
	"itLoadsTypesOfTheTenant":   itLoadsTypesOfTheTenant,
	"itSendsBatches":            itSendsBatches,
	"itPipelines":               itPipelines,
	"itKeepsTransactions":       itKeepsTransactions,
	"itWalksACursor":            itWalksACursor,
	"itLeavesResultsUnread":     itLeavesResultsUnread,
	"itPools":                   itPools,
	"itCancelsWithItsContext":   itCancelsWithItsContext,
	"itCopiesOut":               itCopiesOut,
	"itChoosesByAttributes":     itChoosesByAttributes,
	"itTellsOfErrorsAndNotices": itTellsOfErrorsAndNotices,
	"itMayNotWriteOrListen":     itMayNotWriteOrListen,
	"itWorksThroughDatabaseSQL": itWorksThroughDatabaseSQL,
	"itDropsPreparedStatements": itDropsPreparedStatements,
	"itBringsSettingsAlong":     itBringsSettingsAlong,
}

func main() {
	for name, check := range checks {
		line := map[string]any{"check": name, "error": run(check)}
		text, _ := json.Marshal(line)
		fmt.Println(string(text))
	}
}

func run(check func(context.Context)) (problem any) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	defer func() {
		if thrown := recover(); thrown != nil {
			problem = fmt.Sprint(thrown)
		}
	}()
	check(ctx)
	return nil
}

func must(err error) {
	if err != nil {
		panic(err.Error())
	}
}

func same(expected, actual any) {
	if !reflect.DeepEqual(expected, actual) {
		panic(fmt.Sprintf("expected %#v, got %#v", expected, actual))
	}
}

// One of the SQLSTATEs, which are separated by bars.
func fails(states string, err error) {
	var report *pgconn.PgError
	if !errors.As(err, &report) || !strings.Contains(states, report.Code) {
		panic(fmt.Sprintf("expected %s, got %v", states, err))
	}
}

func connect(ctx context.Context, settings string) *pgx.Conn {
	connection, err := pgx.Connect(ctx, settings)
	must(err)
	return connection
}

func itReadsTypes(ctx context.Context) {
	c := connect(ctx, "")
	defer c.Close(ctx)
	var id int32
	var name, umlaut string
	var tags []string
	var profile map[string]any
	var balance pgtype.Numeric
	var at time.Time
	var nothing *string
	var raw []byte
	var list []*int32
	must(c.QueryRow(ctx, `select c.id, name, 'größer', tags, profile, balance, placed_at, null::text, '\x00ff'::bytea, '{1,null}'::int[]
		from customers c join orders o on o.id = c.id where c.id = $1 and name = $2`, 7, "customer 7").
		Scan(&id, &name, &umlaut, &tags, &profile, &balance, &at, &nothing, &raw, &list))
	same(int32(7), id)
	same([]string{"t1", "ä"}, tags)
	same("größer", umlaut)
	same(float64(7), profile["n"])
	same(2024, at.Year())
	same([]byte{0, 255}, raw)
	same(2, len(list))
	money, _ := balance.Float64Value()
	same(73.5, money.Float64)
}

func itWorksInEveryMode(ctx context.Context) {
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		c := connect(ctx, "default_query_exec_mode="+mode)
		for id := 1; id <= 10; id++ {
			var name string
			must(c.QueryRow(ctx, "select name from customers where id = $1", id).Scan(&name))
			same(fmt.Sprintf("customer %d", id), name)
		}
		rows, err := c.Query(ctx, "select id::text from customers where name like $1 and id < $2 order by id", "customer%", 3)
		must(err)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		must(err)
		same([]string{"1", "2"}, ids)
		_, err = c.Exec(ctx, "select 1 / $1::int", 0)
		fails("22012", err)
		must(c.Ping(ctx))
		must(c.Close(ctx))
	}
}

func itLoadsTypesOfTheTenant(ctx context.Context) {
	c := connect(ctx, "")
	defer c.Close(ctx)
	for _, name := range []string{"mood", "_mood", "address", "crm.span"} {
		loaded, err := c.LoadType(ctx, name)
		must(err)
		c.TypeMap().RegisterType(loaded)
	}
	var feeling string
	var home struct {
		Street string
		Zip    string
		Moods  []string
	}
	must(c.QueryRow(ctx, "select feeling, home from customers where id = $1", 3).Scan(&feeling, &home))
	same("sad", feeling)
	same("street 3", home.Street)
	same([]string{"sad", "happy"}, home.Moods)
	// From pgx 5.7 on.
	if loader, ok := any(c).(interface {
		LoadTypes(context.Context, []string) ([]*pgtype.Type, error)
	}); ok {
		types, err := loader.LoadTypes(ctx, []string{"mood", "address"})
		must(err)
		same(true, len(types) >= 2)
	}
}

func itSendsBatches(ctx context.Context) {
	c := connect(ctx, "")
	defer c.Close(ctx)
	batch := &pgx.Batch{}
	for at := 0; at < 100; at++ {
		batch.Queue("select $1::int * 2", at)
	}
	batch.Queue("select count(*) from orders")
	results := c.SendBatch(ctx, batch)
	for at := 0; at < 100; at++ {
		var twice int
		must(results.QueryRow().Scan(&twice))
		same(at*2, twice)
	}
	must(results.Close())
	failing := &pgx.Batch{}
	failing.Queue("select 1")
	failing.Queue("select 1 / $1::int", 0)
	failing.Queue("select 3")
	fails("22012", c.SendBatch(ctx, failing).Close())
	must(c.Ping(ctx))
}

func itPipelines(ctx context.Context) {
	c := connect(ctx, "")
	defer c.Close(ctx)
	pipeline := c.PgConn().StartPipeline(ctx)
	pipeline.SendQueryParams("select 1", nil, nil, nil, nil)
	must(pipeline.Sync())
	pipeline.SendPrepare("two", "select name from customers where id = $1", nil)
	pipeline.SendQueryPrepared("two", [][]byte{[]byte("7")}, nil, nil)
	must(pipeline.Sync())
	pipeline.SendQueryParams("select nothere", nil, nil, nil, nil)
	pipeline.SendQueryParams("select 4", nil, nil, nil, nil)
	must(pipeline.Sync())
	var seen []string
	for {
		result, err := pipeline.GetResults()
		if err != nil {
			var report *pgconn.PgError
			if !errors.As(err, &report) {
				panic(err.Error())
			}
			seen = append(seen, report.Code)
			continue
		}
		if result == nil {
			break
		}
		switch is := result.(type) {
		case *pgconn.ResultReader:
			rows := is.Read()
			if rows.Err == nil {
				seen = append(seen, string(rows.Rows[0][0]))
			} else {
				seen = append(seen, rows.Err.(*pgconn.PgError).Code)
			}
		case *pgconn.StatementDescription:
			seen = append(seen, fmt.Sprint(is.ParamOIDs))
		case *pgconn.PipelineSync:
			seen = append(seen, "sync")
		}
	}
	must(pipeline.Close())
	same([]string{"1", "sync", "[23]", "customer 7", "sync", "42703", "sync"}, seen)
	must(c.Ping(ctx))
}

func itKeepsTransactions(ctx context.Context) {
	c := connect(ctx, "")
	defer c.Close(ctx)
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: level, AccessMode: pgx.ReadOnly})
		must(err)
		inner, err := tx.Begin(ctx)
		must(err)
		_, err = inner.Exec(ctx, "select 1 / 0")
		fails("22012", err)
		must(inner.Rollback(ctx))
		var count int
		must(tx.QueryRow(ctx, "select count(*) from orders").Scan(&count))
		same(5000, count)
		must(tx.Commit(ctx))
	}
	same(byte('I'), c.PgConn().TxStatus())
	tx, err := c.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadWrite})
	must(err)
	_, err = tx.Exec(ctx, "delete from customers")
	fails("42501 25006", err)
	_, err = tx.Exec(ctx, "select 1")
	fails("25P02", err)
	must(tx.Rollback(ctx))
}

func itWalksACursor(ctx context.Context) {
	c := connect(ctx, "")
	defer c.Close(ctx)
	must(pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "declare walk cursor for select id from orders where id > $1 order by id", 10)
		must(err)
		rows, err := tx.Query(ctx, "fetch forward 500 from walk")
		must(err)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		must(err)
		same(500, len(ids))
		same(int64(11), ids[0])
		_, err = tx.Exec(ctx, "close walk")
		return err
	}))
}

func itLeavesResultsUnread(ctx context.Context) {
	c := connect(ctx, "")
	defer c.Close(ctx)
	rows, err := c.Query(ctx, "select id from orders order by id")
	must(err)
	same(true, rows.Next())
	rows.Close()
	must(c.Ping(ctx))
	var count int
	must(c.QueryRow(ctx, "select count(*) from orders").Scan(&count))
	same(5000, count)
}

func itPools(ctx context.Context) {
	pool, err := pgxpool.New(ctx, "pool_max_conns=8")
	must(err)
	defer pool.Close()
	var all sync.WaitGroup
	problems := make(chan string, 200)
	for at := 0; at < 200; at++ {
		all.Add(1)
		go func(id int) {
			defer all.Done()
			var name string
			err := pool.QueryRow(ctx, "select name from customers where id = $1", id).Scan(&name)
			if err != nil || name != fmt.Sprintf("customer %d", id) {
				problems <- fmt.Sprint(name, err)
			}
		}(1 + at%50)
	}
	all.Wait()
	close(problems)
	for problem := range problems {
		panic(problem)
	}
}

func itCancelsWithItsContext(ctx context.Context) {
	c := connect(ctx, "")
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := c.Exec(short, slowQuery)
	same(true, err != nil && time.Since(begin) < 2*time.Second)
	other := connect(ctx, "")
	defer other.Close(ctx)
	go func() {
		time.Sleep(300 * time.Millisecond)
		other.PgConn().CancelRequest(context.Background())
	}()
	_, err = other.Exec(ctx, slowQuery)
	fails("57014", err)
	must(other.Ping(ctx))
}

func itCopiesOut(ctx context.Context) {
	c := connect(ctx, "")
	defer c.Close(ctx)
	var text bytes.Buffer
	tag, err := c.PgConn().CopyTo(ctx, &text, "copy (select id, name from customers order by id) to stdout")
	must(err)
	same("COPY 50", tag.String())
	same(true, strings.HasPrefix(text.String(), "1\tcustomer 1\n2\t"))
	_, err = c.CopyFrom(ctx, pgx.Identifier{"crm", "customers"}, []string{"name"}, pgx.CopyFromRows([][]any{{"x"}}))
	fails("42501 25006", err)
	must(c.Ping(ctx))
}

func itChoosesByAttributes(ctx context.Context) {
	for _, attributes := range []string{"any", "primary", "prefer-standby", "read-only"} {
		c := connect(ctx, "target_session_attrs="+attributes)
		must(c.Ping(ctx))
		must(c.Close(ctx))
	}
	_, err := pgx.Connect(ctx, "target_session_attrs=read-write")
	same(true, err != nil)
}

func itTellsOfErrorsAndNotices(ctx context.Context) {
	config, err := pgx.ParseConfig("")
	must(err)
	var heard []string
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { heard = append(heard, notice.Message) }
	c, err := pgx.ConnectConfig(ctx, config)
	must(err)
	defer c.Close(ctx)
	_, err = c.Exec(ctx, "select nothere from customers where id = $1", 1)
	var report *pgconn.PgError
	same(true, errors.As(err, &report))
	same("42703", report.Code)
	same(int32(8), report.Position)
	_, err = c.Exec(ctx, "commit")
	must(err)
	same([]string{"there is no transaction in progress"}, heard)
}

func itMayNotWriteOrListen(ctx context.Context) {
	c := connect(ctx, "")
	defer c.Close(ctx)
	for _, text := range []string{"insert into customers (name) values ('x')", "listen c", "create temp table t (a int)", "select nextval('ticket_numbers')"} {
		_, err := c.Exec(ctx, text)
		fails("42501 25006 0A000", err)
	}
	var count int
	must(c.QueryRow(ctx, "select count(*) from customers").Scan(&count))
	same(50, count)
}

func itWorksThroughDatabaseSQL(ctx context.Context) {
	db, err := sql.Open("pgx", "")
	must(err)
	defer db.Close()
	db.SetMaxOpenConns(4)
	must(db.PingContext(ctx))
	statement, err := db.PrepareContext(ctx, "select name from customers where id = $1")
	must(err)
	defer statement.Close()
	for id := 1; id <= 20; id++ {
		var name string
		must(statement.QueryRowContext(ctx, id).Scan(&name))
		same(fmt.Sprintf("customer %d", id), name)
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	must(err)
	rows, err := tx.QueryContext(ctx, "select id from orders")
	must(err)
	count := 0
	for rows.Next() {
		count++
	}
	must(rows.Close())
	must(tx.Commit())
	same(5000, count)
}

func itDropsPreparedStatements(ctx context.Context) {
	c := connect(ctx, "statement_cache_capacity=3")
	defer c.Close(ctx)
	for at := 0; at < 20; at++ {
		var sum int
		must(c.QueryRow(ctx, fmt.Sprintf("select %d + $1::int", at), 1).Scan(&sum))
		same(at+1, sum)
	}
	_, err := c.Prepare(ctx, "mine", "select $1::text")
	must(err)
	must(c.Deallocate(ctx, "mine"))
	must(c.DeallocateAll(ctx))
	must(c.Ping(ctx))
}

func itBringsSettingsAlong(ctx context.Context) {
	c := connect(ctx, "application_name=reports timezone=Asia/Tokyo statement_timeout=300 options='-c datestyle=german'")
	defer c.Close(ctx)
	same("Asia/Tokyo", c.PgConn().ParameterStatus("TimeZone"))
	same("reports", c.PgConn().ParameterStatus("application_name"))
	_, err := c.Exec(ctx, slowQuery)
	fails("57014", err)
	var zone string
	must(c.QueryRow(ctx, "show timezone").Scan(&zone))
	same("Asia/Tokyo", zone)
}
