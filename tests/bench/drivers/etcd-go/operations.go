package main

import (
	"context"
	"fmt"
	"math/rand"
	"sync"

	"go.etcd.io/etcd/clientv3"
)

// How many records a scan reads.
const scannedKeys = 1000

// How many keys one read of revisions asks for.
const pageKeys = 1000

// Keys of 16 bytes, in the order of their numbers: those that the bench has loaded.
func keyAt(index int) string {
	return fmt.Sprintf("k%015d", index)
}

// What is done over and over, on keys that are drawn evenly.
func operationOf(ctx context.Context, client *clientv3.Client, asked settings) (operation, error) {
	put := func(ctx context.Context, c *caller) error {
		_, err := client.Put(ctx, keyAt(c.random.Intn(asked.keys)), c.value())
		return err
	}
	get := func(options ...clientv3.OpOption) operation {
		return func(ctx context.Context, c *caller) error {
			key := keyAt(c.random.Intn(asked.keys))
			found, err := client.Get(ctx, key, options...)
			if err == nil && len(found.Kvs) == 0 {
				return fmt.Errorf("%s is not there", key)
			}
			return err
		}
	}
	switch asked.operation {
	case "put":
		return put, nil
	case "get":
		return get(), nil
	case "get-stale":
		return get(clientv3.WithSerializable()), nil
	case "mixed":
		fresh := get()
		return func(ctx context.Context, c *caller) error {
			if c.random.Intn(2) == 0 {
				return put(ctx, c)
			}
			return fresh(ctx, c)
		}, nil
	case "cas":
		return compareAndSets(ctx, client, asked)
	case "scan":
		return func(ctx context.Context, c *caller) error { return scan(ctx, client, asked, c.random) }, nil
	case "txn":
		return func(ctx context.Context, c *caller) error { return transact(ctx, client, asked, c) }, nil
	default:
		return nil, fmt.Errorf("there is no operation %q", asked.operation)
	}
}

func scan(ctx context.Context, client *clientv3.Client, asked settings, random *rand.Rand) error {
	count := scannedKeys
	if count > asked.keys {
		count = asked.keys
	}
	first := random.Intn(asked.keys - count + 1)
	found, err := client.Get(ctx, keyAt(first), clientv3.WithRange(keyAt(first+count)))
	if err == nil && len(found.Kvs) < count {
		return fmt.Errorf("%d of %d records from %s", len(found.Kvs), count, keyAt(first))
	}
	return err
}

// If a key exists, writes two and reads one, at once.
func transact(ctx context.Context, client *clientv3.Client, asked settings, c *caller) error {
	first := c.random.Intn(asked.keys)
	// Another one: a transaction that writes a key twice is refused.
	second := (first + 1 + c.random.Intn(asked.keys-1)) % asked.keys
	guard := keyAt(c.random.Intn(asked.keys))
	value := c.value()
	done, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.Version(guard), ">", 0)).
		Then(
			clientv3.OpPut(keyAt(first), value),
			clientv3.OpPut(keyAt(second), value),
			clientv3.OpGet(keyAt(c.random.Intn(asked.keys))),
		).
		Commit()
	if err == nil && !done.Succeeded {
		return fmt.Errorf("%s is not there", guard)
	}
	return err
}

// Each on a key of which no other is under way, at the revision that it is known to have: all of them hold.
func compareAndSets(ctx context.Context, client *clientv3.Client, asked settings) (operation, error) {
	revisions, err := revisionsOf(ctx, client, asked.keys)
	if err != nil {
		return nil, err
	}
	var lock sync.Mutex
	busy := make(map[int]bool)
	claim := func(random *rand.Rand) (int, int64) {
		lock.Lock()
		defer lock.Unlock()
		index := random.Intn(asked.keys)
		for busy[index] && len(busy) < asked.keys {
			index = (index + 1) % asked.keys
		}
		busy[index] = true
		return index, revisions[index]
	}
	confirm := func(index int, revision int64) {
		lock.Lock()
		defer lock.Unlock()
		revisions[index] = revision
		delete(busy, index)
	}
	return func(ctx context.Context, c *caller) error {
		index, revision := claim(c.random)
		key := keyAt(index)
		done, err := client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).
			Then(clientv3.OpPut(key, c.value())).
			Commit()
		// Where it fails the key stays busy: nobody knows its revision then.
		if err != nil {
			return err
		}
		if !done.Succeeded {
			return fmt.Errorf("%s is no longer at revision %d", key, revision)
		}
		confirm(index, done.Header.Revision)
		return nil
	}, nil
}

// The revision of each loaded key, by its number.
func revisionsOf(ctx context.Context, client *clientv3.Client, keys int) ([]int64, error) {
	revisions := make([]int64, 0, keys)
	for from := 0; from < keys; from += pageKeys {
		to := from + pageKeys
		if to > keys {
			to = keys
		}
		found, err := client.Get(ctx, keyAt(from), clientv3.WithRange(keyAt(to)), clientv3.WithKeysOnly())
		if err != nil {
			return nil, err
		}
		for _, record := range found.Kvs {
			revisions = append(revisions, record.ModRevision)
		}
	}
	if len(revisions) != keys {
		return nil, fmt.Errorf("%d of %d loaded keys are there", len(revisions), keys)
	}
	return revisions, nil
}
