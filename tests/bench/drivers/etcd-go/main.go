// Command etcd-go loads one member of etcd through etcd's own Go client, as a closed loop, for the bench to compare with.
//
// It prints {"ready":true} when it has what it needs, then reads lines from standard input: each is a number of seconds to
// load the member for, and is answered by one line of JSON with what came of it. It ends with its standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"go.etcd.io/etcd/clientv3"
)

// An operation is done once, with the caller's own chance; it fails where less is there than was written.
type operation func(ctx context.Context, caller *caller) error

// What the command line asks for.
type settings struct {
	endpoint   string
	operation  string
	inFlight   int
	keys       int
	valueBytes int
	seed       int64
}

const dialTimeout = 10 * time.Second

func main() {
	var asked settings
	flag.StringVar(&asked.endpoint, "endpoint", "", "host:port of the member to load")
	flag.StringVar(&asked.operation, "operation", "put", "put, get, get-stale, mixed, cas, scan or txn")
	flag.IntVar(&asked.inFlight, "in-flight", 1, "operations open at a time")
	flag.IntVar(&asked.keys, "keys", 20000, "keys that are loaded")
	flag.IntVar(&asked.valueBytes, "value-bytes", 256, "length of each value")
	flag.Int64Var(&asked.seed, "seed", 1, "of what is drawn")
	flag.Parse()
	if err := serve(asked); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(asked settings) error {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{asked.endpoint}, DialTimeout: dialTimeout})
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := context.Background()
	do, err := operationOf(ctx, client, asked)
	if err != nil {
		return err
	}
	callers := callersOf(asked)
	answers := json.NewEncoder(os.Stdout)
	if err := answers.Encode(map[string]bool{"ready": true}); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		seconds, err := strconv.ParseFloat(lines.Text(), 64)
		if err != nil {
			return err
		}
		length := time.Duration(seconds * float64(time.Second))
		if err := answers.Encode(closedLoop(ctx, do, callers, length)); err != nil {
			return err
		}
	}
	return lines.Err()
}
